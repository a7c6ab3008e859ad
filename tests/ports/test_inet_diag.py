"""Answers of NETLINK_SOCK_DIAG, byte for byte."""

from __future__ import annotations

import contextlib
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import ParseError
from exporter.host.facts import IPAddress
from exporter.ports.facts import Socket, TcpState
from exporter.ports.sock_diag import parse_socket

AF = {4: 2, 6: 10}
PORTS = st.integers(0, 65535)


def _attribute(kind: int, body: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(body), kind) + body + bytes(-len(body) % 4)


def _answer(sock: Socket, more: bytes = b"", state: Optional[int] = None) -> bytes:
    """Write the socket as the kernel does (struct inet_diag_msg, then attributes)."""
    return b"".join(
        (
            struct.pack("=BBBB", AF[sock.family], state or sock.state, 0, 0),
            struct.pack("!HH", sock.port, 40000),
            sock.address.packed.ljust(16, b"\0"),
            sock.address.packed.ljust(16, b"\1"),  # the peer's
            struct.pack("=III", 0, 1, 2),
            struct.pack("=IIIII", 0, 0, 0, sock.uid, sock.inode),
            more,
            b"" if sock.v6only is None else _attribute(11, bytes([sock.v6only])),
            b"" if sock.cgroup_id is None else _attribute(21, struct.pack("=Q", sock.cgroup_id)),
        )
    )


def _sockets(family: int, addresses: st.SearchStrategy[IPAddress]) -> st.SearchStrategy[Socket]:
    return st.builds(
        Socket,
        family=st.just(family),
        state=st.sampled_from([state for state in TcpState if state is not TcpState.CLOSE]),
        address=addresses,
        port=PORTS,
        uid=st.integers(0, 2**32 - 1),
        inode=st.integers(0, 2**32 - 1),
        v6only=st.none() | st.booleans(),
        cgroup_id=st.none() | st.integers(0, 2**64 - 1),
    )


IPV6: st.SearchStrategy[IPAddress] = (
    st.integers(0, 2**128 - 1).map(IPv6Address).filter(lambda address: address.ipv4_mapped is None)
)
SOCKETS = _sockets(4, st.integers(0, 2**32 - 1).map(IPv4Address)) | _sockets(6, IPV6)
LISTENER = Socket(
    6,
    TcpState.LISTEN,
    IPv6Address("::"),
    15300,
    1000,
    42,
    v6only=False,
    cgroup_id=9,
)


@given(SOCKETS)
@settings(deadline=None)
def test_a_socket_comes_back_as_the_kernel_wrote_it(sock: Socket) -> None:
    """Every field of any socket survives, and attributes we do not know are passed over."""
    assert parse_socket(_answer(sock, more=_attribute(8, b"\3"))) == sock


def test_a_mapped_address_is_the_ipv4_address_that_it_is() -> None:
    """An IPv6 socket with an IPv4 peer shows its IPv4 address and keeps its family."""
    mapped = IPv6Address("::ffff:10.0.0.1")
    read = parse_socket(_answer(LISTENER._replace(address=mapped)))
    assert (read.family, read.address) == (6, IPv4Address("10.0.0.1"))


def test_a_closed_socket_that_is_listed_is_a_bound_one() -> None:
    """The kernel answers the question for BOUND_INACTIVE with the state CLOSE."""
    assert parse_socket(_answer(LISTENER, state=7)).state is TcpState.BOUND_INACTIVE


@pytest.mark.parametrize(
    "data",
    [
        b"",
        _answer(LISTENER)[:71],
        b"\x01" + _answer(LISTENER)[1:],
        _answer(LISTENER, state=99),
        _answer(LISTENER)[:-1],
        _answer(LISTENER._replace(v6only=None), more=_attribute(11, b"")),
        _answer(LISTENER, more=_attribute(21, b"1234")),
    ],
    ids=["empty", "cut", "family", "state", "cut attribute", "no flag", "short id"],
)
def test_what_is_no_socket_is_an_error(data: bytes) -> None:
    """A cut message, a strange family or state, an attribute of the wrong size."""
    with pytest.raises(ParseError):
        parse_socket(data)


@given(st.binary(max_size=120))
@settings(deadline=None)
def test_garbage_raises_nothing_but_a_parse_error(data: bytes) -> None:
    """No bytes make the parser fail in any other way."""
    try:
        parse_socket(data)
    except ParseError:
        return
    assert len(data) >= 72


@given(SOCKETS, st.data())
@settings(deadline=None)
def test_a_damaged_answer_raises_nothing_but_a_parse_error(
    sock: Socket, data: st.DataObject
) -> None:
    """One byte changed anywhere gives a socket or a ParseError."""
    answer = bytearray(_answer(sock))
    answer[data.draw(st.integers(0, len(answer) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ParseError):
        parse_socket(bytes(answer))
