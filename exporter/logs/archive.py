"""Compressed logs: read once, from where the plain file was."""

from __future__ import annotations

import zlib
from collections.abc import Generator, Iterator

from exporter.errors import ParseError
from exporter.logs.host import LogHost

_BLOCK = 256 * 1024
_GZIP = 16 + zlib.MAX_WBITS
LARGEST = 1 << 30  # bytes of text; more is cut, so that a bomb costs bounded time


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
