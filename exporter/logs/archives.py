"""Which compressed logs hold records that were not read in their plain form."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Generator, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional

from exporter.errors import ParseError, SourceError
from exporter.logs.evidence import Reading
from exporter.logs.listing import ARCHIVE, Identity, Listed, Listing, LogHost, Trouble, reason_of
from exporter.logs.logfile import LogFile, Piece, Position
from exporter.logs.reading import Ending, FileReader, Moment, RetryBackoff
from exporter.logs.records import LEAD
from exporter.logs.table import FileTable

_COMPARED = 4096  # bytes
_ROUNDED = 2.0  # seconds; the time of a record may lie a little before its writing
_LONGEST_REST = 1 << 20  # bytes that may wait for the lines below a record
_BLOCK = 256 * 1024
_GZIP = 16 + zlib.MAX_WBITS
LARGEST = 1 << 30  # bytes of text; more is cut, so that a bomb costs bounded time


class ArchiveState(NamedTuple):
    """The archives that need no further look, and the contents that others are copies of."""

    done: set[Identity]
    copies: dict[Identity, int]


class Archives:
    """Reads each archive once."""

    def __init__(
        self,
        host: LogHost,
        table: FileTable,
        readers: Mapping[str, FileReader],
        backoff: RetryBackoff,
    ) -> None:
        self._state = ArchiveState(set(), {})
        self._unread: list[Listed] = []
        self._host = host
        self._table = table
        self._readers = readers
        self._backoff = backoff

    def read(self, listing: Listing, moment: Moment) -> bool:
        """Read what is listed and was not read; whether records were found."""
        if listing.changed or listing.unreadable:
            self._take_stock(listing)
        plain_paths = {listed.path for listed in listing.files} if self._unread else set()
        any_found = False
        for listed in self._unread:
            if listed.path[: -len(ARCHIVE)] in plain_paths or self._waits(listed.identity):
                continue
            if self._backoff.may_try(listed.identity, moment.monotonic):
                any_found |= self._attempt(listed, moment)
        self._unread = [
            archive for archive in self._unread if archive.identity not in self._state.done
        ]
        return any_found

    def _take_stock(self, listing: Listing) -> None:
        """See what is unread; of thousands that are done no look needs to think again."""
        done, copies = self._state
        if not listing.unreadable:
            there = {listed.identity for listed in listing.archives}
            copies = {copy: content for copy, content in copies.items() if copy in there}
            self._state = ArchiveState(done & there, copies)
        self._unread = [archive for archive in listing.archives if archive.identity not in done]

    def is_unread(self, identity: Hashable) -> bool:
        """Whether an archive is there and was not read yet."""
        return any(listed.identity == identity for listed in self._unread)

    def _waits(self, identity: Identity) -> bool:
        """Whether an archive is the copy of a file that is as it was."""
        file = self._table.with_content(self._state.copies.get(identity, 0))
        return file is not None and file.listed

    def _attempt(self, listed: Listed, moment: Moment) -> bool:
        try:
            any_found = self._archive(listed, moment)
        except (OSError, ParseError, SourceError) as error:
            reason = reason_of(error)
        else:
            self._backoff.worked(listed.identity, listed.path)
            return any_found
        if reason is not None:
            trouble = Trouble(listed.pattern.source, listed.path, reason)
            self._backoff.failed(listed.identity, trouble, moment.monotonic)
        return False

    def _archive(self, listed: Listed, moment: Moment) -> bool:
        since = self._table.seen.get(listed.pattern)
        if since is None and listed.mtime < moment.horizon:
            self._state.done.add(listed.identity)
            return False
        blocks = decompress(self._host, listed.path)
        first = next(blocks, b"")
        plain = self._plain_form(listed, first)
        if plain is not None and plain.listed:
            self._state.copies[listed.identity] = plain.position.content
        if plain is not None and (plain.listed or plain.is_open):
            return False  # a copy; or of a file that was deleted a moment ago and is being read
        text = self._text(listed, plain, since, moment)
        if plain is None or plain.unseen or not plain.drained:
            for _ in blocks:
                pass  # nothing is counted of an archive that turns out to be half of one
            offset = plain.position.offset if plain else 0
            for block in behind(decompress(self._host, listed.path), offset):
                text.feed(block)
            text.feed(b"", last=True)
        self._state.done.add(listed.identity)
        if plain is not None:
            self._table.forget(plain)
        return text.found

    def _text(
        self, listed: Listed, plain: Optional[LogFile], since: Optional[float], moment: Moment
    ) -> _Text:
        """Go on from where the plain form was; else read all, and count what is news."""
        position = Position(listed.pattern.source, listed.path, listed.device, listed.inode)
        reading = Reading(moment.wall, listed.mtime, moment.horizon)
        if plain is not None:
            position.take_from(plain.position)
        elif since is None:
            position.history = sys.maxsize
        else:
            news = min(since, moment.wall) - _ROUNDED  # the clock may have been put back meanwhile
            reading = Reading(moment.wall, listed.mtime, count_since=news)
        return _Text(self._readers[position.source], reading, position)

    def _plain_form(self, listed: Listed, first: bytes) -> Optional[LogFile]:
        """Find the file that has or had the archive's text, one that is gone above all."""
        source, path = listed.pattern.source, listed.path[: -len(ARCHIVE)]
        original = self._table.with_content(self._state.copies.get(listed.identity, 0))
        if original is not None:
            return original
        for file in [*self._table.gone(), *self._table.files.values()]:
            position = file.position
            if position.source != source:
                continue
            if _has_head(file, first) or (not position.is_recognisable and position.path == path):
                return self._table.with_content(position.copy_of) or file
        return None

    def dump(self) -> dict[str, Any]:
        """Write down what is known, in JSON's types."""
        done, copies = self._state
        return {
            "archives": list(done),
            "archive_copies": [[*identity, content] for identity, content in copies.items()],
        }

    def parse(self, dumped: Mapping[str, Any]) -> ArchiveState:
        """Read what ``dump`` wrote; raises ParseError for anything else."""
        try:
            return ArchiveState(
                {(str(s), int(device), int(inode)) for s, device, inode in dumped["archives"]},
                {
                    (str(s), int(device), int(inode)): int(content)
                    for s, device, inode, content in dumped["archive_copies"]
                },
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ParseError(f"not what archives look like: {error!r}") from error

    def restore(self, state: ArchiveState) -> None:
        """Know what was written down."""
        self._state = state


def _has_head(file: LogFile, text: bytes) -> bool:
    """Whether a text begins as a file does, or did when it was read."""
    if file.is_open:
        begin = text[:_COMPARED]
        return bool(begin) and file.pread(len(begin), 0) == begin
    alike = zlib.crc32(text[: file.position.head_length]) == file.position.head
    return alike and file.position.is_recognisable


@dataclass
class _Text:
    """How far the text of one archive has been read, and how its records count."""

    reader: FileReader
    reading: Reading
    position: Position
    rest: bytes = b""
    lead: bytes = b""
    found: bool = False

    def feed(self, block: bytes, *, last: bool = False) -> None:
        """Read on with the next block."""
        position = self.position
        piece = Piece(self.rest + block, self.lead, position.offset, at_end=True)
        more = not last and len(piece.data) < _LONGEST_REST
        ending = Ending(final=last, more=more)
        scan = self.reader.take(piece, position, ending, self.reading)
        self.lead = (self.lead + piece.data[: scan.consumed])[-LEAD:]
        self.rest = piece.data[scan.consumed :]
        position.offset, position.skipping = position.offset + scan.consumed, scan.skipping
        self.found |= bool(scan.groups)


def decompress(host: LogHost, path: str) -> Generator[bytes, None, None]:
    """Give the text of a gzip file, block by block.

    Raises OSError, and ParseError for what is no gzip file or only the beginning of one.
    """
    descriptor = host.open(path)
    try:
        yield from _members(host, descriptor, path)
    finally:
        host.close(descriptor)


def _members(host: LogHost, descriptor: int, path: str) -> Iterator[bytes]:
    inflater, offset, total, rest = zlib.decompressobj(_GZIP), 0, 0, b""
    while total < LARGEST:
        if not rest:
            rest = host.pread(descriptor, _BLOCK, offset)
            offset += len(rest)
        if not rest:
            if inflater.eof or not offset:
                return
            raise ParseError(f"{path}: ends before its end")
        if inflater.eof:
            if not rest.strip(b"\0"):  # padding
                return
            inflater = zlib.decompressobj(_GZIP)
        try:
            text = inflater.decompress(rest, _BLOCK)
        except zlib.error as error:
            raise ParseError(f"{path}: not a gzip file: {error}") from error
        rest = inflater.unconsumed_tail or inflater.unused_data
        total += len(text)
        yield text


def behind(blocks: Iterator[bytes], offset: int) -> Iterator[bytes]:
    """Give the text from an offset on."""
    for block in blocks:
        if offset < len(block):
            yield block[offset:]
        offset = max(0, offset - len(block))
