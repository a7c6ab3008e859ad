"""A cursor over packed little-endian bytes whose errors tell the offset and the field."""

from __future__ import annotations

import struct

from exporter.errors import ParseError

_U32 = struct.Struct("<I")
_I32 = struct.Struct("<i")
_I64 = struct.Struct("<q")
MAX_PORT = 65535


class Cursor:
    """Reads fields one after another; every error is a ParseError with the field's offset."""

    def __init__(self, data: bytes, offset: int, source: str) -> None:
        self.offset = offset
        self._data = data
        self._source = source

    def error(self, offset: int, field: str, problem: str) -> ParseError:
        """Build the error that tells where ``field`` lies and what is wrong with it."""
        return ParseError(f"{self._source}: offset {offset:#x} ({field}): {problem}")

    def _take(self, size: int, field: str) -> bytes:
        start, self.offset = self.offset, self.offset + size
        if self.offset > len(self._data):
            left = max(len(self._data) - start, 0)
            raise self.error(start, field, f"expected {size} bytes, the file has {left} more")
        return self._data[start : self.offset]

    def skip(self, size: int, field: str = "unused") -> None:
        """Pass over ``size`` bytes."""
        self._take(size, field)

    def u32(self, field: str, maximum: int = 0xFFFFFFFF) -> int:
        """Read an unsigned number that is at most ``maximum``."""
        start = self.offset
        value = int(_U32.unpack(self._take(4, field))[0])
        if value > maximum:
            raise self.error(start, field, f"expected at most {maximum}, found {value}")
        return value

    def i32(self, field: str) -> int:
        """Read a signed number of 4 bytes."""
        return int(_I32.unpack(self._take(4, field))[0])

    def i64(self, field: str) -> int:
        """Read a signed number of 8 bytes."""
        return int(_I64.unpack(self._take(8, field))[0])

    def port(self, field: str) -> int:
        """Read a TCP port: 1 to 65535."""
        start = self.offset
        value = self.u32(field)
        if not 1 <= value <= MAX_PORT:
            raise self.error(start, field, f"expected a port from 1 to 65535, found {value}")
        return value

    def text(self, size: int, usable: int, field: str) -> str:
        """Read a NUL-padded UTF-8 string of which the C reader uses ``usable`` bytes."""
        start = self.offset
        raw = self._take(size, field)[:usable].split(b"\0", 1)[0]
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.error(start + error.start, field, "expected UTF-8 text") from error
