"""Lines of a chunk: which records stand on one, and what above and below belongs to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Optional

from exporter.logs.facts import RecordPrefix
from exporter.logs.patterns import Pattern
from exporter.logs.records import CONTINUING_LEVELS, Grammar, prefixes

LONGEST_LINE = 64 * 1024  # bytes; of a longer line only the beginning is looked at
LEAD = 2048  # bytes: a record of CM is at most 2,047 bytes long (CM cm_elog.cpp)
_LINES_BELOW = 3
_LONGEST_FIELD = 256  # characters


class Chunk(NamedTuple):
    """Bytes to search up to ``end``, the bytes before them, and whether more may still come."""

    data: bytes
    end: int
    lead: bytes
    more: bool


def records_of(
    line: bytes, heads: Sequence[RecordPrefix]
) -> Iterator[tuple[Optional[RecordPrefix], bytes]]:
    """Cut a line where records begin; what stands before the first belongs to none of them."""
    if not heads:
        yield None, line
        return
    if heads[0].start > 0:
        yield None, line[: heads[0].start]
    ends = [head.start for head in heads[1:]] + [len(line)]
    for head, end in zip(heads, ends):
        yield head, line[head.start : end]


def head_above(chunk: Chunk, start: int, grammars: Sequence[Grammar]) -> Optional[RecordPrefix]:
    """Find the prefix of the record that a line without a prefix belongs to."""
    before = chunk.lead if start < LEAD else b""
    above = before + chunk.data[max(0, start - LEAD) : start]
    for line in reversed(above[-LEAD:].split(b"\n")):
        heads = prefixes(line, grammars)
        if heads:
            return heads[-1]
    return None


def details_below(
    chunk: Chunk, pos: int, patterns: Sequence[Pattern], grammars: Sequence[Grammar]
) -> tuple[bool, dict[str, str]]:
    """Read the fields out of the lines below that belong to a record.

    Says also whether all lines that are needed are there.
    """
    missing, fields = list(patterns), dict[str, str]()
    for _ in range(_LINES_BELOW):
        stop = chunk.data.find(b"\n", pos, chunk.end)
        if stop < 0:
            return not chunk.more, fields
        line = chunk.data[pos : min(stop, pos + LONGEST_LINE)]
        heads = prefixes(line, grammars)
        if heads and heads[0].level not in CONTINUING_LEVELS:
            break
        for pattern in tuple(missing):
            match = pattern.search(line)
            if match:
                missing.remove(pattern)
                fields.update(decoded(match.groupdict()))
        if not missing:
            break
        pos = stop + 1
    return True, fields


def decoded(groups: Mapping[bytes, Optional[bytes]]) -> dict[str, str]:
    """Turn the named groups that took part in a match into bounded text."""
    return {
        name.decode("utf-8", "replace"): value.decode("utf-8", "replace")[:_LONGEST_FIELD]
        for name, value in groups.items()
        if value is not None
    }


def count_long_lines(data: bytes, end: int) -> int:
    """Count the lines of which only the beginning is looked at."""
    count = pos = 0
    while end - pos > LONGEST_LINE:
        newline = data.rfind(b"\n", pos, pos + LONGEST_LINE + 1)
        if newline < 0:
            count += 1
            newline = data.find(b"\n", pos, end)
            if newline < 0:
                break
        pos = newline + 1
    return count
