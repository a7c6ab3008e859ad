"""Which compressed logs hold records that were not read in their plain form."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

from exporter.errors import ParseError, SourceError
from exporter.model.logs import LogErrorReason
from exporter.parsers.log_evidence import Reading
from exporter.parsers.log_lines import LEAD
from exporter.sources.logfile import LogFile, Piece
from exporter.sources.logfile_archive import behind, decompress
from exporter.sources.logfile_host import LogHost, reason_of
from exporter.sources.logfile_listing import ARCHIVE, Identity, Listed, Listing, Trouble
from exporter.sources.logfile_reading import Ending, FileReader, Moment
from exporter.sources.logfile_table import FileTable
from exporter.sources.logfile_troubles import Troubles

_COMPARED = 4096  # bytes
_ROUNDED = 2.0  # seconds; the time of a record may lie a little before its writing
_LONGEST_REST = 1 << 20  # bytes that may wait for the lines below a record


class Archives:
    """Reads each archive once. ``done`` are those that need no further look."""

    def __init__(
        self,
        host: LogHost,
        table: FileTable,
        readers: Mapping[str, FileReader],
        troubles: Troubles,
    ) -> None:
        self.done: set[Identity] = set()
        self._copies: dict[Identity, tuple[Identity, int]] = {}
        self._host = host
        self._table = table
        self._readers = readers
        self._troubles = troubles

    def read(self, listing: Listing, moment: Moment) -> bool:
        """Read what is listed and was not read; whether records were found."""
        plain = {listed.path for listed in listing.files if not listed.is_archive}
        archives = [listed for listed in listing.files if listed.is_archive]
        if not listing.unreadable:
            self.done &= {listed.identity for listed in archives}
        found = False
        for listed in archives:
            done = listed.identity in self.done or listed.path[: -len(ARCHIVE)] in plain
            if done or self._waits(listed.identity):
                continue
            if self._troubles.may_try(listed.identity, moment.monotonic):
                found |= self._attempt(listed, moment)
        return found

    def _waits(self, identity: Identity) -> bool:
        """Whether an archive is the copy of a file that is as it was."""
        if identity not in self._copies:
            return False
        original, generation = self._copies[identity]
        file = self._table.files.get(original)
        return file is not None and file.listed and file.generation == generation

    def _attempt(self, listed: Listed, moment: Moment) -> bool:
        reason: Optional[LogErrorReason] = LogErrorReason.BAD_ARCHIVE
        try:
            found = self._archive(listed, moment)
        except ParseError:
            pass
        except SourceError:
            reason = LogErrorReason.IO_ERROR
        except OSError as error:
            reason = reason_of(error)
        else:
            self._troubles.worked(listed.identity, listed.path)
            return found
        if reason is not None:
            trouble = Trouble(listed.pattern.source, listed.path, reason)
            self._troubles.failed(listed.identity, trouble, moment.monotonic)
        return False

    def _archive(self, listed: Listed, moment: Moment) -> bool:
        since = self._table.seen.get(listed.pattern)
        if since is None and listed.mtime < moment.horizon:
            self.done.add(listed.identity)
            return False
        blocks = decompress(self._host, listed.path)
        first = next(blocks, b"")
        known = self._plain_form(listed, first)
        if known is not None and known.listed:
            self._copies[listed.identity] = (known.position.identity, known.generation)
        if known is not None and (known.listed or known.is_open):
            return False  # a copy; or of a file that was deleted a moment ago and is being read
        text = self._text(listed, known, since, moment)
        if known is None or known.unseen or not known.drained:
            for _ in blocks:
                pass  # nothing is counted of an archive that turns out to be half of one
            offset = known.position.offset if known else 0
            for block in behind(decompress(self._host, listed.path), offset):
                text.feed(block)
            text.feed(b"", last=True)
        self.done.add(listed.identity)
        if known is not None:
            self._table.forget(known)
        return text.found

    def _text(
        self, listed: Listed, known: Optional[LogFile], since: Optional[float], moment: Moment
    ) -> _Text:
        """Go on from where the plain form was; else read all, and count what is news."""
        reader = self._readers[listed.pattern.source]
        if known is not None:
            reading, position = Reading(moment.wall, listed.mtime, moment.horizon), known.position
            return _Text(reader, reading, position.offset, position.history, position.skipping)
        if since is None:
            reading = Reading(moment.wall, listed.mtime, moment.horizon)
            return _Text(reader, reading, 0, sys.maxsize, skipping=False)
        reading = Reading(moment.wall, listed.mtime, count_since=since - _ROUNDED)
        return _Text(reader, reading, 0, 0, skipping=False)

    def _plain_form(self, listed: Listed, first: bytes) -> Optional[LogFile]:
        """Find the file that has or had the archive's text, one that is gone above all."""
        source, path = listed.pattern.source, listed.path[: -len(ARCHIVE)]
        original = self._copies.pop(listed.identity, None)
        for file in [*self._table.gone(), *self._table.files.values()]:
            position = file.position
            if position.source != source:
                continue
            if original == (position.identity, file.generation):
                return file
            if _has_head(file, first) or (not position.offset and position.path == path):
                return self._original(file)
        return None

    def _original(self, file: LogFile) -> LogFile:
        """Give the file that a copy is of, as it was then, and any other file itself."""
        if not file.position.copy_of:
            return file
        identity = (file.position.source, *file.position.copy_of)
        for ghost in self._table.ghosts:
            if (ghost.position.identity, ghost.generation) == (identity, file.original_generation):
                return ghost
        return self._table.files.get(identity, file)

    def dump(self) -> dict[str, Any]:
        """Write down which archives are done, in JSON's types."""
        return {"archives": [list(identity) for identity in sorted(self.done)]}

    def parse(self, dumped: Mapping[str, Any]) -> set[Identity]:
        """Read what ``dump`` wrote; raises ParseError for anything else."""
        try:
            return {(str(s), int(device), int(inode)) for s, device, inode in dumped["archives"]}
        except (KeyError, TypeError, ValueError) as error:
            raise ParseError(f"not what archives look like: {error!r}") from error


def _has_head(file: LogFile, text: bytes) -> bool:
    """Whether a text begins as a file does, or did when it was read."""
    if file.is_open:
        begin = text[:_COMPARED]
        return bool(begin) and file.pread(len(begin), 0) == begin
    length = file.position.head_length
    return length > 0 and zlib.crc32(text[:length]) == file.position.head


@dataclass
class _Text:
    """How far the text of one archive has been read, and how its records count."""

    reader: FileReader
    reading: Reading
    offset: int
    history: int
    skipping: bool
    rest: bytes = b""
    lead: bytes = b""
    found: bool = False

    def feed(self, block: bytes, *, last: bool = False) -> None:
        """Read on with the next block."""
        piece = Piece(self.rest + block, self.lead, self.offset, at_end=True)
        more = not last and len(piece.data) < _LONGEST_REST
        fed = self.reader.take(piece, self, Ending(final=last, more=more), self.reading)
        self.lead = (self.lead + piece.data[: fed.consumed])[-LEAD:]
        self.rest = piece.data[fed.consumed :]
        self.offset += fed.consumed
        self.skipping = fed.skipping
        self.found |= bool(fed.found)
