"""Settings of the kernel as text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import ParseError
from exporter.host.network import parse_port_list, parse_port_range


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
