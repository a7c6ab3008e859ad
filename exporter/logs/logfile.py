"""One log file, read to its end again and again.

What happens to a log, and what becomes of its records (this holds for `LogFollower` as a whole,
which decides about new files; here is the part of a single one):

- rename (`X-current.log` to `X.log`, `dms.rlog` to `dms_<time>.rlog`): a file is (device, inode),
  never its name. It is read on from where it was; the new file is read from its beginning. While
  the exporter was down, too.
- truncation: a file shorter than what was read of it is read again from its beginning. What was
  written after the last look and before the truncation is gone with it.
- copytruncate: the copy is a new file whose content is that of the known one. It is set aside, and
  when the original is truncated the copy is read on from where the original was. Records that
  were written between copying and truncating are in neither, and lost.
- regrown past the old offset: the 256 bytes before the offset and the first KiB are remembered as
  checksums, and looked at before more is read. Do they differ, it is a truncation. Content that
  comes again byte by byte cannot be told from what was read, and is not read again.
- deletion: the file stays open, is read to its end, and is closed 10 s after it stopped growing
  (an open file keeps its disk space). What was not read when the exporter was down is lost.
- a file or directory that appears late, or again: read from its beginning. Unless it is a file
  that had been written before the last look at its directory: then somebody moved an old one in,
  and it is not read at all.
- directory replaced, symbolic links: paths are resolved anew at every look; a file that is found
  twice is one file. One that is no longer found is read to its end like a deleted one.
- `.gz`: the compressed form of a known file, known by its name or by its head, is read on from
  where the file was, which mostly is its end. Other archives that appear are read once, and only
  records later than the last look at the directory are counted. While both forms exist, only the
  plain one counts.
- inode reused: the checksums differ, or what is known is too short to differ; it is a new file.
  Less than 24 bytes tell no file from another: when a truncation leaves the end of a record that
  is shorter, and nothing else is read of the file, that end counts again in a copy of it.
- half record: what follows the last newline waits for its newline. In a file that was renamed or
  deleted, or of which a younger neighbour exists, it is a record when nothing more has come for
  2 s, in the latter case for 60 s. A record that goes on in the lines below waits 2 s for them.
- line beyond 64 KiB: its first 64 KiB are a line, the rest is passed over; an error is counted.
- NUL bytes at the beginning of a line (the hole that a truncation leaves to a writer with its own
  offset) are passed over; elsewhere, and bad UTF-8 anywhere, they are bytes like any other.
- a clock that jumps: waiting goes by the monotonic one. Put back, it makes no file and no archive
  look older than the last look, so that what appears then is read.
- EACCES, ESTALE, EMFILE, I/O errors: counted by reason, said once, tried again after 1, 2, 4 ...
  60 s; the position stays. A path that vanishes while it is looked at is no error.
"""

from __future__ import annotations

import os
import posixpath
import zlib
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple, Optional

from exporter.errors import ParseError
from exporter.logs.listing import Identity, LogHost
from exporter.logs.records import LEAD

HEAD = 1024  # bytes
TAIL = 256  # bytes
RECOGNISABLE = 24  # bytes; what is shorter than the time of a record is alike in many files


@dataclass
class Position:
    """How far one file has been read; what is written down and restored.

    ``skipping``: the offset is inside a line of which the rest is passed over. ``history``:
    records that begin before this offset are older than the exporter's first look, and are not
    counted. ``retired``: renamed, or no longer found. ``content`` is a number that no other
    content has, and ``copy_of`` that of the content that this looks like a copy of; it is not
    read while that is so.
    """

    source: str
    path: str
    device: int
    inode: int
    offset: int = 0
    skipping: bool = False
    history: int = 0
    retired: bool = False
    head_length: int = 0
    head: int = 0
    tail_length: int = 0
    tail: int = 0
    content: int = 0
    copy_of: int = 0

    @property
    def identity(self) -> Identity:
        """The file itself, whatever its path, as one of its source."""
        return (self.source, self.device, self.inode)

    @property
    def is_recognisable(self) -> bool:
        """Whether enough is known of its content to tell it from others."""
        return self.head_length >= RECOGNISABLE

    def take_from(self, other: Position) -> None:
        """Go on where another file of the same content was."""
        for name in _PROGRESS:
            setattr(self, name, getattr(other, name))

    def dump(self) -> dict[str, Any]:
        """Write it down in JSON's types."""
        return asdict(self)


_PROGRESS = (
    *("offset", "skipping", "history", "content", "copy_of"),
    *("head_length", "head", "tail_length", "tail"),
)


def restore_position(dumped: Any) -> Position:  # noqa: ANN401 -- of JSON
    """Read what ``dump`` wrote; raises ParseError for anything else."""
    if not isinstance(dumped, dict) or dumped.keys() != {field.name for field in fields(Position)}:
        raise ParseError("not what a position looks like")
    kinds = {"source": str, "path": str, "skipping": bool, "retired": bool}
    if not all(type(value) is kinds.get(name, int) for name, value in dumped.items()):
        raise ParseError("not what a position looks like")
    if min(value for value in dumped.values() if isinstance(value, int)) < 0:
        raise ParseError("a position with a negative number")
    return Position(**dumped)


class Piece(NamedTuple):
    """Bytes from ``offset`` on, the bytes before them, and whether they reach the file's end."""

    data: bytes
    lead: bytes
    offset: int
    at_end: bool


class LogFile:
    """An open or closed file at its position; every method may raise OSError.

    ``size`` and ``mtime`` are those of the last look, ``changed`` is whether it saw a change,
    ``changed_at`` when the last change was seen, in monotonic time. ``waiting`` are the bytes at
    the end that were seen, and wait. ``fresh``: it has yet to be seen whether it is a copy of a
    known file. ``listed``: some pattern led to it at the last look. ``newest``: no neighbour was
    written later. ``unseen``: known from before the exporter started, and not found since.
    ``verified``: its content was compared with what was read since it was opened.
    """

    def __init__(self, position: Position, host: LogHost, now: float) -> None:
        self.position = position
        self.size = position.offset
        self.mtime = 0.0
        self.unlinked = False
        self.changed = False
        self.changed_at = now
        self.waiting = 0
        self.fresh = False
        self.listed = True
        self.newest = True
        self.unseen = False
        self.verified = False
        self.tried: tuple[object, ...] = ()
        self._host = host
        self._descriptor: Optional[int] = None
        self._look: tuple[int, int] = (-1, -1)
        self._ctime_ns = 0

    @property
    def is_open(self) -> bool:
        """Whether it costs a file descriptor."""
        return self._descriptor is not None

    @property
    def place(self) -> tuple[str, str]:
        """Its source and directory: only files of one place can be copies of each other."""
        return self.position.source, posixpath.dirname(self.position.path)

    @property
    def seniority(self) -> tuple[int, int]:
        """What sorts an original before its copies: it is longer, or was written before."""
        return (-self.size, self._ctime_ns)

    @property
    def drained(self) -> bool:
        """Whether nothing but a waiting rest is left to read."""
        return self.position.offset + self.waiting >= self.size

    def open(self) -> bool:
        """Open it; False if its path now leads to another file."""
        if self._descriptor is None:
            descriptor = self._host.open(self.position.path)
            look = self._host.fstat(descriptor)
            if (look.st_dev, look.st_ino) != (self.position.device, self.position.inode):
                self._host.close(descriptor)
                return False
            self._descriptor = descriptor
            self._look = (-1, -1)
            self.verified = False
        return True

    def close(self) -> None:
        """Give the file descriptor back."""
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            self._host.close(descriptor)

    def differs(self, size: int, mtime_ns: int) -> bool:
        """Whether it looks different from what was seen at the last look."""
        return self._look != (size, mtime_ns)

    def look(self, now: float) -> None:
        """See whether it has changed since the last look; ``now`` is monotonic."""
        look = self._host.fstat(self._open_descriptor())
        self.size, self.mtime, self.unlinked = look.st_size, look.st_mtime, look.st_nlink == 0
        self._ctime_ns = look.st_ctime_ns
        self.changed = self.differs(look.st_size, look.st_mtime_ns)
        if self.changed:
            self._look = (look.st_size, look.st_mtime_ns)
            self.changed_at = now
        if self.position.offset and not self.position.tail_length:
            self.fingerprint()

    def distrust(self) -> None:
        """Take the next look as one that sees a change."""
        self._look = (-1, -1)

    def is_intact(self) -> bool:
        """Whether the content that was read is still there, as far as the checksums tell."""
        return self._matches(self.position)

    def has_content_of(self, position: Position) -> bool:
        """Whether this file surely begins with all that was read of another one."""
        return position.offset > 0 and position.is_recognisable and self._matches(position)

    def _matches(self, position: Position) -> bool:
        if self.size < position.offset:
            return False
        head = self.pread(position.head_length, 0)
        tail = self.pread(position.tail_length, position.offset - position.tail_length)
        return (zlib.crc32(head), zlib.crc32(tail)) == (position.head, position.tail)

    def rewind(self, content: int) -> None:
        """Begin again: the content is another one, with a number of its own."""
        self.position.take_from(Position("", "", 0, 0, content=content))
        self.position.retired = False
        self.waiting = 0

    def read(self, size: int) -> Optional[Piece]:
        """Read on from the position; None if what stood before it is there no more."""
        offset = self.position.offset
        lead = min(LEAD, offset)
        data = self.pread(lead + size, offset - lead)
        before = data[:lead]
        tail = before[-self.position.tail_length :] if self.position.tail_length else b""
        if len(before) < lead or zlib.crc32(tail) != self.position.tail:
            return None
        return Piece(data[lead:], before, offset, at_end=len(data) < lead + size)

    def advance(self, piece: Piece, consumed: int, *, skipping: bool) -> None:
        """Go on behind what was consumed of a piece, and remember what it looks like there."""
        position = self.position
        position.offset, position.skipping = piece.offset + consumed, skipping
        self.waiting = len(piece.data) - consumed if piece.at_end else 0
        tail = piece.data[max(0, consumed - TAIL) : consumed]
        self._remember_tail(tail if len(tail) == TAIL else piece.lead + tail)
        self._remember_head(position.offset)

    def fingerprint(self) -> None:
        """Remember what it looks like, at a position that was set from outside."""
        offset = self.position.offset
        lead = min(LEAD, offset)
        self._remember_tail(self.pread(lead, offset - lead))
        self._remember_head(self.size)

    def _remember_tail(self, before_offset: bytes) -> None:
        tail = before_offset[-TAIL:]
        self.position.tail_length, self.position.tail = len(tail), zlib.crc32(tail)

    def _remember_head(self, sure: int) -> None:
        position = self.position
        if position.head_length < min(HEAD, sure):
            head = self.pread(min(HEAD, sure), 0)
            position.head_length, position.head = len(head), zlib.crc32(head)

    def pread(self, size: int, offset: int) -> bytes:
        """Read from any place."""
        return self._host.pread(self._open_descriptor(), size, offset) if size else b""

    def _open_descriptor(self) -> int:
        if self._descriptor is None:
            raise OSError(9, os.strerror(9), self.position.path)
        return self._descriptor
