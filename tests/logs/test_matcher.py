"""Chunks of a log, cut anywhere, give each record once, with its time and fields."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.config import parse_signatures
from exporter.config.schema import Signature
from exporter.logs.matcher import LogMatcher, RecordGroup, Scan
from exporter.logs.records import CM, LEAD, LONGEST_LINE, grammars_of
from exporter.parts import shipped_signatures
from tests.support.recorded_logs import CM_SOURCES, recorded

T1 = b"2026-11-22 12:13:21.728"
T2 = b"2026-11-22 12:13:22.904"
IN_USE = Signature(
    "in_use", ("cm_agent",), r"port:(?P<port>\d+) in use", details=(r"^ (?P<uid>\d+) ",)
)
START = Signature("start", ("cm_agent",), "START")


def _matcher(*signatures: Signature, inherits: bool = True) -> LogMatcher:
    return LogMatcher(signatures, (CM,), inherits=inherits)


def _plain(found: Sequence[RecordGroup]) -> list[tuple[str, list[bytes], dict[str, str]]]:
    return [(f.signature.id, list(f.times), dict(f.fields)) for f in found]


def test_record_has_its_own_time_and_fields() -> None:
    """A record gives its signature, its time as written, and its named groups."""
    data = T1 + b" tid=5 StartAndStop WARNING: port:15300 in use\n 0 x\n"
    assert _plain(_matcher(IN_USE).scan(data, more=False).groups) == [
        ("in_use", [T1], {"port": "15300", "uid": "0"})
    ]


def test_records_that_differ_only_in_time_are_one_group() -> None:
    """Repetitions are counted, their times kept in order; another port is another group."""
    line = b" tid=5  WARNING: port:%d in use\n"
    data = T1 + line % 1 + T1 + line % 2 + T2 + line % 1
    found = _matcher(IN_USE).scan(data, more=False).groups
    assert _plain(found) == [("in_use", [T1], {"port": "2"}), ("in_use", [T1, T2], {"port": "1"})]


def test_details_come_from_the_last_record_of_a_group() -> None:
    """Who holds the port now is said by the youngest record."""
    data = b"".join(
        time + b" tid=5  WARNING: port:1 in use\n %d x\n" % uid for time, uid in ((T1, 7), (T2, 8))
    )
    (found,) = _matcher(IN_USE).scan(data, more=False).groups
    assert found.fields == {"port": "1", "uid": "8"}


def test_details_of_the_next_record_are_not_taken() -> None:
    """The lines of another record do not belong to this one."""
    data = T1 + b" tid=5  WARNING: port:1 in use\n" + T2 + b" tid=5  LOG: x\n 9 x\n"
    (found,) = _matcher(IN_USE).scan(data, more=False).groups
    assert found.fields == {"port": "1"}


@pytest.mark.parametrize("written", range(1, 30))
def test_record_whose_lines_are_not_all_there_waits(written: int) -> None:
    """However little of the lines below is written, the record is seen once, whole."""
    head, below = T1 + b" tid=5  WARNING: port:1 in use\n", b"title\n 9 x\n" + T2 + b" tid=5 x"
    matcher = _matcher(IN_USE)
    first = matcher.scan(head + below[:written])
    enough = b"9 x\n" in below[:written]
    assert (first.consumed == 0, len(first.groups)) == ((not enough), int(enough))
    if not enough:
        second = matcher.scan((head + below)[first.consumed :])
        assert _plain(second.groups) == [("in_use", [T1], {"port": "1", "uid": "9"})]


def test_record_does_not_wait_for_lines_that_will_not_come() -> None:
    """Told that no more will come, the record is given with what there is."""
    data = T1 + b" tid=5  WARNING: port:1 in use\ntitle\n"
    scan = _matcher(IN_USE).scan(data, more=False)
    assert (len(scan.groups), scan.consumed) == (1, len(data))


def test_half_line_waits_for_its_end() -> None:
    """A line without its newline is not looked at, unless it is known to be final."""
    data = T1 + b" tid=5  LOG: START"
    assert (_matcher(START).scan(data).groups, _matcher(START).scan(data).consumed) == ([], 0)
    final = _matcher(START).scan(data, final=True)
    assert (len(final.groups), final.consumed, final.lines) == (1, len(data), 1)


def test_glued_records_are_two_with_a_time_each() -> None:
    """A record without a newline and its neighbour on the same line are counted as two."""
    data = T1 + b" tid=5  ERROR: START lib" + T2 + b" tid=5  ERROR: START\n"
    (found,) = _matcher(START).scan(data).groups
    assert (list(found.times), found.counted) == ([T1, T2], 2)


def test_text_before_a_glued_record_belongs_to_the_one_above() -> None:
    """What stands before a prefix on its line is the end of an earlier record."""
    data = T1 + b" tid=5  ERROR: x\nno START here" + T2 + b" tid=5  ERROR: y\n"
    assert _plain(_matcher(START).scan(data).groups) == [("start", [T1], {})]


def test_line_without_prefix_has_the_time_of_its_record() -> None:
    """A continuation line is as old as the record that it continues."""
    data = T1 + b" tid=5  ERROR: x\nSTART\n"
    assert _plain(_matcher(START).scan(data).groups) == [("start", [T1], {})]
    behind = data[data.index(b"START") :]
    lead = data[: data.index(b"START")]
    assert _plain(_matcher(START).scan(behind, lead[-LEAD:]).groups) == [("start", [T1], {})]


def test_line_without_prefix_has_no_time_where_several_programs_write() -> None:
    """In a file that several programs write, a bare line has no time."""
    data = T1 + b" tid=5  ERROR: x\nSTART\n"
    assert _plain(_matcher(START, inherits=False).scan(data).groups) == [("start", [b""], {})]


def test_pattern_across_two_records_counts_once() -> None:
    """A pattern that spans what we take for two records still finds its line."""
    both = Signature("both", ("cm_agent",), "lib2026.*START")
    data = T1 + b" tid=5  ERROR: lib" + T2 + b" tid=5  ERROR: START\n"
    assert _plain(_matcher(both).scan(data).groups) == [("both", [T1], {})]


def test_only_records_behind_count_from_are_counted() -> None:
    """Older records give their times, and move no counter."""
    line = T1 + b" tid=5  LOG: START\n"
    (found,) = _matcher(START).scan(line * 3, count_from=len(line)).groups
    assert (len(found.times), found.counted) == (3, 2)


def test_only_the_beginning_of_a_huge_line_is_looked_at() -> None:
    """Of a line beyond 64 KiB the rest is not searched, and the line is reported."""
    line = T1 + b" tid=5  LOG: " + b"x" * LONGEST_LINE + b"START\n"
    scan = _matcher(START).scan(line + T1 + b" tid=5  LOG: START\n" + line)
    assert (len(scan.groups), scan.groups[0].counted) == (1, 1)
    assert (scan.long_lines, scan.lines) == (2, 3)


def test_line_of_exactly_the_longest_length_is_not_long() -> None:
    """64 KiB without the newline are a line like any other."""
    line = (b"x" * (LONGEST_LINE - 5) + b"START\n") * 2
    scan = _matcher(START).scan(line)
    assert (scan.groups[0].counted, scan.long_lines) == (2, 0)
    assert _matcher(START).scan(b"y" + line).long_lines == 1


def test_nested_repetition_on_huge_lines_costs_linear_time() -> None:
    """A user's pattern that would hang another engine reads 8 MB in an instant."""
    matcher = _matcher(Signature("slow", ("cm_agent",), "(a+)+$"), START)
    data = (b"a" * 1_000_000 + b"!\n") * 8
    started = time.process_time()
    assert matcher.scan(data).groups == []
    assert time.process_time() - started < 4


def test_memory_of_lines_is_bounded() -> None:
    """Lines that never repeat do not fill the memory."""
    matcher = _matcher(START)
    for block in range(10):
        lines = [T1 + b" tid=5  LOG: START %d\n" % (block * 1000 + i) for i in range(1000)]
        assert sum(f.counted for f in matcher.scan(b"".join(lines)).groups) == 1000
    assert len(matcher._memory) <= 4096


def test_without_signatures_lines_are_only_counted() -> None:
    """A source that nothing is looked for in is read all the same."""
    assert LogMatcher((), (CM,)).scan(b"a\nb\nc") == Scan([], 4, lines=2)
    assert LogMatcher((), (CM,)).scan(b"", final=True) == Scan([], 0)


_WORDS = [b"START", b"port:%d in use" % 7, b" tid=5  LOG: ", T1, T2, b"\n", b"\n 9 x\n", b"\0\xff"]
_TEXT = st.lists(st.sampled_from([*_WORDS, b"x", b" "]), max_size=60).map(b"".join)


def _pieces(data: bytes, cuts: Sequence[int]) -> Iterator[bytes]:
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    return (data[a:b] for a, b in zip(edges, edges[1:]))


def _feed(matcher: LogMatcher, pieces: Iterator[bytes]) -> Counter[tuple[str, bytes]]:
    """Read as a follower does: what was not consumed comes again in front of the next piece."""
    counts: Counter[tuple[str, bytes]] = Counter()
    rest = lead = b""
    for piece in pieces:
        data = rest + piece
        scan = matcher.scan(data, lead)
        counts.update((f.signature.id, t) for f in scan.groups for t in f.times)
        lead, rest = (lead + data[: scan.consumed])[-LEAD:], data[scan.consumed :]
    final = matcher.scan(rest, lead, final=True)
    counts.update((f.signature.id, t) for f in final.groups for t in f.times)
    return counts


@given(_TEXT, st.lists(st.integers(1, 400), max_size=12))
@settings(max_examples=300)
def test_pieces_give_what_the_whole_gives(data: bytes, cuts: list[int]) -> None:
    """Wherever a log is cut into pieces, the same records are found with the same times."""
    whole = _feed(_matcher(IN_USE, START), iter([data]))
    assert _feed(_matcher(IN_USE, START), _pieces(data, cuts)) == whole


@given(_TEXT)
@settings(max_examples=300)
def test_lines_found_are_those_that_match_alone(data: bytes) -> None:
    """A line is found if and only if its pattern matches it; glued records count one each."""
    scan = _matcher(START).scan(data, final=True)
    glue = re.compile(rb"(?=2026-.{18} tid=5  LOG:)")
    records = [part for line in data.split(b"\n") for part in glue.split(line)]
    assert sum(f.counted for f in scan.groups) == sum(b"START" in part for part in records)


@pytest.mark.parametrize("source", CM_SOURCES)
def test_recordings_in_odd_pieces_give_what_the_whole_gives(source: str) -> None:
    """The recorded logs, read in pieces of odd sizes, give each record once with its time."""
    wanted = [s for s in parse_signatures(shipped_signatures(), "x") if source in s.sources]
    data = b"".join(path.read_bytes() for path in recorded(source))
    matcher = LogMatcher(wanted, grammars_of(source))
    whole = _feed(matcher, iter([data]))
    cuts = [i * 4001 + i * i % 977 for i in range(len(data) // 4001)]
    assert _feed(matcher, _pieces(data, cuts)) == whole
