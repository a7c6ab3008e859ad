"""The text files of /proc/PID/net."""

from __future__ import annotations

import contextlib
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import ParseError
from exporter.host.facts import IPAddress
from exporter.host.network import parse_fib_trie, parse_if_inet6
from exporter.ports.facts import Socket, TcpState
from exporter.ports.proc_net import parse_sockets

TITLE = (
    b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout"
    b" inode                                                     \n"
)
TITLE6 = (
    b"  sl  local_address                         remote_address                        st tx_queue"
    b" rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
)
# Two lines as a little-endian machine (kernel 6.18) printed them.
LISTENER = (
    b"   0: 0100007F:3BC4 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0"
    b" 56613 1 0000000000000000 100 0 0 10 0                     \n"
)
TIME_WAIT = (
    b"11523: 0100007F:3BC4 0100007F:B465 06 00000000:00000000 03:00000ED7 00000000     0        0"
    b" 0 3 0000000000000000\n"
)
PORT = frozenset({15300})


def _row(sock: Socket, number: int) -> bytes:
    def end(address: IPAddress, port: int) -> bytes:
        size = len(address.packed) // 4
        words = struct.unpack(f"={size}I", address.packed)
        return b"".join(b"%08X" % word for word in words) + b":%04X" % port

    return b"%4d: %s %s %02X 00000000:00000000 00:00000000 00000000 %5d        0 %d 1 ffff\n" % (
        number,
        end(sock.address, sock.port),
        end(sock.address, 40000),
        sock.state,
        sock.uid,
        sock.inode,
    )


IPV4 = st.integers(0, 2**32 - 1).map(IPv4Address)
IPV6: st.SearchStrategy[IPAddress] = (
    st.integers(0, 2**128 - 1).map(IPv6Address).filter(lambda a: a.ipv4_mapped is None)
)


def _socket(version: int) -> st.SearchStrategy[Socket]:
    addresses: st.SearchStrategy[IPAddress] = IPV4 if version == 4 else IPV6
    return st.builds(
        Socket,
        family=st.just(version),
        state=st.sampled_from(TcpState),
        address=addresses,
        port=st.integers(0, 65535),
        uid=st.integers(0, 2**32 - 1),
        inode=st.integers(0, 2**32 - 1),
        v6only=st.none(),
        cgroup_id=st.none(),
    )


@given(st.lists(_socket(4), max_size=8) | st.lists(_socket(6), max_size=8), st.data())
@settings(deadline=None)
def test_the_rows_on_the_ports_come_back(sockets: list[Socket], data: st.DataObject) -> None:
    """Every socket on a port that is asked for is read in full, and no other."""
    every = [sock.port for sock in sockets]
    ports = frozenset(data.draw(st.lists(st.sampled_from(every)))) if every else frozenset()
    text = TITLE + b"".join(_row(sock, number) for number, sock in enumerate(sockets))
    assert parse_sockets(text, ports) == [sock for sock in sockets if sock.port in ports]


@pytest.mark.skipif(struct.pack("=H", 1) == b"\0\1", reason="the lines are of the other kind")
def test_the_kernels_own_lines_are_read() -> None:
    """A listener and a TIME_WAIT as a real kernel printed them."""
    listener, waiting = parse_sockets(TITLE + LISTENER + TIME_WAIT, PORT)
    loopback = IPv4Address("127.0.0.1")
    assert listener == Socket(4, TcpState.LISTEN, loopback, 15300, uid=1000, inode=56613)
    assert waiting == Socket(4, TcpState.TIME_WAIT, loopback, 15300, uid=0, inode=0)


def test_a_mapped_address_is_the_ipv4_address_that_it_is() -> None:
    """An IPv6 socket with an IPv4 peer shows its IPv4 address and keeps its family."""
    mapped = IPv6Address("::ffff:10.0.0.1")
    sock = Socket(6, TcpState.ESTABLISHED, mapped, 15300, 0, 5)
    (read,) = parse_sockets(TITLE6 + _row(sock, 0), PORT)
    assert (read.family, read.address) == (6, IPv4Address("10.0.0.1"))


@pytest.mark.parametrize("row", [LISTENER.replace(b" 0A ", b" 63 "), LISTENER[:90] + b"\n"])
def test_a_malformed_row_on_the_port_is_an_error(row: bytes) -> None:
    """A row with a strange state, or cut short, is not passed over."""
    with pytest.raises(ParseError):
        parse_sockets(TITLE + row, PORT)


@pytest.mark.parametrize("data", [b"", LISTENER, b"<html>"])
def test_a_text_without_the_title_is_an_error(data: bytes) -> None:
    """An empty or strange file is never taken for "no sockets"."""
    with pytest.raises(ParseError):
        parse_sockets(data, PORT)


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_garbage_raises_nothing_but_a_parse_error(data: bytes) -> None:
    """Bytes behind the title give no sockets or a ParseError, never another failure."""
    with contextlib.suppress(ParseError):
        parse_sockets(TITLE + data, PORT)


TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     |-- 10.77.0.0
        /24 link UNICAST
Local:
  +-- 0.0.0.0/0 3 0 5
     +-- 10.77.0.0/29 2 0 2
        |-- 10.77.0.1
           /32 host LOCAL
     |-- 10.77.0.255
        /32 link BROADCAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.0
           /8 host LOCAL
        |-- 127.0.0.1
           /32 host LOCAL
"""


def test_the_hosts_own_addresses_are_those_marked_local() -> None:
    """Networks and broadcast addresses in fib_trie are not ours."""
    assert parse_fib_trie(TRIE) == {ip_address("10.77.0.1"), ip_address("127.0.0.1")}


def test_a_host_without_addresses_has_none() -> None:
    """In a namespace whose loopback interface is down the file is empty."""
    assert parse_fib_trie("") == frozenset()


@given(st.text(min_size=1, max_size=200) | st.just(TRIE.replace("127.0.0.1\n", "999.0.0.1\n")))
@settings(deadline=None)
def test_a_strange_trie_raises_nothing_but_a_parse_error(text: str) -> None:
    """A text without an address is an error, and so is one that is none."""
    with pytest.raises(ParseError):
        parse_fib_trie(text)


def test_interface_addresses_of_ipv6_are_read() -> None:
    """Both lines of if_inet6 are addresses; an empty file means that there are none."""
    text = (
        "00000000000000000000000000000001 01 80 10 80       lo\n"
        "fd000000000000000000000000000007 02 40 00 80 eth0.100\n"
    )
    assert parse_if_inet6(text) == {ip_address("::1"), ip_address("fd00::7")}
    assert parse_if_inet6("") == frozenset()


@given(st.text(min_size=1, max_size=100).filter(lambda text: text.splitlines() != []))
@settings(deadline=None)
def test_a_strange_line_of_if_inet6_is_an_error(text: str) -> None:
    """Anything but addresses is not passed over."""
    with pytest.raises(ParseError):
        parse_if_inet6(text)
