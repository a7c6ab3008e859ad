"""Netlink: framing, and dumps that are whole, or an error that says which."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterable
from typing import Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import NetlinkRefusedError, ParseError, SourceError
from exporter.host.netlink import (
    NETLINK_ROUTE,
    NETLINK_SOCK_DIAG,
    Netlink,
    attributes,
    open_here,
    split_messages,
)

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


def _framed(kind: int, body: bytes, sequence: int = 7, flags: int = 2) -> bytes:
    padded = body + bytes(-len(body) % 4)
    return struct.pack("=IHHII", 16 + len(body), kind, flags, sequence, 0) + padded


def _attribute(kind: int, body: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(body), kind) + body + bytes(-len(body) % 4)


@given(st.lists(st.tuples(st.integers(0, 65535), st.binary(max_size=40)), max_size=6))
@settings(deadline=None)
def test_messages_come_back_as_they_were_sent(sent: list[tuple[int, bytes]]) -> None:
    """Any sequence of messages is found again, padding left out."""
    data = b"".join(_framed(kind, body) for kind, body in sent)
    found = split_messages(data)
    assert [(m.type, data[m.start : m.end]) for m in found] == sent
    assert all((m.sequence, m.flags) == (7, 2) for m in found)


@given(st.lists(st.tuples(st.integers(0, 0x3FFF), st.binary(max_size=40)), max_size=6))
@settings(deadline=None)
def test_attributes_come_back_as_they_were_sent(sent: list[tuple[int, bytes]]) -> None:
    """Any sequence of attributes is found again behind what stands before it."""
    data = b"head" + b"".join(_attribute(kind, body) for kind, body in sent)
    assert [(kind, data[a:b]) for kind, a, b in attributes(data, 4)] == sent


def test_the_flags_of_an_attribute_are_no_part_of_its_type() -> None:
    """The bits "nested" and "network byte order" are left out."""
    assert next(attributes(_attribute(0x8000 | 21, b"12345678"), 0))[0] == 21


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_garbage_is_an_error_or_stays_inside(data: bytes) -> None:
    """Whatever the bytes are: a ParseError, or messages inside of them."""
    try:
        found = split_messages(data)
    except ParseError:
        return
    assert all(16 <= m.start <= m.end <= len(data) for m in found)


@pytest.mark.parametrize(
    "data",
    [
        _framed(20, b"body")[:-1],
        struct.pack("=IHHII", 15, 3, 0, 0, 0),
        struct.pack("=IHHII", 0, 3, 0, 0, 0),
        struct.pack("=IHHII", 2**32 - 1, 3, 0, 0, 0),
        b"short",
    ],
)
def test_a_length_that_leads_outside_is_an_error(data: bytes) -> None:
    """A message that is cut, or too short for its header, is not read."""
    with pytest.raises(ParseError):
        split_messages(data)


@pytest.mark.parametrize("data", [b"\x03\x00\x01\x00", b"\x09\x00\x01\x00body", b"abc"])
def test_an_attribute_that_leads_outside_is_an_error(data: bytes) -> None:
    """An attribute that is cut, or too short for its header, is not read."""
    with pytest.raises(ParseError):
        list(attributes(data, 0))
