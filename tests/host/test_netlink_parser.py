"""Netlink framing: what is inside, and nothing from outside."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import ParseError
from exporter.host.netlink import attributes, split_messages


def _message(kind: int, body: bytes, sequence: int = 7, flags: int = 2) -> bytes:
    padded = body + bytes(-len(body) % 4)
    return struct.pack("=IHHII", 16 + len(body), kind, flags, sequence, 0) + padded


def _attribute(kind: int, body: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(body), kind) + body + bytes(-len(body) % 4)


@given(st.lists(st.tuples(st.integers(0, 65535), st.binary(max_size=40)), max_size=6))
@settings(deadline=None)
def test_messages_come_back_as_they_were_sent(sent: list[tuple[int, bytes]]) -> None:
    """Any sequence of messages is found again, padding left out."""
    data = b"".join(_message(kind, body) for kind, body in sent)
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
        _message(20, b"body")[:-1],
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
