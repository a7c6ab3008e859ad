"""What is known from records, and that it can be written down."""

from __future__ import annotations

import json
from datetime import datetime, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.schema import Signature
from exporter.errors import ParseError
from exporter.installation.facts import StopMarker
from exporter.logs.evidence import LogEvidence, Reading, bind_failure_age, stop_origin
from exporter.logs.facts import LogSnapshot, PortReport, RecordPrefix, StartStatus, StopOrigin
from exporter.logs.matcher import RecordGroup

NOON = datetime(2026, 11, 22, 12, 0, 0, tzinfo=timezone.utc).timestamp()
T = b"2026-11-22 12:00:00.000"
SIGNATURES = [
    Signature("port_in_use", ("cm_agent",), "x(?P<port>1)"),
    Signature("dms_bind_failed", ("datanode",), "x(?P<port>1)(?P<code>2)"),
    Signature("resource_restart_limit", ("cm_agent",), "x"),
    Signature("start_exceeds_2min", ("cm_ctl",), "x"),
    Signature("start_failed", ("cm_ctl",), "x"),
]
BY_ID = {signature.id: signature for signature in SIGNATURES}
LIVE = Reading(now=NOON + 1, written=NOON)


def _evidence(zone: tzinfo = timezone.utc) -> LogEvidence:
    return LogEvidence(SIGNATURES, lambda: zone)


def _group(identity: str, *times: bytes, old: int = 0, **fields: str) -> RecordGroup:
    return RecordGroup(BY_ID[identity], b"", fields, list(times or (T,)), old)


def test_everything_begins_at_zero() -> None:
    """Before any record each signature of each source has a count and no time."""
    evidence = _evidence()
    assert evidence.matches[("port_in_use", "cm_agent")] == 0
    assert evidence.last_match[("port_in_use", "cm_agent")] == 0
    assert evidence.start_status == StartStatus(5, 5, 5, 5)


def test_last_match_is_the_time_of_the_last_record() -> None:
    """The group's last record gives the time, in the zone of the writing program."""
    evidence = _evidence(ZoneInfo("Asia/Shanghai"))
    reading = Reading(now=NOON, written=NOON)
    evidence.take("cm_agent", _group("port_in_use", b"2026-11-22 19:00:00.000", T), reading)
    assert evidence.matches[("port_in_use", "cm_agent")] == 2
    assert evidence.last_match[("port_in_use", "cm_agent")] == NOON - 8 * 3600


def test_record_without_time_is_as_old_as_when_it_can_first_be_seen() -> None:
    """It has the moment of reading, or its file's last write, if that was before."""
    for now, written, expected in ((10.0, 7.0, 7.0), (10.0, 12.0, 10.0)):
        evidence = _evidence()
        group = _group("port_in_use", b"")
        evidence.take("cm_agent", group, Reading(now, written))
        assert evidence.last_match[("port_in_use", "cm_agent")] == expected


def test_old_record_without_time_tells_nothing() -> None:
    """In what was written before the exporter's first look it could be of any time."""
    evidence = _evidence()
    group = _group("port_in_use", b"", old=1, port="1")
    evidence.take("cm_agent", group, Reading(NOON, NOON, not_before=NOON - 900))
    assert evidence.last_match[("port_in_use", "cm_agent")] == 0
    assert evidence.reports == {}


def test_old_records_set_times_and_no_counters() -> None:
    """The look-back gives evidence as old as it is, as far back as wanted."""
    evidence = _evidence()
    group = _group("port_in_use", T, old=1, port="15300")
    evidence.take("cm_agent", group, Reading(NOON + 60, NOON, not_before=NOON - 1))
    assert evidence.matches[("port_in_use", "cm_agent")] == 0
    assert evidence.last_match[("port_in_use", "cm_agent")] == NOON
    later = _evidence()
    later.take("cm_agent", group, Reading(NOON + 60, NOON, not_before=NOON + 1))
    assert later.last_match[("port_in_use", "cm_agent")] == 0


def test_only_records_with_a_time_of_their_own_are_news_in_an_old_text() -> None:
    """Of an archive that nobody saw in its plain form the younger records count."""
    evidence = _evidence()
    group = _group("port_in_use", b"2026-11-22 11:00:00.000", T, b"")
    evidence.take("cm_agent", group, Reading(NOON, NOON, count_since=NOON - 2))
    assert evidence.matches[("port_in_use", "cm_agent")] == 1


def test_record_from_the_future_counts_as_now() -> None:
    """A time that our clock has not reached is not believed, and counted as an error."""
    evidence = _evidence()
    reading = Reading(NOON - 3600, NOON - 3600)
    evidence.take("cm_agent", _group("port_in_use", T), reading)
    assert evidence.last_match[("port_in_use", "cm_agent")] == NOON - 3600
    assert evidence.future_times["cm_agent"] == 1


def test_clock_that_was_put_back_does_not_keep_evidence_young() -> None:
    """What was known of a time that is now ahead gives way to the next record."""
    evidence = _evidence()
    evidence.take("cm_agent", _group("port_in_use", T, port="1"), LIVE)
    back = Reading(NOON - 7200, NOON - 7200)
    earlier = _group("port_in_use", b"2026-11-22 10:00:00.000", port="1")
    evidence.take("cm_agent", earlier, back)
    assert evidence.last_match[("port_in_use", "cm_agent")] == NOON - 7200
    assert evidence.reports[("port_in_use", 1)].time == NOON - 7200


def test_older_file_read_later_does_not_make_evidence_older() -> None:
    """Of two files of a source the younger record counts, in whatever order they are read."""
    evidence = _evidence()
    for time in (T, b"2026-11-22 11:00:00.000"):
        evidence.take("cm_agent", _group("port_in_use", time, port="1"), LIVE)
    assert evidence.last_match[("port_in_use", "cm_agent")] == NOON
    assert evidence.reports[("port_in_use", 1)].time == NOON


def test_port_report_has_what_the_record_says_of_the_socket() -> None:
    """Port, uid and inode are the record's; the kernel's hexadecimal address is made readable."""
    evidence = _evidence()
    group = _group("port_in_use", T, port="15300", hex_address="0100007F", uid="0", inode="449192")
    evidence.take("cm_agent", group, LIVE)
    assert evidence.reports == {
        ("port_in_use", 15300): PortReport("port_in_use", 15300, NOON, "127.0.0.1", "0", "449192")
    }


@pytest.mark.parametrize("port", ["", "0", "65536", "99999999999999999999", "-1"])
def test_no_port_gives_no_report(port: str) -> None:
    """What is no port is not reported as one."""
    evidence = _evidence()
    evidence.take("cm_agent", _group("port_in_use", T, port=port), LIVE)
    assert evidence.reports == {}


@pytest.mark.parametrize(("code", "reported"), [("98", True), ("99", False), ("13", False)])
def test_only_an_address_in_use_is_a_port_report(code: str, reported: bool) -> None:
    """A bind that failed for a missing address or permission reports no port as taken."""
    evidence = _evidence()
    evidence.take("datanode", _group("dms_bind_failed", T, port="1611", code=code), LIVE)
    assert bool(evidence.reports) == reported
    assert evidence.matches[("dms_bind_failed", "datanode")] == 1


def test_port_reports_are_bounded_and_the_oldest_go_first() -> None:
    """A log that names ever new ports does not fill the memory."""
    evidence = _evidence()
    for port in range(1, 300):
        time = datetime.fromtimestamp(NOON + port, timezone.utc).strftime("%Y-%m-%d %H:%M:%S.000")
        reading = Reading(NOON + 1000, NOON + 1000)
        evidence.take("cm_agent", _group("port_in_use", time.encode(), port=str(port)), reading)
    assert len(evidence.reports) == 256
    assert min(port for _, port in evidence.reports) == 44


def test_start_status_has_all_four_numbers() -> None:
    """-1 included; the record before the last does not come back."""
    evidence = _evidence()
    group = _group("start_exceeds_2min", T, cluster="-1", az="5", node="4", instance="3")
    evidence.take("cm_ctl", group, LIVE)
    old = _group("start_exceeds_2min", b"2026-11-22 11:00:00.000", cluster="2")
    evidence.take("cm_ctl", old, LIVE)
    assert evidence.start_status == StartStatus(-1, 5, 4, 3)


def test_start_failed_after() -> None:
    """The seconds are those of the youngest failed start."""
    evidence = _evidence()
    evidence.take("cm_ctl", _group("start_failed", T, seconds="601"), LIVE)
    assert evidence.start_failed_after == 601


def test_every_time_of_a_restart_limit_is_kept() -> None:
    """Who made a marker is told by the record before it, not by the last one."""
    evidence = _evidence()
    times = [b"2026-11-22 11:00:00.000", T]
    evidence.take("cm_agent", _group("resource_restart_limit", *times), LIVE)
    evidence.take("cm_agent", _group("resource_restart_limit", T), LIVE)
    assert evidence.restart_limit_times == [NOON - 3600, NOON]
    for minute in range(100):
        late = Reading(NOON + 7200, NOON + 7200)
        time = f"2026-11-22 12:{minute // 2:02}:{minute % 2 * 30:02}.000".encode()
        evidence.take("cm_agent", _group("resource_restart_limit", time), late)
    assert len(evidence.restart_limit_times) == 64


def test_coverage_begins_with_the_first_record_that_is_of_interest() -> None:
    """Records before the look-back's begin prove nothing about it, and earlier files extend it."""
    evidence = _evidence()
    head = RecordPrefix(0, 1, T)
    evidence.cover("cm_agent", head, Reading(NOON + 9, NOON, not_before=NOON + 3))
    assert evidence.covered_since == {"cm_agent": NOON + 3}
    evidence.cover("cm_agent", head, Reading(NOON + 9, NOON))
    evidence.cover_from("cm_agent", NOON + 7)
    assert evidence.covered_since == {"cm_agent": NOON}


def _full() -> LogEvidence:
    evidence = _evidence()
    evidence.take("cm_agent", _group("port_in_use", T, port="15300", uid="0"), LIVE)
    evidence.take("cm_agent", _group("resource_restart_limit", T), LIVE)
    evidence.take("cm_ctl", _group("start_exceeds_2min", T, cluster="-1"), LIVE)
    evidence.take("cm_ctl", _group("start_failed", T, seconds="150"), LIVE)
    evidence.cover_from("cm_agent", NOON)
    return evidence


def test_what_is_written_down_is_known_again() -> None:
    """After a restart everything is what it was, through JSON."""
    restored = _evidence()
    restored.restore(json.loads(json.dumps(_full().dump())))
    assert restored.snapshot() == _full().snapshot()


def test_signatures_that_are_no_more_are_left_out() -> None:
    """What was counted for a signature of an earlier configuration is forgotten."""
    fewer = LogEvidence(SIGNATURES[:1], lambda: timezone.utc)
    fewer.restore(_full().dump())
    assert set(fewer.matches) == {("port_in_use", "cm_agent")}


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*_full().dump(), "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*_full().dump(), "x"]), _json))
def test_garbage_is_refused_and_changes_nothing(garbage: dict[str, Any]) -> None:
    """A state that is not ours is an error, and what was known stays."""
    evidence = _full()
    before = evidence.snapshot()
    try:
        evidence.restore({**_full().dump(), **garbage} if len(garbage) % 2 else garbage)
    except ParseError:
        assert evidence.snapshot() == before


LIMIT_AT = 10_000.0
SEEN = LogSnapshot(restart_limit_times=(LIMIT_AT,), covered_since={"cm_agent": 5_000.0})


@pytest.mark.parametrize(
    ("mtime", "origin"),
    [
        (LIMIT_AT + 119, StopOrigin.RESTART_LIMIT),
        (LIMIT_AT, StopOrigin.RESTART_LIMIT),
        (LIMIT_AT - 0.5, StopOrigin.RESTART_LIMIT),
        (LIMIT_AT + 120, StopOrigin.OPERATOR),
        (LIMIT_AT - 2, StopOrigin.OPERATOR),
        (5_120.0, StopOrigin.OPERATOR),
        (5_119.0, StopOrigin.UNKNOWN),
    ],
)
def test_origin_of_an_instances_marker(mtime: float, origin: StopOrigin) -> None:
    """CM's own record stands less than 120 s before; without it somebody did it, if we looked."""
    assert stop_origin(StopMarker("instance_manual_start", "6001", mtime), SEEN) is origin


def test_origin_is_unknown_without_cm_agents_log() -> None:
    """Where that log was never seen, nobody is accused."""
    marker = StopMarker("instance_manual_start", "6001", LIMIT_AT)
    assert stop_origin(marker, LogSnapshot()) is StopOrigin.UNKNOWN


def test_origin_of_the_nodes_marker_is_always_an_operator() -> None:
    """CM itself never stops a whole node."""
    marker = StopMarker("cluster_manual_start", "", LIMIT_AT)
    assert stop_origin(marker, SEEN) is StopOrigin.OPERATOR


def test_age_of_the_youngest_bind_failure() -> None:
    """Only records of a failed bind on this port count, and never from the future."""
    reports = (
        PortReport("cm_server_bind_failed", 15300, 90.0),
        PortReport("db_bind_failed", 15300, 95.0),
        PortReport("port_in_use", 15300, 99.0),
        PortReport("dms_bind_failed", 1611, 120.0),
    )
    snapshot = LogSnapshot(port_reports=reports)
    assert bind_failure_age(snapshot, 15300, 100.0) == 5.0
    assert bind_failure_age(snapshot, 1611, 100.0) == 0.0
    assert bind_failure_age(snapshot, 15400, 100.0) is None
