"""The files that are known, those that a listing brings or lacks, and which are copies."""

from __future__ import annotations

import posixpath
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Optional

from exporter.errors import ParseError
from exporter.logs.evidence import LogEvidence
from exporter.logs.facts import SourceActivity
from exporter.logs.listing import Identity, Listed, Listing, LogHost, Pattern
from exporter.logs.logfile import HEAD, RECOGNISABLE, TAIL, LogFile, Position, restore_position
from exporter.logs.reading import Moment

LONGEST_LOOK_BACK = 64 << 20  # bytes of one file
MOVED_IN_SECONDS = 60.0
KEPT_SECONDS = 3600.0
MOST_GONE = 500
MOST_GHOSTS = 100
_BEGIN = 256  # bytes that are compared first
_COMPARED = 4096  # bytes of the beginning that are compared then


class FileTable:
    """All known files by their identity.

    ``ghosts`` tell how far contents were read that have been replaced in their files.
    ``seen`` tells when the files of a pattern were listed last, since the epoch; a pattern that
    is not in it has its first look before it.
    """

    def __init__(
        self, host: LogHost, evidence: LogEvidence, activity: Mapping[str, SourceActivity]
    ) -> None:
        self.files: dict[Identity, LogFile] = {}
        self.ghosts: list[LogFile] = []
        self.seen: dict[Pattern, float] = {}
        self._contents = 0
        self._host = host
        self._evidence = evidence
        self._activity = activity

    def reconcile(self, listing: Listing, moment: Moment) -> list[LogFile]:
        """Bring the table up to what is listed; give the closed files that have changed."""
        paths: dict[Identity, list[Listed]] = {}
        for listed in listing.files:
            paths.setdefault(listed.identity, []).append(listed)
        for identity, places in paths.items():
            if identity in self.files:
                self._reconcile_one(self.files[identity], places)
            else:
                self._adopt(places[0], moment)
        unsure = {pattern.source for pattern in listing.unreadable}
        for identity, file in self.files.items():
            if file.position.source not in unsure:
                self._note_absence(file, absent=identity not in paths)
        closed = [(self.files[i], places[0]) for i, places in paths.items()]
        closed = [(file, listed) for file, listed in closed if not file.is_open]
        for file, listed in closed:
            file.size, file.mtime = listed.size, listed.mtime
        return [file for file, listed in closed if file.differs(listed.size, listed.mtime_ns)]

    def _reconcile_one(self, file: LogFile, places: list[Listed]) -> None:
        position, path = file.position, places[0].path
        stayed = position.path in [listed.path for listed in places]
        was_listed, file.listed, file.unseen = file.listed, True, False
        sure = file.is_open or position.is_recognisable or position.history
        if not sure and not (stayed and was_listed):
            file.rewind(self.new_content())  # it may be any file with the number of that one
            position.path, file.fresh = path, True
        elif not stayed:
            self._note_rename(position, path)

    def _note_rename(self, position: Position, path: str) -> None:
        renamed = posixpath.basename(path) != posixpath.basename(position.path)
        position.path = path
        if renamed and not position.retired:
            position.retired = True
            self._activity[position.source].rotations += 1

    def _note_absence(self, file: LogFile, *, absent: bool) -> None:
        if absent and file.listed and not file.position.retired and not file.unseen:
            self._activity[file.position.source].rotations += 1
        file.listed = not absent

    def _adopt(self, listed: Listed, moment: Moment) -> None:
        position = Position(listed.pattern.source, listed.path, listed.device, listed.inode)
        position.content = self.new_content()
        file = LogFile(position, self._host, moment.monotonic)
        since = self.seen.get(listed.pattern)
        if since is None:
            self._look_back(position, listed, moment)
        elif listed.mtime < since - MOVED_IN_SECONDS and since <= moment.wall:
            position.offset = listed.size
        else:
            file.fresh = True
        if position.source not in self._evidence.covered_since:
            self._evidence.cover_from(position.source, moment.wall)
        self.files[position.identity] = file

    def _look_back(self, position: Position, listed: Listed, moment: Moment) -> None:
        position.history = listed.size
        if listed.mtime < moment.horizon:
            position.offset = listed.size
            self._evidence.cover_from(position.source, moment.horizon)
            return
        position.offset = max(0, listed.size - LONGEST_LOOK_BACK)
        position.skipping = position.offset > 0

    def remember_replaced(self, file: LogFile) -> None:
        """Keep how far a content was read that its file no longer has; an archive may have it."""
        ghost = LogFile(replace(file.position), self._host, file.changed_at)
        ghost.listed, ghost.unseen = False, True
        self.ghosts = [*self.ghosts, ghost][-MOST_GHOSTS:]

    def new_content(self) -> int:
        """Give a number that no content has had."""
        self._contents += 1
        return self._contents

    def with_content(self, content: int) -> Optional[LogFile]:
        """Give the file that has a content, or else what is remembered of it.

        None if it is not known any more, and for 0, which is no content.
        """
        files = (*self.files.values(), *self.ghosts) if content else ()
        return next((file for file in files if file.position.content == content), None)

    def forget(self, file: LogFile) -> None:
        """Let go of a file that is no longer there."""
        if file in self.ghosts:
            self.ghosts.remove(file)
        else:
            del self.files[file.position.identity]

    def predecessors(self) -> list[LogFile]:
        """List what was read and is gone, of which a fresh file may have the content."""
        return [f for f in self.gone() if f.unseen and not (f.position.copy_of or f.fresh)]

    def gone(self) -> list[LogFile]:
        """List what was read, and is there no more in its plain form."""
        lost = [file for file in self.files.values() if not (file.listed or file.is_open)]
        return lost + self.ghosts

    def note_newest(self) -> None:
        """Tell each file whether a neighbour was written later."""
        newest: dict[tuple[str, str], float] = {}
        for file in self.files.values():
            newest[file.place] = max(file.mtime, newest.get(file.place, 0.0))
        for file in self.files.values():
            file.newest = file.mtime >= newest[file.place]

    def looks_back(self) -> bool:
        """Whether some file still has to be read that is older than the first look."""
        return any(f.position.offset < f.position.history for f in self.files.values())

    def forget_gone(self, now: float) -> None:
        """Let go of files that were lost sight of long ago."""
        gone = sorted(self.gone(), key=lambda file: file.changed_at)
        old = sum(now - file.changed_at > KEPT_SECONDS for file in gone)
        for file in gone[: max(old, len(gone) - MOST_GONE)]:
            self.forget(file)

    def present(self) -> Iterator[LogFile]:
        """Give the files that are there."""
        return (file for file in self.files.values() if file.is_open or file.listed)

    def dump(self) -> dict[str, Any]:
        """Write all positions down in JSON's types."""
        return {
            "files": [file.position.dump() for file in self.files.values() if not file.fresh],
            "ghosts": [ghost.position.dump() for ghost in self.ghosts],
            "seen": [[*pattern, time] for pattern, time in self.seen.items()],
            "contents": self._contents,
        }

    def restore(self, dumped: Mapping[str, Any], now: float, sources: Iterable[str]) -> None:
        """Know what was written down; raises ParseError, and changes nothing, if it is not that.

        ``now`` is monotonic. What is of none of the sources is left out.
        """
        wanted = frozenset(sources)
        try:
            positions = [restore_position(position) for position in dumped["files"]]
            ghosts = [restore_position(position) for position in dumped["ghosts"]]
            seen = {Pattern(str(s), str(p)): float(time) for s, p, time in dumped["seen"]}
            contents = int(dumped["contents"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ParseError(f"not what positions look like: {error!r}") from error
        for position in positions:
            if position.source in wanted:
                file = LogFile(position, self._host, now)
                file.unseen = True
                self.files[position.identity] = file
        for position in ghosts:
            self.remember_replaced(LogFile(position, self._host, now))
        self.seen.update({p: time for p, time in seen.items() if p.source in wanted})
        self._contents = contents


def take_over(file: LogFile, gone: list[LogFile]) -> Optional[LogFile]:
    """Have a fresh file read on from where a file that is gone was, if it has that one's content.

    Gives the one whose place was taken, and takes it out of the list. May raise OSError.
    """
    candidates = [other for other in gone if other.place == file.place]
    head = file.pread(HEAD, 0) if candidates and file.size else b""
    for other in candidates:
        position = other.position
        begins_alike = zlib.crc32(head[: position.head_length]) == position.head
        if begins_alike and file.has_content_of(position):
            file.position.take_from(position)
            file.fresh = False
            gone.remove(other)
            return other
    return None


class Originals:
    """Files that are there, of which a fresh one may be a copy; with how they begin."""

    def __init__(self) -> None:
        self._by_place: dict[tuple[str, str], list[tuple[bytes, LogFile]]] = {}

    def add(self, file: LogFile) -> None:
        """Know a file, if it can be an original. May raise OSError.

        What comes after a file that was renamed is new, however it begins.
        """
        position = file.position
        there = file.is_open and file.listed and not file.unlinked
        if there and not (file.fresh or position.copy_of or position.retired):
            begin = file.pread(_BEGIN, 0)
            self._by_place.setdefault(file.place, []).append((begin, file))

    def set_aside(self, file: LogFile) -> None:
        """Set a fresh file aside that is a copy of one that is there; else it is an original.

        May raise OSError.
        """
        if not file.size:
            return
        file.fresh = False
        own_begin = file.pread(_BEGIN, 0)
        for begin, other in self._by_place.get(file.place, []):
            if begin.startswith(own_begin) and _begins_like(file, other):
                file.fingerprint()
                file.position.copy_of = other.position.content
                return
        self.add(file)


def settle_copy(copy: LogFile, original: Optional[LogFile]) -> None:
    """Decide about a file that was taken for a copy, now that it or its original has changed.

    The copy is as it was. Must come before a truncated original is rewound. May raise OSError.
    """
    if original is not None and original.is_open and original.is_intact():
        if not _begins_like(copy, original):
            _let_go(copy, original)
        return
    if original is not None and copy.size > original.position.offset:
        if copy.has_content_of(original.position):
            copy.position.take_from(original.position)
        else:
            copy.position.copy_of = 0
        return
    copy.position.copy_of = 0
    seen = copy.position.head_length
    if seen >= RECOGNISABLE or seen == copy.size:  # enough was there to take it for a copy
        copy.position.offset = copy.size  # all of it was read in the original
        copy.fingerprint()


def _let_go(copy: LogFile, original: LogFile) -> None:
    """Read a file that was taken for a copy, and goes on differently than its original."""
    if original.drained and copy.has_content_of(original.position):  # it is the other way round
        other_content = copy.position.content
        copy.position.take_from(original.position)
        original.position.content = other_content
        original.position.copy_of = copy.position.content
    else:
        copy.position.copy_of = 0


def _begins_like(copy: LogFile, original: LogFile) -> bool:
    """Whether a file begins like an intact one, and is no longer than it."""
    if not 0 < copy.size <= original.size:
        return False
    begin = min(_COMPARED, copy.size)
    end = min(TAIL, copy.size)
    return copy.pread(begin, 0) == original.pread(begin, 0) and (
        copy.pread(end, copy.size - end) == original.pread(end, copy.size - end)
    )
