"""Patterns: what RE2 takes and refuses, that none can hang us, and lines that may match."""

from __future__ import annotations

import re
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.schema import Signature
from exporter.errors import ParseError
from exporter.logs.patterns import LineFinder, PatternSet, compile_pattern, pattern_problem
from tests.fuzz.running import failure
from tests.fuzz.targets import Target


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("(", "missing"),
        ("a)|(b", "unexpected"),
        (r"(\d)\1", "invalid escape sequence"),
        ("(?=x)", "invalid perl operator"),
        ("a*", "matches an empty line"),
        ("^$", "matches an empty line"),
        (r"\Afoo", "not supported"),
        (r"foo\z", "not supported"),
        (r"\\\Cfoo", "not supported"),
        ("(?s)foo.bar", "not supported"),
        ("(?i-m:foo)", "not supported"),
        ("端+", "beyond ASCII"),
        ("[端口]x", "beyond ASCII"),
        ("x" * 4097, "longer than"),
    ],
)
def test_unusable_pattern_is_refused_with_a_reason(pattern: str, problem: str) -> None:
    """What RE2 cannot take, or would see differently in a chunk, is refused in words."""
    assert problem in (pattern_problem(pattern) or "")
    with pytest.raises(ParseError, match="pattern"):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    "pattern",
    [r"port:(?P<port>\d+) in use", "(?i)error", r"a\\Ab", "端口.*(?:占)+", "^foo$", "(a+)+$"],
)
def test_usable_pattern_is_taken(pattern: str) -> None:
    """Groups, case folding, anchors, escaped backslashes and other scripts are usable."""
    assert pattern_problem(pattern) is None


@pytest.mark.parametrize("pattern", ["foo[^x]*bar", r"foo\s+bar", r"foo\nbar", r"foo\W+bar"])
def test_nothing_matches_a_newline(pattern: str) -> None:
    """A pattern never reaches from one line into the next."""
    assert compile_pattern(pattern).search(b"foo\nbar") is None


def test_ends_of_a_line_and_any_byte() -> None:
    """The anchors are those of a line, and a dot is any byte, valid UTF-8 or not."""
    match = compile_pattern("^b(?P<rest>.*)$").search(b"a\nbc\xff\x00d\ne")
    assert match is not None
    assert match.groupdict() == {b"rest": b"c\xff\x00d"}


def test_set_names_the_patterns_that_match() -> None:
    """Of several patterns those are named that match, within the bounds of the text."""
    patterns = PatternSet(["a+", "b", "^c"])
    assert list(patterns.candidates(b"xaab", 4)) == [0, 1]
    assert list(patterns.candidates(b"xaab", 3)) == [0]
    assert list(patterns.candidates(b"x\ncy", 4)) == [2]
    assert list(patterns.candidates(b"xyz", 3)) == []
    assert list(PatternSet([]).candidates(b"abc", 3)) == []


def test_set_too_large_for_its_memory_leaves_all_patterns_as_candidates() -> None:
    """Patterns that cannot be searched together are not thereby lost."""
    patterns = [f"[ab]{{3}}{i}.{{900}}z" for i in range(120)]
    assert not any(map(pattern_problem, patterns))
    assert list(PatternSet(patterns).candidates(b"abc", 3)) == list(range(120))


def test_nested_repetition_costs_linear_time() -> None:
    """A pattern that makes a backtracking engine hang is searched as fast as any other."""
    pattern = compile_pattern("(a+)+$")
    line = b"a" * 1_000_000
    started = time.process_time()
    for _ in range(8):
        assert pattern.search(line + b"!") is None
    assert time.process_time() - started < 4


@pytest.mark.parametrize(
    "pattern", ["\\" * 401, "\\" * 400 + "d+(", "(?" + "i" * 4000, "[é" * 1000]
)
def test_the_check_of_a_pattern_takes_no_longer_than_the_pattern(pattern: str) -> None:
    """No pattern, however odd, makes its own check hang."""
    target = Target("pattern", list, lambda data: pattern_problem(data.decode()), ())
    assert failure(target, pattern.encode()) == ""


PATTERNS = {
    "port:(?P<port>[0-9]+) in use": [" in use"],
    "START|STOPPED": ["START", "STOPPED"],
    "[0-9]{3}x": [],
    "PANIC: ": ["PANIC: "],
    "(?i)oops": [],
}
SIGNATURES = [
    Signature(f"s{number}", (), pattern, contains=tuple(texts))
    for number, (pattern, texts) in enumerate(PATTERNS.items())
]
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
    found = LineFinder(SIGNATURES).find(data, len(data))
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
    finder = LineFinder(SIGNATURES)
    plain = finder.find(data, len(data))
    for filler in (b"-" * 63 + b"\n", b"-" * 64):
        before = (filler * (windows * 1024 + 1))[: windows * 64 * 1024 + off] + b"\n"
        found = finder.find(before + data, len(before + data))
        assert {start - len(before): stop - len(before) for start, stop in found.items()} == plain


def test_what_stands_behind_the_end_is_not_looked_at() -> None:
    """The unfinished line at the end of a chunk is left for later."""
    data = b"START\nSTART\nPANIC: "
    assert LineFinder(SIGNATURES).find(data, 12) == {0: 5, 6: 11}
    assert LineFinder(SIGNATURES).find(data, 10) == {0: 5}


def test_signatures_of_one_pattern_each_have_their_own_texts() -> None:
    """What one signature says of its lines takes none away from another with its pattern."""
    texts: list[tuple[str, ...]] = [("START",), ("nowhere",), ()]
    for order in (texts, texts[::-1]):
        of_one = [Signature(f"s{i}", (), "S.*", contains=t) for i, t in enumerate(order)]
        assert LineFinder(of_one).find(b"START\nSTOP\n", 11) == {0: 5, 6: 10}


def test_without_patterns_there_is_nothing_to_find() -> None:
    """No pattern, no line; and no text, no line."""
    assert LineFinder([]).find(b"START\n", 6) == {}
    assert LineFinder(SIGNATURES).find(b"", 0) == {}


@pytest.mark.parametrize("text", [b"PANIC: ", b"PANIC: \n"])
def test_text_that_consists_of_hits_takes_little_memory(text: bytes) -> None:
    """A megabyte of nothing but hits is searched with a few megabytes of memory."""
    finder, data = LineFinder(SIGNATURES), text * 130_000
    tracemalloc.start()
    found = finder.find(data, len(data))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) in (1, 130_000)
    assert most < 3_000_000 + 300 * len(found)
