"""Conflicts that are over but have left something down: ``alerts/history.rules.yml``.

Never by exclusion: a component that is down for another reason has no record of its port.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Optional

from exporter.diagnosis import evidence
from exporter.diagnosis.cluster import Cluster
from exporter.diagnosis.facts import Certainty, Evidence, Finding, Severity, Text
from exporter.diagnosis.node import OF_THE_DATABASE, WHOLE_NODE, Key, Node, key_of
from exporter.diagnosis.port_text import option_of
from exporter.diagnosis.words import in_both, moment, phrase, place

NEAR_THE_MARKER_SECONDS = 300.0
"""CM gives up about half a minute after the first failure; some records have no time of theirs."""
YOUNG_SECONDS = 300.0
_NO_PROOF = "install_port_occupied"  # OM's own check also means a wrong address
_SEVERITIES = {"restart_limit": Severity.CRITICAL, "unknown": Severity.WARNING}


class _Report(NamedTuple):
    """An endpoint, and when its port was last reported as taken."""

    key: Key
    time: float


class _Stop(NamedTuple):
    """When a marker was made, and by whom."""

    time: float
    origin: str


def findings(cluster: Cluster, now: float) -> Iterator[Finding]:
    """Find what records prove of a conflict that is over; ``now`` is since the epoch."""
    for node in cluster.nodes:
        for report in _reports(node):
            stop = _stop(node, report.key.instance_id)
            if stop and _left_stopped(node, report, stop):
                yield _left(cluster, node, report, stop)
            if report.time > now - YOUNG_SECONDS and not _accounted_for(node, report.key):
                yield _passed(cluster, node, report)


def _reports(node: Node) -> Iterator[_Report]:
    """List endpoints whose port was reported, on which nobody listens and nothing is wrong now."""
    page = node.page
    conflicts = {each.key for each in node.conflicts}
    no_address = {key_of(s.labels) for s in page.true("opengauss_port_address_missing")}
    for key in (key_of(s.labels) for s in page.all("opengauss_port_listening") if not s.value):
        paused = node.paused and key.endpoint in OF_THE_DATABASE
        time = _last_report(node, key.port)
        if time is not None and key not in conflicts | no_address and not paused:
            yield _Report(key, time)


def _last_report(node: Node, port: str) -> Optional[float]:
    times = (
        sample.value
        for sample in node.page.all("opengauss_log_port_report_timestamp_seconds", port=port)
        if sample.labels["signature"] != _NO_PROOF and sample.value > 0
    )
    return max(times, default=None)


def _stop(node: Node, instance_id: str) -> Optional[_Stop]:
    """Find the marker that keeps an instance stopped."""
    page = node.page
    origins = [
        sample.labels["origin"]
        for sample in page.true("opengauss_stop_origin", instance_id=instance_id)
    ]
    times = [
        sample.value
        for sample in page.all("opengauss_marker_mtime_seconds", instance_id=instance_id)
        if sample.labels["marker"] != "cluster_manual_pause" and sample.value > 0
    ]
    return _Stop(max(times), origins[0]) if origins and times else None


def _left_stopped(node: Node, report: _Report, stop: _Stop) -> bool:
    near = abs(report.time - stop.time) < NEAR_THE_MARKER_SECONDS
    return near and stop.origin in _SEVERITIES and WHOLE_NODE not in node.stopped


def _accounted_for(node: Node, key: Key) -> bool:
    """Tell whether the component runs again, or somebody or CM has stopped it."""
    page = node.page
    back = any(page.true("opengauss_process_running", instance_id=key.instance_id))
    stopped = (
        sample.labels["origin"] != "none"
        for instance_id in (key.instance_id, WHOLE_NODE)
        for sample in page.true("opengauss_stop_origin", instance_id=instance_id)
    )
    return back or any(stopped)


def _left(cluster: Cluster, node: Node, report: _Report, stop: _Stop) -> Finding:
    alert = "OpenGaussPortConflictLeftStopped"
    how = "left_by_limit" if stop.origin == "restart_limit" else "left_by_somebody"
    return Finding(
        alert,
        _SEVERITIES[stop.origin],
        Certainty.RECORDED,
        phrase(f"summary {alert} {stop.origin}"),
        _described(how, cluster, node, report),
        _action("do_left", cluster, node, report),
        cluster.name,
        node.node_name,
        *report.key,
        evidence=tuple(_evidence_of_stop(node, report.key)),
    )


def _passed(cluster: Cluster, node: Node, report: _Report) -> Finding:
    alert = "OpenGaussPortConflictPassed"
    return Finding(
        alert,
        Severity.WARNING,
        Certainty.RECORDED,
        phrase(f"summary {alert}"),
        _described("passed", cluster, node, report),
        _action("do_passed", cluster, node, report),
        cluster.name,
        node.node_name,
        *report.key,
        evidence=(
            *evidence.port_reports(node, report.key.port),
            *evidence.of_key(node, "opengauss_port_listening", report.key),
        ),
    )


def _described(key: str, cluster: Cluster, node: Node, report: _Report) -> Text:
    values = {**report.key._asdict(), "time": moment(report.time)}
    return in_both(lambda say: say(key, place=place(say, cluster.name, node.node_name), **values))


def _action(key: str, cluster: Cluster, node: Node, report: _Report) -> Text:
    kind = f"{key} without_cm" if cluster.without_cm else key
    return phrase(kind, option=option_of(cluster, node), port=report.key.port)


def _evidence_of_stop(node: Node, key: Key) -> Iterator[Evidence]:
    yield from evidence.port_reports(node, key.port)
    instance = {"instance_id": key.instance_id}
    yield from evidence.metrics(node, node.page.true("opengauss_stop_origin", **instance))
    yield from evidence.metrics(node, node.page.all("opengauss_marker_mtime_seconds", **instance))
