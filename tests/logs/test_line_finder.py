"""Lines in which a pattern may match: none is missed, wherever it stands in a chunk."""

from __future__ import annotations

import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.logs.line_finder import LineFinder

PATTERNS = ["port:(?P<port>[0-9]+) in use", "START|STOPPED", "[0-9]{3}x", "PANIC: ", "(?i)oops"]
_WORDS = ["port:7 in use", "port: in use", "START", "STOPPED", "STOP", "123x", "PANIC: ", "OoPS"]
_TEXT = st.lists(st.sampled_from([*_WORDS, "\n", "\n", " ", "x"]), max_size=40).map(
    lambda words: "".join(words).encode()
)


def _lines(data: bytes) -> dict[int, int]:
    """Map where each line begins to where it ends."""
    return {match.start(): match.end() for match in re.finditer(rb"(?m)^[^\n]*", data)}


@given(_TEXT)
def test_every_line_that_matches_alone_is_found_whole_and_in_order(data: bytes) -> None:
    """The lines found are lines, in the order of the text, and each that matches is one of them."""
    found = LineFinder(PATTERNS).find(data, len(data))
    lines = _lines(data)
    assert list(found) == sorted(found)
    assert found.items() <= lines.items()
    assert set(found) >= {
        start
        for start, stop in lines.items()
        if any(re.search(pattern.encode(), data[start:stop]) for pattern in PATTERNS)
    }


@given(_TEXT, st.integers(-30, 30), st.integers(1, 2))
def test_no_line_is_missed_where_one_search_ends_and_the_next_begins(
    data: bytes, off: int, windows: int
) -> None:
    """In a long chunk a line is found wherever it stands, also in the middle of a longest line."""
    finder = LineFinder(PATTERNS)
    plain = finder.find(data, len(data))
    for filler in (b"-" * 63 + b"\n", b"-" * 64):
        before = (filler * (windows * 1024 + 1))[: windows * 64 * 1024 + off] + b"\n"
        found = finder.find(before + data, len(before + data))
        assert {start - len(before): stop - len(before) for start, stop in found.items()} == plain


def test_what_stands_behind_the_end_is_not_looked_at() -> None:
    """The unfinished line at the end of a chunk is left for later."""
    data = b"START\nSTART\nPANIC: "
    assert LineFinder(PATTERNS).find(data, 12) == {0: 5, 6: 11}
    assert LineFinder(PATTERNS).find(data, 10) == {0: 5}


def test_without_patterns_there_is_nothing_to_find() -> None:
    """No pattern, no line; and no text, no line."""
    assert LineFinder([]).find(b"START\n", 6) == {}
    assert LineFinder(PATTERNS).find(b"", 0) == {}


@pytest.mark.parametrize("text", [b"PANIC: ", b"PANIC: \n"])
def test_text_that_consists_of_hits_takes_little_memory(text: bytes) -> None:
    """A megabyte of nothing but hits is searched with a few megabytes of memory."""
    finder, data = LineFinder(PATTERNS), text * 130_000
    tracemalloc.start()
    found = finder.find(data, len(data))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) in (1, 130_000)
    assert most < 3_000_000 + 300 * len(found)
