"""Whether a new file is a copy of one that is read already; see `logfile` for what that means."""

from __future__ import annotations

import posixpath
import zlib
from collections.abc import Iterable
from typing import Optional

from exporter.logs.logfile import HEAD, RECOGNISABLE, TAIL, LogFile

_BEGIN = 256  # bytes that are compared first
_COMPARED = 4096  # bytes of the beginning that are compared then

_Place = tuple[str, str]  # source and directory; only files of one place can be copies


class Predecessors:
    """Files that are no longer there, or were replaced, of which a fresh one may be a copy."""

    def __init__(self, gone: Iterable[LogFile]) -> None:
        self._by_place: dict[_Place, list[LogFile]] = {}
        for file in gone:
            if file.unseen and not (file.position.copy_of or file.fresh):
                self._by_place.setdefault(_place(file), []).append(file)

    def go_on(self, file: LogFile) -> Optional[LogFile]:
        """Have a fresh file go on where one was read of which it has the content.

        Gives the one whose place was taken. May raise OSError.
        """
        known = self._by_place.get(_place(file), [])
        head = file.pread(HEAD, 0) if known and file.size else b""
        for other in known:
            position = other.position
            begins_alike = zlib.crc32(head[: position.head_length]) == position.head
            if begins_alike and file.has_content_of(position):
                file.position.take_from(position)
                file.fresh = False
                known.remove(other)
                return other
        return None


class Originals:
    """Files that are there, of which a fresh one may be a copy; with how they begin."""

    def __init__(self) -> None:
        self._by_place: dict[_Place, list[tuple[bytes, LogFile]]] = {}

    def add(self, file: LogFile) -> None:
        """Know a file, if it can be an original. May raise OSError.

        What comes after a file that was renamed is new, however it begins.
        """
        position = file.position
        there = file.is_open and file.listed and not file.unlinked
        if there and not (file.fresh or position.copy_of or position.retired):
            begin = file.pread(_BEGIN, 0)
            self._by_place.setdefault(_place(file), []).append((begin, file))

    def set_aside(self, file: LogFile) -> None:
        """Set a fresh file aside that is a copy of one that is there; else it is an original.

        May raise OSError.
        """
        if not file.size:
            return
        file.fresh = False
        own_begin = file.pread(_BEGIN, 0)
        for begin, other in self._by_place.get(_place(file), []):
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
    if _was_compared(copy):
        copy.position.offset = copy.size  # all of it was read in the original
        copy.fingerprint()


def _was_compared(copy: LogFile) -> bool:
    """Whether enough of a file was there to take it for a copy."""
    seen = copy.position.head_length
    return seen >= RECOGNISABLE or seen == copy.size


def _let_go(copy: LogFile, original: LogFile) -> None:
    """Read a file that was taken for a copy, and goes on differently than its original."""
    if original.drained and copy.has_content_of(original.position):  # it is the other way round
        other_content = copy.position.content
        copy.position.take_from(original.position)
        original.position.content = other_content
        original.position.copy_of = copy.position.content
    else:
        copy.position.copy_of = 0


def _place(file: LogFile) -> _Place:
    return file.position.source, posixpath.dirname(file.position.path)


def _begins_like(copy: LogFile, original: LogFile) -> bool:
    """Whether a file begins like an intact one, and is no longer than it."""
    if not 0 < copy.size <= original.size:
        return False
    begin = min(_COMPARED, copy.size)
    end = min(TAIL, copy.size)
    return copy.pread(begin, 0) == original.pread(begin, 0) and (
        copy.pread(end, copy.size - end) == original.pread(end, copy.size - end)
    )
