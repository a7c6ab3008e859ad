"""Answers to RTM_GETADDR, byte for byte."""

from __future__ import annotations

import contextlib
import struct
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import ParseError
from exporter.host.network import parse_address

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
