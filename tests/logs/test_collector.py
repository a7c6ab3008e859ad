"""What the logs collector shows of a snapshot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from exporter.config.schema import Signature
from exporter.installation.facts import StopMarker
from exporter.logs.collector import (
    LogsCollector,
    StopOriginCollector,
)
from exporter.logs.facts import (
    LogErrorReason,
    LogSnapshot,
    PortReport,
    SourceActivity,
    StartStatus,
    StopOrigin,
)
from exporter.ports.facts import Endpoint
from tests.support.facts import endpoint

IN_USE = Signature("port_in_use", ("cm_agent",), r"port:(?P<port>\d+)")
STARTED = Signature("started", ("cm_agent", "dss"), "x")
ENDPOINTS = (endpoint("cm_server", port=15300),)


def _shown(
    snapshot: LogSnapshot,
    markers: Sequence[StopMarker] = (),
    endpoints: tuple[Endpoint, ...] = ENDPOINTS,
) -> dict[str, dict[tuple[str, ...], float]]:
    collectors = (
        LogsCollector(lambda: snapshot, [IN_USE, STARTED], lambda: endpoints),
        StopOriginCollector(lambda: snapshot, lambda: endpoints, lambda: markers),
    )
    return {
        family.name: {tuple(s.labels.values()): s.value for s in family.samples}
        for collector in collectors
        for family in collector.collect()
    }


def test_all_series_stand_from_the_start_with_0() -> None:
    """Before anything was read each signature and source, port and origin has its series."""
    shown = _shown(LogSnapshot(activity={"cm_agent": SourceActivity()}))
    pairs = {("port_in_use", "cm_agent"): 0, ("started", "cm_agent"): 0, ("started", "dss"): 0}
    assert shown["opengauss_log_signature_matches"] == pairs
    assert shown["opengauss_log_signature_last_match_timestamp_seconds"] == pairs
    assert shown["opengauss_log_port_report_timestamp_seconds"] == {
        ("port_in_use", "15300"): 0,
        ("port_in_use", "other"): 0,
    }
    assert shown["opengauss_cm_start_status"] == {
        ("cluster",): 5,
        ("az",): 5,
        ("node",): 5,
        ("instance",): 5,
    }
    assert shown["opengauss_cm_start_failed_after_seconds"] == {(): 0}
    assert shown["opengauss_stop_origin"] == {
        (instance, origin.value): float(origin is StopOrigin.NONE)
        for instance in ("", "1")
        for origin in StopOrigin
    }
    assert shown["opengauss_log_lag_bytes"] == {("cm_agent",): 0}
    assert shown["opengauss_log_errors"][("cm_agent", "permission_denied")] == 0
    assert shown["opengauss_log_errors"][("", "state_file")] == 0


def test_snapshot_is_shown() -> None:
    """Counters, times, the start's numbers and the reading's progress are the snapshot's."""
    done = SourceActivity(2, 3, 4, 5, 6, 7, Counter({LogErrorReason.LONG_LINE: 8}))
    snapshot = LogSnapshot(
        matches={("started", "dss"): 9},
        last_match={("started", "dss"): 1e9},
        start_status=StartStatus(-1, 5, 4, 3),
        start_failed_after=601,
        activity={"dss": done},
        service_errors={LogErrorReason.STATE_FILE: 1},
    )
    shown = _shown(snapshot)
    assert shown["opengauss_log_signature_matches"][("started", "dss")] == 9
    assert shown["opengauss_log_signature_last_match_timestamp_seconds"][("started", "dss")] == 1e9
    assert list(shown["opengauss_cm_start_status"].values()) == [-1, 5, 4, 3]
    assert shown["opengauss_cm_start_failed_after_seconds"][()] == 601
    names = ("files", "lag_bytes", "lines", "bytes", "rotations", "truncations")
    assert [shown[f"opengauss_log_{name}"][("dss",)] for name in names] == [2, 3, 4, 5, 6, 7]
    assert shown["opengauss_log_errors"][("dss", "long_line")] == 8
    assert shown["opengauss_log_errors"][("", "state_file")] == 1


def test_ports_that_are_no_endpoints_are_one_series() -> None:
    """A log cannot make new series: other ports share one, with the youngest time."""
    reports = tuple(
        PortReport("port_in_use", port, time) for port, time in ((15300, 5), (1, 7), (2, 6))
    )
    shown = _shown(LogSnapshot(port_reports=reports))
    assert shown["opengauss_log_port_report_timestamp_seconds"] == {
        ("port_in_use", "15300"): 5,
        ("port_in_use", "other"): 7,
    }


LIMIT_AT = 10_000.0
SEEN = LogSnapshot(restart_limit_times=(LIMIT_AT,), covered_since={"cm_agent": 5_000.0})


def test_each_stopped_instance_has_one_origin_and_a_pause_is_no_stop() -> None:
    """An instance without an endpoint has its series, too; a pause changes nothing."""
    markers = [
        StopMarker("cluster_manual_pause", "", 1),
        StopMarker("instance_manual_start", "20001", LIMIT_AT + 1),
    ]
    shown = _shown(SEEN, markers)["opengauss_stop_origin"]
    assert [key for key, value in shown.items() if value] == [
        ("", "none"),
        ("1", "none"),
        ("20001", "restart_limit"),
    ]
