"""Dumps over netlink: whole, or an error that says which."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterable
from typing import Optional

import pytest

from exporter.errors import NetlinkRefusedError, ParseError, SourceError
from exporter.host.netlink import NETLINK_ROUTE, NETLINK_SOCK_DIAG, Netlink, open_here

KERNEL, SOMEBODY = 0, 4711
DONE, ERROR, ANSWER = 3, 2, 20
INTERRUPTED = 0x10


class Script(socket.socket):
    """A socket whose datagrams are made up; each message takes the request's number."""

    def __init__(self, *datagrams: tuple[int, bytes], refuse: Optional[int] = None) -> None:
        super().__init__(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.datagrams = list(datagrams)
        self.refuse = refuse
        self.asked = b""

    def sendto(self, data: bytes, *_: object) -> int:  # type: ignore[override]  # one form only
        """Keep the request, or refuse it."""
        if self.refuse is not None:
            raise OSError(self.refuse, "refused")
        self.asked = data
        return len(data)

    def recvfrom_into(  # type: ignore[override]  # one form only
        self, buffer: bytearray, *_: object
    ) -> tuple[int, tuple[int, int]]:
        """Hand out the next datagram."""
        if not self.datagrams:
            raise BlockingIOError(errno.EAGAIN, "nothing more")
        sender, data = self.datagrams.pop(0)
        data = data.replace(b"SEQN", self.asked[8:12])
        buffer[: len(data)] = data[: len(buffer)]
        return len(data), (sender, 0)


def _message(kind: int, body: bytes, flags: int = 2, sequence: bytes = b"SEQN") -> bytes:
    head = struct.pack("=IHH", 16 + len(body), kind, flags) + sequence + bytes(4)
    return head + body + bytes(-len(body) % 4)


def _netlink(scripts: Iterable[Script]) -> Netlink:
    remaining = iter(scripts)
    return Netlink(NETLINK_SOCK_DIAG, lambda _: next(remaining))


END = (KERNEL, _message(DONE, struct.pack("=i", 0)))


def test_a_dump_in_many_datagrams_is_whole() -> None:
    """Every message up to the end comes back, in order, whichever datagram it was in."""
    first = (KERNEL, _message(ANSWER, b"one") + _message(ANSWER, b"two"))
    second = (KERNEL, _message(ANSWER, b"three") + END[1])
    assert _netlink([Script(first, second)]).dump(ANSWER, b"") == [b"one", b"two", b"three"]


def test_what_others_say_is_not_heard() -> None:
    """Datagrams that are not the kernel's and answers to another question are left out."""
    forged = (SOMEBODY, _message(ANSWER, b"forged"))
    late = (KERNEL, _message(ANSWER, b"late", sequence=b"\xff\xff\xff\xff"))
    true = (KERNEL, _message(ANSWER, b"true"))
    assert _netlink([Script(forged, late, true, END)]).dump(ANSWER, b"") == [b"true"]


def test_an_interrupted_dump_starts_anew() -> None:
    """What was read before the kernel said "the table changed" is thrown away."""
    spoilt = (KERNEL, _message(ANSWER, b"old", flags=INTERRUPTED))
    scripts = [Script(spoilt, END), Script((KERNEL, _message(ANSWER, b"new")), END)]
    assert _netlink(scripts).dump(ANSWER, b"") == [b"new"]


def test_dumps_that_are_always_interrupted_are_an_error() -> None:
    """An answer that is never whole is not given as one."""
    spoilt = (KERNEL, _message(DONE, struct.pack("=i", 0), flags=INTERRUPTED))
    with pytest.raises(SourceError, match="interrupted"):
        _netlink(Script(spoilt) for _ in range(100)).dump(ANSWER, b"")


def test_a_datagram_that_is_cut_makes_the_buffer_grow() -> None:
    """The real kernel's answer is whole although the first buffer holds next to nothing."""
    request = struct.pack("=BBHI", 0, 0, 0, 0)  # struct ifaddrmsg: all interface addresses
    whole = Netlink(NETLINK_ROUTE).dump(22, request)
    assert len(whole) >= 1
    assert Netlink(NETLINK_ROUTE, open_here, buffer_bytes=16).dump(22, request) == whole


@pytest.mark.parametrize("code", [errno.EPERM, errno.EACCES, errno.ENOENT, errno.EOPNOTSUPP])
def test_a_refusal_is_told_from_a_failure(code: int) -> None:
    """When sending is refused, and when the kernel answers "no", the error says so."""
    answer = (KERNEL, _message(ERROR, struct.pack("=i", -code)))
    with pytest.raises(NetlinkRefusedError):
        _netlink([Script(answer)]).dump(ANSWER, b"")
    with pytest.raises(NetlinkRefusedError):
        _netlink([Script(refuse=code)]).dump(ANSWER, b"")


def test_an_error_at_the_end_of_a_dump_is_an_error() -> None:
    """A dump that the kernel broke off is not taken for a short one."""
    broken = (KERNEL, _message(DONE, struct.pack("=i", -errno.ENOMEM)))
    with pytest.raises(SourceError) as caught:
        _netlink([Script((KERNEL, _message(ANSWER, b"one")), broken)]).dump(ANSWER, b"")
    assert not isinstance(caught.value, NetlinkRefusedError)


def test_silence_is_an_error() -> None:
    """A kernel that does not end its answer does not hang the reader."""
    with pytest.raises(SourceError):
        _netlink([Script((KERNEL, _message(ANSWER, b"one")))]).dump(ANSWER, b"")


def test_a_malformed_datagram_is_an_error() -> None:
    """Bytes that are no netlink message raise ParseError."""
    with pytest.raises(ParseError):
        _netlink([Script((KERNEL, b"garbage"))]).dump(ANSWER, b"")


def test_a_socket_that_cannot_be_opened_is_a_refusal() -> None:
    """A filter of system calls that forbids netlink is a refusal."""

    def forbidden(_: int) -> socket.socket:
        raise PermissionError(errno.EPERM, "forbidden")

    with pytest.raises(NetlinkRefusedError):
        Netlink(NETLINK_SOCK_DIAG, forbidden).dump(ANSWER, b"")
