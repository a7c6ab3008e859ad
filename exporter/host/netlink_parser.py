"""Netlink framing: a datagram of the kernel → its messages and attributes.

Layout: kernel UAPI ``linux/netlink.h``. All integers are in the machine's own byte order.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from exporter.errors import ParseError

HEADER = struct.Struct("=IHHII")  # length with header, type, flags, sequence number, port id
ATTRIBUTE = struct.Struct("=HH")  # length with header, type
_TYPE_MASK = 0x3FFF  # the upper two bits say "nested" and "network byte order"


class Message(NamedTuple):
    """One message of a datagram; its body is ``data[start:end]``."""

    type: int
    flags: int
    sequence: int
    start: int
    end: int


def split_messages(data: bytes) -> list[Message]:
    """Find the messages of one datagram; raises ParseError when a length leads outside it."""
    found = []
    offset, size = 0, len(data)
    while offset < size:
        if size - offset < HEADER.size:
            raise ParseError(f"netlink: {size - offset} bytes are too few for a header")
        length, kind, flags, sequence, _ = HEADER.unpack_from(data, offset)
        end = offset + length
        if length < HEADER.size or end > size:
            raise ParseError(f"netlink: message of {length} bytes, {size - offset} are there")
        found.append(Message(kind, flags, sequence, offset + HEADER.size, end))
        offset += length + 3 & ~3
    return found


def attributes(data: bytes, offset: int) -> Iterator[tuple[int, int, int]]:
    """Yield type, start and end of each attribute from ``offset`` on; raises ParseError."""
    size = len(data)
    while offset < size:
        if size - offset < ATTRIBUTE.size:
            raise ParseError(f"netlink: {size - offset} bytes are too few for an attribute")
        length, kind = ATTRIBUTE.unpack_from(data, offset)
        if length < ATTRIBUTE.size or offset + length > size:
            raise ParseError(f"netlink: attribute of {length} bytes, {size - offset} are there")
        yield kind & _TYPE_MASK, offset + ATTRIBUTE.size, offset + length
        offset += length + 3 & ~3
