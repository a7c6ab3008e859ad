"""What lines of a chunk are, and which of them belong together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.logs.lines import (
    LEAD,
    LONGEST_LINE,
    Chunk,
    count_long_lines,
    decoded,
    details_below,
    head_above,
    records_of,
)
from exporter.logs.patterns import compile_pattern
from exporter.logs.records import CM, DEFAULT_LOG_LINE_PREFIX, gaussdb, prefixes

TIME = b"2026-11-22 12:13:21.728"
HEAD = TIME + b" tid=5 StartAndStop WARNING: "
GRAMMARS = (CM, gaussdb(DEFAULT_LOG_LINE_PREFIX))


def _chunk(data: bytes, lead: bytes = b"", *, more: bool = False) -> Chunk:
    return Chunk(data, len(data), lead, more)


def test_line_is_cut_where_records_begin() -> None:
    """Each record has its text; what stands before the first one has no prefix."""
    line = b"dots ... " + HEAD + b"one " + HEAD + b"two"
    cut = [(head is not None, text) for head, text in records_of(line, prefixes(line, GRAMMARS))]
    assert cut == [(False, b"dots ... "), (True, HEAD + b"one "), (True, HEAD + b"two")]


def test_line_without_a_prefix_is_one_piece() -> None:
    """It may go on with the record above it."""
    assert list(records_of(b"more", ())) == [(None, b"more")]


def test_record_above_may_stand_in_the_lead() -> None:
    """A line at a chunk's beginning belongs to the last record of the chunk before."""
    lead = HEAD + b"first\nbelow\n"
    found = head_above(_chunk(b"more\n", lead), 0, GRAMMARS)
    assert found is not None
    assert found.time == TIME


def test_record_too_far_above_is_none() -> None:
    """No record is longer than the lead; what is farther above does not count."""
    data = HEAD + b"first\n" + b"x" * LEAD + b"\n"
    assert head_above(_chunk(data), len(data), GRAMMARS) is None


DETAILS = [compile_pattern(r"uid (?P<uid>\d+)"), compile_pattern(r"inode (?P<inode>\d+)")]


@pytest.mark.parametrize(
    ("below", "complete", "fields"),
    [
        (b"uid 7 inode 8\n", True, {"uid": "7", "inode": "8"}),
        (b"title\nuid 7\ninode 8\n", True, {"uid": "7", "inode": "8"}),
        (b"title\ntitle\ntitle\nuid 7\n", True, {}),
        (b"uid 7\n" + HEAD + b"next\n", True, {"uid": "7"}),
        (b"uid 7\n", False, {"uid": "7"}),
        (b"uid 7\ninode 8", False, {"uid": "7"}),
    ],
    ids=["one line", "three lines", "too far", "next record", "not all there", "half a line"],
)
def test_fields_of_the_lines_below(below: bytes, complete: bool, fields: dict[str, str]) -> None:
    """Three lines at most, up to the next record; whether more may come is told."""
    assert details_below(_chunk(below, more=True), 0, DETAILS, GRAMMARS) == (complete, fields)
    assert details_below(_chunk(below), 0, DETAILS, GRAMMARS) == (True, fields)


def test_hint_of_the_server_belongs_to_the_record_above() -> None:
    """Lines of gaussdb that go on with a record repeat its prefix, and end nothing."""
    prefix = b"2026-11-22 12:13:21.728 x y 1 z 0 n 00000 0 [BACKEND] "
    data = prefix + b"HINT:  uid 7\n" + prefix + b"LOG:  inode 8\n"
    grammars = (gaussdb(DEFAULT_LOG_LINE_PREFIX),)
    assert details_below(_chunk(data), 0, DETAILS, grammars) == (True, {"uid": "7"})


def test_groups_become_bounded_text() -> None:
    """A stranger's bytes are no more than 256 characters, and what took no part is left out."""
    groups = {b"name": b"\xffx" * 1000, b"none": None}
    assert decoded(groups) == {"name": "\ufffdx" * 128}


@given(st.lists(st.integers(0, 3 * LONGEST_LINE), max_size=8))
def test_long_lines_are_counted(lengths: list[int]) -> None:
    """Exactly the lines beyond the limit are, wherever they stand."""
    data = b"".join(b"x" * length + b"\n" for length in lengths)
    assert count_long_lines(data, len(data)) == sum(length > LONGEST_LINE for length in lengths)
