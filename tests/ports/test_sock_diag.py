"""NETLINK_SOCK_DIAG: the answers byte for byte, and against the real kernel."""

from __future__ import annotations

import contextlib
import os
import platform
import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import NetlinkRefusedError, ParseError
from exporter.host.facts import IPAddress
from exporter.host.netlink import open_here
from exporter.ports.facts import Socket, SocketSource, TcpState
from exporter.ports.sock_diag import SockDiag, parse_socket, port_filter, shows_bound_sockets
from tests.support.holders import LOOPBACK, Holder

SHOWS_BOUND = shows_bound_sockets(platform.release())
BEFORE_BOUND_WERE_SHOWN = "5.10.0-1.0.0.28.oe2203.x86_64"


@pytest.fixture(scope="module")
def holder() -> Iterator[Holder]:
    """Hold sockets of every kind."""
    with Holder(
        f"listen,{LOOPBACK},0,noreuse",
        "listen,::,0,v6only",
        "dual,::,0",
        f"bound,{LOOPBACK},0,noreuse",
        f"accepted,{LOOPBACK},0,noreuse",
        f"connection,{LOOPBACK},0,noreuse",
        f"timewait,{LOOPBACK},0,noreuse",
        f"connection,::ffff:{LOOPBACK},0,noreuse",
    ) as made:
        yield made


def _port(holder: Holder, index: int) -> int:
    return int(holder.sockets[index]["port"])


def _mine(holder: Holder, sockets: list[Socket]) -> list[Socket]:
    """Leave out what other programs of this host have on the same ports."""
    inodes = {int(sock["inode"]) for sock in holder.sockets} - {0}
    own = ip_address(LOOPBACK)
    return [sock for sock in sockets if sock.address == own or sock.inode in inodes]


def _all(holder: Holder, index: int) -> list[Socket]:
    return _mine(holder, SockDiag().all_states(frozenset({_port(holder, index)})))


def _listening(holder: Holder, index: int) -> list[Socket]:
    inode = holder.sockets[index]["inode"]
    found = SockDiag().listening(frozenset({_port(holder, index)}))
    return [sock for sock in found if sock.inode == inode]


def test_an_ipv4_listener_is_seen_in_full(holder: Holder) -> None:
    """Address, port, user and inode of a listener are the ones that it has."""
    (found,) = _listening(holder, 0)
    assert found._replace(cgroup_id=None, uid=-1) == Socket(
        family=4,
        state=TcpState.LISTEN,
        address=ip_address(LOOPBACK),
        port=holder.port,
        uid=-1,
        inode=holder.inode,
    )


@pytest.mark.parametrize(("index", "v6only"), [(1, True), (2, False)])
def test_v6only_and_dual_stack_listeners_differ(
    holder: Holder, index: int, *, v6only: bool
) -> None:
    """The kernel tells whether a listener on [::] takes IPv4, too."""
    (found,) = _listening(holder, index)
    assert (found.family, found.v6only) == (6, v6only)


def test_every_port_is_filtered_by_itself(holder: Holder) -> None:
    """Many ports in one question give the listeners of those ports, and of no other."""
    ports = frozenset(int(sock["port"]) for sock in holder.sockets)
    found = _mine(holder, SockDiag().listening(ports))
    listeners = [s for s in holder.sockets if s["kind"] in {"listen", "dual", "accepted"}]
    assert sorted(sock.inode for sock in found) == sorted(s["inode"] for s in listeners)


@pytest.mark.parametrize("index", range(8))
def test_a_question_for_one_port_shows_no_other(holder: Holder, index: int) -> None:
    """The kernel drops what is not asked for, whichever kind of socket it is."""
    port = _port(holder, index)
    assert {sock.port for sock in SockDiag().all_states(frozenset({port}))} <= {port}


@pytest.mark.skipif(not SHOWS_BOUND, reason="this kernel does not list bound sockets")
def test_a_bound_socket_that_does_not_listen_is_seen(holder: Holder) -> None:
    """Bind without listen is visible, though not among the listeners."""
    (found,) = _all(holder, 3)
    assert (found.state, found.inode) == (TcpState.BOUND_INACTIVE, holder.sockets[3]["inode"])
    assert _listening(holder, 3) == []


def test_an_accepted_connection_is_seen_beside_its_listener(holder: Holder) -> None:
    """The server's own end of a connection has the listener's port."""
    states = sorted(sock.state for sock in _all(holder, 4))
    assert states == [TcpState.ESTABLISHED, TcpState.LISTEN]


def test_a_connection_that_uses_the_port_is_seen(holder: Holder) -> None:
    """An outgoing connection counts by its local port."""
    (found,) = _all(holder, 5)
    assert (found.state, found.inode) == (TcpState.ESTABLISHED, holder.sockets[5]["inode"])


IPPROTO_MPTCP = 262


def _mptcp_enabled() -> bool:
    setting = Path("/proc/sys/net/mptcp/enabled")
    return setting.exists() and setting.read_text(encoding="ascii").strip() == "1"


@pytest.mark.skipif(not _mptcp_enabled(), reason="this kernel has no MPTCP")
def test_a_multipath_listener_is_seen_with_its_own_inode() -> None:
    """Programs written in Go listen so by default: the TCP socket below leads to their file."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP) as server:
        server.bind((LOOPBACK, 0))
        server.listen()
        port, inode = server.getsockname()[1], os.fstat(server.fileno()).st_ino
        assert inode in {sock.inode for sock in SockDiag().listening(frozenset({port}))}


def test_time_wait_has_no_owner() -> None:
    """What a closed connection leaves has no inode, and so no user."""
    with Holder(f"timewait,{LOOPBACK},0,noreuse") as holder:
        (found,) = _all(holder, 0)
    assert (found.state, found.inode) == (TcpState.TIME_WAIT, 0)


def test_a_connection_over_a_mapped_address_keeps_its_family(holder: Holder) -> None:
    """An IPv6 socket that speaks IPv4 shows the IPv4 address."""
    (found,) = _all(holder, 7)
    assert (found.family, found.address) == (6, ip_address(LOOPBACK))


def test_a_big_answer_in_many_datagrams_loses_nothing() -> None:
    """Each of a thousand sockets is there, with its own port and inode."""
    specs = [f"listen,{LOOPBACK},0"] * 500 + [f"connection,{LOOPBACK},0"] * 500
    with Holder(*specs) as crowd:
        held = {(int(sock["port"]), int(sock["inode"])) for sock in crowd.sockets}
        found = SockDiag().all_states(frozenset(port for port, _ in held))
    assert held <= {(sock.port, sock.inode) for sock in found}


def test_no_ports_are_no_question() -> None:
    """Without ports the kernel is not asked."""

    def never(_: int) -> object:
        raise AssertionError

    assert SockDiag(never).listening(frozenset()) == []  # type: ignore[arg-type]  # is not called


def test_whether_bound_sockets_are_seen_is_told_truly(holder: Holder) -> None:
    """An old release says no, until the kernel shows one all the same."""
    reader = SockDiag(open_here, release=BEFORE_BOUND_WERE_SHOWN)
    assert not reader.sees_bound_sockets
    reader.all_states(frozenset({_port(holder, 3)}))
    assert reader.sees_bound_sockets is SHOWS_BOUND
    assert SockDiag().sees_bound_sockets is SHOWS_BOUND


@pytest.mark.parametrize(
    ("release", "shown"),
    [
        ("6.18.44", True),
        ("6.8.0-31-generic", True),
        ("7.0", True),
        ("6.7.12", False),
        ("5.14.0-570.el9.x86_64", False),
        ("3.10.0-957.el7.x86_64", False),
        ("strange", False),
    ],
)
def test_bound_sockets_are_shown_since_6_8(release: str, *, shown: bool) -> None:
    """The kernel's release decides; one that is not understood promises nothing."""
    assert shows_bound_sockets(release) is shown


def test_the_source_is_named() -> None:
    """Metrics say which kernel interface was read."""
    assert SockDiag().source is SocketSource.SOCK_DIAG


def test_more_ports_than_a_filter_can_hold_are_refused_at_once() -> None:
    """The limit is an error, never a filter that lets other ports through."""
    assert SockDiag().listening(frozenset(range(1, 4001))) is not None
    with pytest.raises(ValueError, match="4000"):
        port_filter(frozenset(range(1, 4002)))


def test_a_refused_socket_is_told_as_such() -> None:
    """EPERM from the kernel becomes the error that makes a reader fall back."""

    def forbidden(_: int) -> object:
        raise PermissionError(1, "forbidden")

    with pytest.raises(NetlinkRefusedError):
        SockDiag(forbidden).listening(frozenset({1}))  # type: ignore[arg-type]  # never returns


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
