"""The host's own addresses and port settings, as the kernel writes them."""

from __future__ import annotations

import contextlib
import struct
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import ParseError
from exporter.host.network import (
    parse_address,
    parse_fib_trie,
    parse_if_inet6,
    parse_port_list,
    parse_port_range,
)

OURS, PEER = ip_address("10.77.0.1"), ip_address("10.77.0.2")


def _answer(family: int, *attributes: tuple[int, bytes]) -> bytes:
    head = struct.pack("=BBBBI", family, 24, 128, 0, 2)
    return head + b"".join(
        struct.pack("=HH", 4 + len(body), kind) + body + bytes(-len(body) % 4)
        for kind, body in attributes
    )


def test_on_a_point_to_point_link_the_peers_address_is_not_ours() -> None:
    """LOCAL counts where there is one, ADDRESS elsewhere."""
    both = _answer(2, (1, PEER.packed), (2, OURS.packed), (3, b"eth0\0"))
    assert parse_address(both) == OURS
    ipv6 = ip_address("fd00::7")
    assert parse_address(_answer(10, (1, ipv6.packed))) == ipv6


def test_other_families_are_passed_over() -> None:
    """An address that is neither IPv4 nor IPv6 is none that a port can be bound to."""
    assert parse_address(_answer(28, (2, b"1234"))) is None


@pytest.mark.parametrize("data", [b"", b"\2abc", _answer(2), _answer(2, (2, b"12345"))])
def test_an_answer_without_its_address_is_an_error(data: bytes) -> None:
    """A cut answer or an address of the wrong size is not passed over."""
    with pytest.raises(ParseError):
        parse_address(data)


@given(st.binary(max_size=60))
@settings(deadline=None)
def test_garbage_raises_nothing_but_a_parse_error(data: bytes) -> None:
    """No bytes make the parser fail in any other way."""
    with contextlib.suppress(ParseError):
        parse_address(data)


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


def test_the_range_has_two_ends() -> None:
    """The file has a tab between them."""
    assert parse_port_range("32768\t60999\n") == (32768, 60999)


@given(st.lists(st.tuples(st.integers(0, 65000), st.integers(0, 535)), max_size=5))
@settings(deadline=None)
def test_reserved_ports_are_numbers_and_ranges(ranges: list[tuple[int, int]]) -> None:
    """Every port of every range is in it, both ends included."""
    words = [f"{low}-{low + more}" if more else str(low) for low, more in ranges]
    expected = {port for low, more in ranges for port in range(low, low + more + 1)}
    assert parse_port_list(",".join(words) + "\n") == expected


@pytest.mark.parametrize("words", ["", "32768", "1 2 3", "low high", "1 65536", "-1 5", "1 ²"])
def test_a_strange_range_is_an_error(words: str) -> None:
    """Nothing but two ports is a range."""
    with pytest.raises(ParseError):
        parse_port_range(words)


@pytest.mark.parametrize("words", ["a", "1-", "-5", "1-2-3", "70000", "1;2"])
def test_a_strange_list_is_an_error(words: str) -> None:
    """Nothing but ports and ranges is passed over."""
    with pytest.raises(ParseError):
        parse_port_list(words)
