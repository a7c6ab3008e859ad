"""Netlink: the framing of its datagrams, and dumps over it.

A datagram is messages, a message a header and attributes; all integers are in the machine's own
byte order (kernel UAPI ``linux/netlink.h``). A dump is one request, and every message of the answer
or an error.

A dump is delivered in many datagrams, each made while the one before is read, so that nothing
is dropped for lack of buffer space. Two things can still spoil one, and both make it start
anew: the kernel says that the table changed under it (NLM_F_DUMP_INTR), or a datagram did not
fit into our buffer. Every dump opens a socket of its own (some microseconds): no state is left
behind by an error, and any thread may ask.
"""

from __future__ import annotations

import errno
import itertools
import os
import socket
import struct
from collections.abc import Iterator
from typing import Callable, NamedTuple, Optional

from exporter.errors import NetlinkRefusedError, ParseError, SourceError

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


# linux/netlink.h
NETLINK_ROUTE = 0
NETLINK_SOCK_DIAG = 4
_NLM_F_REQUEST = 0x001
_NLM_F_DUMP = 0x300
_NLM_F_DUMP_INTR = 0x010
_NLMSG_ERROR = 2
_NLMSG_DONE = 3
_FIRST_USER_TYPE = 16  # below stand the protocol's own messages

_ERRNO = struct.Struct("=i")
_ATTEMPTS = 5
_FIRST_BUFFER_BYTES = 65536  # the kernel fills at most 32 KiB at a time
_PATIENCE = struct.pack("ll", 2, 0)  # struct timeval: the kernel answers in milliseconds
# What a filter of system calls, a missing module or a strange kernel says. EINVAL: a kernel
# that does not know the request (sock_diag came with 3.3).
_REFUSALS = frozenset(
    {
        errno.EPERM,
        errno.EACCES,
        errno.ENOENT,
        errno.ENOSYS,
        errno.EINVAL,
        errno.EOPNOTSUPP,
        errno.EPROTONOSUPPORT,
        errno.EAFNOSUPPORT,
        errno.ESOCKTNOSUPPORT,
        errno.ECONNREFUSED,
    }
)

Opener = Callable[[int], socket.socket]
_sequence = itertools.count(1)


def open_here(protocol: int) -> socket.socket:
    """Open a netlink socket in the network namespace of this thread."""
    return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)


class Netlink:
    """Asks the kernel for dumps of one netlink protocol.

    ``opener`` decides the network namespace. ``buffer_bytes`` is what the first attempt offers;
    it doubles as needed.
    """

    def __init__(
        self, protocol: int, opener: Opener = open_here, buffer_bytes: int = _FIRST_BUFFER_BYTES
    ) -> None:
        self._protocol = protocol
        self._opener = opener
        self._buffer_bytes = buffer_bytes

    def dump(self, message_type: int, request: bytes) -> list[bytes]:
        """Return the body of every message that answers ``request``.

        Raises NetlinkRefusedError when this kind of question is not allowed or not known here,
        SourceError when the answer did not come, or never came undisturbed.
        """
        for _ in range(_ATTEMPTS):
            try:
                with self._opener(self._protocol) as sock:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _PATIENCE)
                    bodies = self._ask(sock, message_type, request)
            except OSError as error:
                raise _refused_or_failed(error) from error
            if bodies is not None:
                return bodies
        raise SourceError(f"netlink: {_ATTEMPTS} dumps in a row were interrupted")

    def _ask(self, sock: socket.socket, message_type: int, request: bytes) -> Optional[list[bytes]]:
        sequence = next(_sequence) & 0xFFFFFFFF
        flags = _NLM_F_REQUEST | _NLM_F_DUMP
        length = HEADER.size + len(request)
        header = HEADER.pack(length, message_type, flags, sequence, 0)
        sock.sendto(header + request, (0, 0))
        return self._collect(sock, sequence)

    def _collect(self, sock: socket.socket, sequence: int) -> Optional[list[bytes]]:
        """Receive until the end of the dump; None when it has to start anew."""
        buffer = bytearray(self._buffer_bytes)
        bodies: list[bytes] = []
        disturbed = False
        while True:
            size, (sender, _) = sock.recvfrom_into(buffer, 0, socket.MSG_TRUNC)
            if size > len(buffer):
                self._buffer_bytes = max(2 * self._buffer_bytes, size)
                return None
            if sender != 0:  # not the kernel
                continue
            data = bytes(memoryview(buffer)[:size])
            for message in split_messages(data):
                if message.sequence != sequence:
                    continue
                disturbed = disturbed or bool(message.flags & _NLM_F_DUMP_INTR)
                if _is_end(message, data):
                    return None if disturbed else bodies
                if message.type >= _FIRST_USER_TYPE:
                    bodies.append(data[message.start : message.end])


def _is_end(message: Message, data: bytes) -> bool:
    """Whether the dump ends here; raises OSError when it ends with an error."""
    if message.type not in {_NLMSG_DONE, _NLMSG_ERROR}:
        return False
    if message.end - message.start >= _ERRNO.size:
        (code,) = _ERRNO.unpack_from(data, message.start)
        if code < 0:
            raise OSError(-code, os.strerror(-code))
    return True


def _refused_or_failed(error: OSError) -> SourceError:
    kind = NetlinkRefusedError if error.errno in _REFUSALS else SourceError
    return kind(f"netlink: {error.strerror or error}")
