"""Prefixes of log records, as the programs write them, and the lines that belong to a record."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Optional
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.words import LOG_SOURCES
from exporter.logs.facts import RecordPrefix
from exporter.logs.patterns import compile_pattern
from exporter.logs.records import (
    BRACKETS,
    CBB,
    CM,
    DEFAULT_LOG_LINE_PREFIX,
    LEAD,
    LONGEST_LINE,
    Chunk,
    Grammar,
    Stamp,
    count_long_lines,
    decoded,
    details_below,
    epoch,
    gaussdb,
    grammars_of,
    head_above,
    prefixes,
    records_of,
    stamp_of,
)

SAMPLES = Path(__file__).parent.parent / "samples" / "cm_cluster"
BERLIN = ZoneInfo("Europe/Berlin")
SHANGHAI = ZoneInfo("Asia/Shanghai")


def _only(grammar: Grammar, line: bytes) -> RecordPrefix:
    (prefix,) = grammar.prefixes(line)
    return prefix


def _stamp_of(prefix: RecordPrefix) -> Optional[Stamp]:
    return stamp_of(prefix.time, prefix.zone)


def _stamp(prefix: RecordPrefix) -> Stamp:
    stamp = _stamp_of(prefix)
    assert stamp is not None
    return stamp


def _text(line: bytes, prefix: RecordPrefix) -> bytes:
    return line[prefix.text :]


CM_LINES = [
    (
        b"2026-11-22 12:13:21.728 tid=51 StartAndStop WARNING: port:15300 already in use.",
        (b"StartAndStop", b"WARNING", b"port:15300 already in use."),
    ),
    (
        b"2026-11-22 12:13:21.733 tid=39  LOG: [mes] create new listen socket",
        (b"", b"LOG", b"[mes] create new listen socket"),
    ),
    (
        b" 2026-11-22 12:33:57.785 tid=3700  LOG: cm_agent exited, status=256",
        (b"", b"LOG", b"cm_agent exited, status=256"),
    ),
    (
        b".2026-11-22 12:44:47.001 tid=12  DEBUG1: check the manual start file",
        (b"", b"DEBUG1", b"check the manual start file"),
    ),
    (
        b"2026-11-22 12:28:18.402 tid=1112  [CMAGENT] c1001 FATAL: Commands and options",
        (b"", b"FATAL", b"Commands and options"),
    ),
    (
        b"2026-11-22 12:10:50.111 tid=98 CTL_WORKER: [KeyEvent: KEY_EVENT_NOTIFY_STANDBY] [x]",
        (b"", b"", b"[KeyEvent: KEY_EVENT_NOTIFY_STANDBY] [x]"),
    ),
]


@pytest.mark.parametrize(("line", "expected"), CM_LINES)
def test_cm_prefix_gives_thread_level_and_text(
    line: bytes, expected: tuple[bytes, bytes, bytes]
) -> None:
    """CM's prefix is found with a thread, with an empty one, and behind what precedes it."""
    prefix = _only(CM, line)
    assert (prefix.thread, prefix.level, _text(line, prefix)) == expected


def test_cm_time_has_milliseconds_and_no_zone() -> None:
    """The time is the record's digits, and names no zone."""
    prefix = _only(CM, CM_LINES[0][0])
    assert _stamp_of(prefix) == Stamp(datetime(2026, 11, 22, 12, 13, 21, 728000), None)  # noqa: DTZ001 -- the log's own local time


def test_glued_records_each_have_their_prefix() -> None:
    """A record without a final newline does not hide the next one on its line."""
    line = (
        b"2026-11-22 12:28:18.402 tid=1112  ERROR: load lib: No such file or directory"
        b"2026-11-22 12:28:18.409 tid=1112  ERROR: Failed to initialize"
    )
    first, second = CM.prefixes(line)
    assert line[first.text : second.start] == b"load lib: No such file or directory"
    assert _text(line, second) == b"Failed to initialize"


CBB_LINES = [
    (b"UTC+8 2024-01-02 03:04:05.678|DMS|123|ERROR>[mes] failed [cs.c:1]", timedelta(hours=8)),
    (b"UTC-3 2024-01-02 03:04:05.678|dssserver|1|WARN>text", timedelta(hours=-3)),
    (b"UTC+5:30 2024-01-02 03:04:05.678|dssserver|1|INFO>text", timedelta(hours=5, minutes=30)),
]


@pytest.mark.parametrize(("line", "offset"), CBB_LINES)
def test_cbb_time_is_in_the_zone_that_the_record_names(line: bytes, offset: timedelta) -> None:
    """A CBB record's time needs nobody's zone but its own."""
    prefix = _only(CBB, line)
    aware = datetime(2024, 1, 2, 3, 4, 5, 678000, timezone(offset))
    assert epoch(_stamp(prefix), SHANGHAI, aware.timestamp()) == aware.timestamp()


@pytest.mark.parametrize(
    ("told", "name", "expected"),
    [
        (b"UTC+5", "Asia/Kolkata", "2024-01-02T03:04:05+05:30"),
        (b"UTC-3", "America/St_Johns", "2024-01-02T03:04:05-03:30"),
        (b"UTC+10", "Australia/Lord_Howe", "2024-04-07T01:45:00+10:30"),
        (b"UTC+11", "Australia/Lord_Howe", "2024-04-07T01:45:00+11:00"),
        (b"UTC+288", "America/Sao_Paulo", "2024-01-02T03:04:05-03:00"),
        (b"UTC+287", "America/St_Johns", "2024-01-02T03:04:05-03:30"),
        (b"UTC+8", "Asia/Kolkata", "2024-01-02T03:04:05+08:00"),
    ],
)
def test_cbb_tells_its_zone_in_whole_hours(told: bytes, name: str, expected: str) -> None:
    """Of a zone's half hours CBB says nothing, and west of Greenwich a number that is no zone."""
    digits = expected[:19].replace("T", " ").encode()
    prefix = _only(CBB, told + b" " + digits + b".000|DMS|1|ERROR>[mes] failed")
    moment = datetime.fromisoformat(expected).timestamp()
    assert epoch(_stamp(prefix), ZoneInfo(name), moment) == moment


def test_cbb_module_and_level() -> None:
    """Module and level of a CBB record stand between the bars."""
    prefix = _only(CBB, CBB_LINES[0][0])
    assert (prefix.thread, prefix.level) == (b"DMS", b"ERROR")
    assert _text(CBB_LINES[0][0], prefix) == b"[mes] failed [cs.c:1]"


GAUSSDB_LINES = [
    (
        "%m %c %d %p %a %x %n %e ",
        (
            b"2024-09-23 21:18:32.540 66f16aa6.1 [unknown] 281467464384528 [unknown] 0"
            b" dn_6001_6002_6003 22023 0 [BACKEND] FATAL: failed to initialize dms, errno: 308"
        ),
        (b"BACKEND", b"FATAL"),
    ),
    ("%m %u %d %h %p %S ", b"2024-09-23 21:18:32.540 omm db 1.2.3.4 7 x LOG:  text", (b"", b"LOG")),
    ("%t [%p]: ", b"2024-09-23 21:18:32 UTC [77]: HINT:  Port 15400 is used", (b"", b"HINT")),
    ("<%s> %m ", b"<2024-09-20 01:01:01 CST> 2024-09-23 21:18:32.540 CST LOG:  x", (b"", b"LOG")),
    ("%q%m ", b"2024-09-23 21:18:32.540 PANIC:  could not write", (b"", b"PANIC")),
]


@pytest.mark.parametrize(("log_line_prefix", "line", "expected"), GAUSSDB_LINES)
def test_gaussdb_prefix_follows_log_line_prefix(
    log_line_prefix: str, line: bytes, expected: tuple[bytes, bytes]
) -> None:
    """The record's time is %m or %t, wherever the configured prefix puts it."""
    prefix = _only(gaussdb(log_line_prefix), line)
    assert (prefix.thread, prefix.level) == expected
    assert _stamp(prefix).local.replace(microsecond=0) == datetime(2024, 9, 23, 21, 18, 32)  # noqa: DTZ001 -- the log's own local time


def test_gaussdb_prefix_without_time_gives_records_without_time() -> None:
    """A log_line_prefix that names no time leaves none to be read, not a wrong one."""
    prefix = _only(gaussdb("%p %s "), b"4711 2024-09-23 21:18:32 CST FATAL:  x")
    assert (_stamp_of(prefix), prefix.level) == (None, b"FATAL")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            (
                b"[2026-11-23 12:13:14.123456][77][BaseComponent.py(check:148)][gs_local][DEBUG]"
                b"[Step3]:[GAUSS-50601] : The port [15400] is occupied"
            ),
            (b"gs_local", b"DEBUG", b"[GAUSS-50601] : The port [15400] is occupied"),
        ),
        (
            b"[2026-11-23 12:13:14.123456][77][gs_local][ERROR]:[GAUSS-50601] : x",
            (b"gs_local", b"ERROR", b"[GAUSS-50601] : x"),
        ),
        (
            b"[a1b2][2026-11-23 12:13:14.123456][77][gs_om][LOG]:text",
            (b"gs_om", b"LOG", b"text"),
        ),
        (
            b"[2026-11-23 12:13:14.123][9192][dn_6001][gs_ctl]: could not start server",
            (b"gs_ctl", b"", b"could not start server"),
        ),
        (b"[2026-11-23 12:13:14][stub gs_ctl] notify", (b"", b"", b"[stub gs_ctl] notify")),
    ],
)
def test_brackets_of_om_and_gs_ctl(line: bytes, expected: tuple[bytes, bytes, bytes]) -> None:
    """OM and gs_ctl write their time, tool and level in brackets."""
    prefix = _only(BRACKETS, line)
    assert (prefix.thread, prefix.level, _text(line, prefix)) == expected


def test_impossible_date_is_a_record_without_time() -> None:
    """Digits that are no date give a prefix whose time is unknown."""
    for date in (b"2026-02-30 00:00:00.000", b"0001-01-01 00:00:00.000"):
        assert _stamp_of(_only(CM, date + b" tid=1 main LOG: x")) is None
    assert _stamp_of(_only(CM, b"2026-02-28 24:00:00.000 tid=1 main LOG: x")) is None


@pytest.mark.parametrize(
    ("read_at", "expected"),
    [
        ("2026-10-25T00:30:01+00:00", "2026-10-25T00:30:00+00:00"),
        ("2026-10-25T01:30:01+00:00", "2026-10-25T01:30:00+00:00"),
    ],
)
def test_hour_that_comes_twice_is_told_apart_while_reading(read_at: str, expected: str) -> None:
    """02:30 of the night the clocks go back is the first or the second one, as it is read."""
    stamp = Stamp(datetime(2026, 10, 25, 2, 30))  # noqa: DTZ001 -- the log's own local time
    not_after = datetime.fromisoformat(read_at).timestamp()
    assert epoch(stamp, BERLIN, not_after) == datetime.fromisoformat(expected).timestamp()


def test_hour_that_never_was_still_gives_a_time() -> None:
    """A time inside the hour that spring skips (a clock set by hand) is not an error."""
    stamp = Stamp(datetime(2026, 3, 29, 2, 30))  # noqa: DTZ001 -- the log's own local time
    expected = datetime.fromisoformat("2026-03-29T01:30:00+00:00").timestamp()
    assert epoch(stamp, BERLIN, expected) == expected


@given(
    moment=st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)),  # noqa: DTZ001 -- made UTC below
    zone=st.sampled_from([BERLIN, SHANGHAI, ZoneInfo("America/St_Johns"), timezone.utc]),
)
def test_every_written_time_is_read_back(moment: datetime, zone: ZoneInfo) -> None:
    """A record that is read within its second gets the moment it was written, in any zone."""
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=timezone.utc)
    local = moment.astimezone(zone)
    digits = local.strftime("%Y-%m-%d %H:%M:%S.") + f"{local.microsecond // 1000:03}"
    prefix = _only(CM, f"{digits} tid=9  LOG: x".encode())
    assert epoch(_stamp(prefix), zone, moment.timestamp() + 1) == moment.timestamp()


@given(st.binary(max_size=2000))
def test_any_bytes_are_searched_without_harm(line: bytes) -> None:
    """A stranger's bytes give prefixes inside the line, or none; never an error."""
    for source in LOG_SOURCES:
        for prefix in prefixes(line, grammars_of(source)):
            assert 0 <= prefix.start < prefix.text <= len(line)


def test_recorded_cm_lines_all_have_a_prefix_where_a_thread_id_stands() -> None:
    """In the recordings every line with a thread id, and no other line, has CM's prefix."""
    logs = sorted(SAMPLES.glob("*/node*/log/**/*.log"))
    assert logs
    for log in logs:
        for line in log.read_bytes().splitlines():
            stamps = len(re.findall(rb"\d\d:\d\d\.\d{3} tid=\d+ ", line))
            found = prefixes(line, (CM,))
            assert len(found) == stamps, line
            assert all(_stamp_of(prefix) for prefix in found)


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
