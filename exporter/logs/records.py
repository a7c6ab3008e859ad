"""What stands before the text of a log record: when it was written, at which level, by whom.

Five grammars, as the programs write them: CM and its key events (CM cm_elog.cpp), CBB in DSS, DMS
and DCC (CBB cm_log.c), gaussdb with its ``log_line_prefix``, and the brackets of OM and gs_ctl.
A prefix need not begin a line: progress dots, a missing newline or another program's words may
stand before it, and a record without a final newline has the next one on its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from typing import NamedTuple, Optional

from exporter.logs.facts import RecordPrefix
from exporter.logs.patterns import Pattern

_SECOND = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
_TIME = rf"(?P<time>{_SECOND}(?:\.\d{{1,6}})?)"
_ZONE = r"(?P<zone>[+-](?:\d{1,2}:\d\d|\d{4}|\d{1,3})|UTC|GMT)"
_CM_LEVELS = "DEBUG5|DEBUG1|LOG|WARNING|ERROR|FATAL"
_GAUSSDB_LEVELS = (
    r"DEBUG[1-5]?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC"
    r"|HINT|DETAIL|CONTEXT|STATEMENT|QUERY|LOCATION"
)
# Lines of gaussdb with these levels go on with the record above them.
CONTINUING_LEVELS = frozenset({b"HINT", b"DETAIL", b"CONTEXT", b"STATEMENT", b"QUERY", b"LOCATION"})
DEFAULT_LOG_LINE_PREFIX = "%m %c %d %p %a %x %n %e "
_HOUR = timedelta(hours=1)
_HOURS_AND_MINUTES = 4  # digits
_EARLIEST_YEAR, _LATEST_YEAR = 1971, 9998  # a zone must not push a time out of datetime's range
LONGEST_LINE = 64 * 1024  # bytes; of a longer line only the beginning is looked at
LEAD = 2048  # bytes: a record of CM is at most 2,047 bytes long (CM cm_elog.cpp)
_LINES_BELOW = 3
_LONGEST_FIELD = 256  # characters


@dataclass(frozen=True)
class Grammar:
    """How one family of programs begins a record; the groups are time, zone, level, thread.

    ``mark`` stands in every prefix, so that a line without it need not be searched. All gaps in
    ``pattern`` are bounded: a line is a stranger's text, and must not cost more than its length.
    """

    name: str
    mark: bytes
    pattern: re.Pattern[bytes]

    def prefixes(self, line: bytes) -> Iterator[RecordPrefix]:
        """Find every prefix in a line, from left to right."""
        pos = 0
        while line.find(self.mark, pos) >= 0:
            match = self.pattern.search(line, pos)
            if match is None:
                return
            groups = match.group("time", "zone", "level", "thread")
            pos = match.end()
            yield RecordPrefix(match.start(), pos, *[group or b"" for group in groups])


def _grammar(name: str, mark: bytes, pattern: str) -> Grammar:
    absent = "".join(
        f"(?P<{group}>)"
        for group in ("time", "zone", "level", "thread")
        if f"(?P<{group}>" not in pattern
    )
    return Grammar(name, mark, re.compile((pattern + absent).encode("ascii")))


# The thread may be empty, which leaves two spaces. Records with a module and an error code
# (write_runlog2) have both between the thread and the level. A key event has no level.
CM = _grammar(
    "cm",
    b" tid=",
    rf"{_TIME} tid=\d{{1,20}} "
    rf"(?:(?P<thread>\S{{0,64}}) (?:\[\w{{0,32}}\] \w{{0,16}} )?(?P<level>{_CM_LEVELS}): ?"
    r"|\S{0,64}: (?=\[KeyEvent: ))",
)
CBB = _grammar(
    "cbb",
    b"UTC",
    rf"UTC{_ZONE} {_TIME}\|(?P<thread>[^|]{{0,64}})\|\d{{1,20}}\|(?P<level>ERROR|WARN|INFO)>",
)
BRACKETS = _grammar(
    "brackets",
    b"[",
    rf"(?:\[[^\[\]]{{1,64}}\])?\[{_TIME}\]"
    r"(?:(?:\[[^\[\]]{1,128}\]){0,3}?\[(?P<thread>[A-Za-z_]{1,64})\]"
    r"(?:\[(?P<level>DEBUG|LOG|WARNING|ERROR)\](?:\[Step\d{1,6}\])?)?: ?)?",
)


def gaussdb(log_line_prefix: str = DEFAULT_LOG_LINE_PREFIX) -> Grammar:
    """Make the grammar of a server's ``log_line_prefix``.

    Only the time counts of what the prefix names: ``%m`` or ``%t``, behind a ``%s`` if that comes
    first. A prefix without a time gives records without a time.
    """
    escapes = re.findall(r"%-?\d*([a-zA-Z%])", log_line_prefix)
    timed = [escape for escape in escapes if escape in "mts"]
    level = rf"(?:\[(?P<thread>[A-Z_]{{1,32}})\] )?(?P<level>{_GAUSSDB_LEVELS}): ?"
    if "m" not in timed and "t" not in timed:
        return _grammar("gaussdb", b":", level)
    session_start = rf"{_SECOND} .{{0,200}}?" if timed[0] == "s" else ""
    return _grammar("gaussdb", b":", rf"{session_start}{_TIME}(?: {_ZONE})?.{{0,400}}?{level}")


def grammars_of(source: str, log_line_prefix: str = DEFAULT_LOG_LINE_PREFIX) -> tuple[Grammar, ...]:
    """List the grammars that a source's files may hold, the likeliest first."""
    if source in ("cm_agent", "cm_server", "cm_ctl", "om_monitor"):
        return (CM,)
    if source in ("dms", "dss"):
        return (CBB,)
    if source == "om":
        return (BRACKETS,)
    server = gaussdb(log_line_prefix)
    return {
        "datanode": (server,),
        "dbstart": (server, CBB, BRACKETS),
        "system_call": (CM, server, CBB, BRACKETS),
    }[source]


def prefixes(line: bytes, grammars: Sequence[Grammar]) -> tuple[RecordPrefix, ...]:
    """Find the prefixes of the first grammar that has any in the line."""
    for grammar in grammars:
        heads = tuple(grammar.prefixes(line))
        if heads:
            return heads
    return ()


class Stamp(NamedTuple):
    """A record's own time: local, and the zone when the record names it."""

    local: datetime
    zone: Optional[tzinfo] = None


def epoch(stamp: Stamp, zone: tzinfo, not_after: float) -> float:
    """Tell when a record was written, in seconds since the epoch.

    ``zone`` is that of the writing process. An hour that the clocks went through twice is taken
    as the second one if that is not after ``not_after`` (when the record was read, or the file
    last written): right for records that are read as they come; of those read later, such an
    hour's may be taken one hour late.
    """
    local = stamp.local.replace(tzinfo=_written_in(stamp, zone))
    first = local.timestamp()
    second = local.replace(fold=1).timestamp()
    return second if first < second <= not_after else first


def _written_in(stamp: Stamp, zone: tzinfo) -> tzinfo:
    """Find the zone of a record's digits.

    CBB tells whole hours, cut towards zero: in a zone of +5:30 it writes UTC+5 (CBB cm_timer.c). So
    the writing process's own offset counts where that is what the record would tell of it.
    """
    if stamp.zone is None:
        return zone
    written = stamp.zone.utcoffset(stamp.local)
    for fold in (0, 1):
        own = stamp.local.replace(tzinfo=zone, fold=fold).utcoffset()
        if own is not None and int(own / _HOUR) * _HOUR == written:
            return timezone(own)
    return stamp.zone


def stamp_of(time: bytes, zone: bytes) -> Optional[Stamp]:
    """Read a record's own time; None where it has none, or its digits are no date."""
    try:
        second = datetime.fromisoformat(time[:19].decode("ascii"))
    except ValueError:
        return None
    if not _EARLIEST_YEAR <= second.year <= _LATEST_YEAR:
        return None
    microsecond = int(time[20:].ljust(6, b"0") or 0)
    return Stamp(second.replace(microsecond=microsecond), _zone(zone) if zone else None)


def _zone(text: bytes) -> Optional[tzinfo]:
    """Read ``+8``, ``-3``, ``+0530``, ``+05:30``, ``UTC``; None for an offset of a day or more.

    West of Greenwich CBB divides what it took for unsigned: it writes UTC+288 for -3 hours.
    """
    if text in (b"UTC", b"GMT"):
        return timezone.utc
    hours, _, minutes = text[1:].partition(b":")
    if len(hours) == _HOURS_AND_MINUTES:
        hours, minutes = hours[:2], hours[2:]
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
    if offset >= timedelta(hours=24):
        return None
    return timezone(-offset if text[:1] == b"-" else offset)


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
