"""Conflicts that are over but have left something down: ``alerts/history.rules.yml``.

Never by exclusion: a component that is down for another reason has no record of its port.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Optional

from exporter.diagnosis.cluster import WHOLE_NODE, Cluster, Key, Node, key_of
from exporter.diagnosis.findings import Certainty, Evidence, Finding, Severity, Text
from exporter.diagnosis.port_text import option_of
from exporter.diagnosis.words import (
    endpoint_evidence,
    metric_evidence,
    moment,
    phrase,
    phrase_at,
    report_evidence,
)

NEAR_THE_MARKER_SECONDS = 300.0
"""CM gives up about half a minute after the first failure; some records have no time of theirs."""
YOUNG_SECONDS = 300.0
_NO_PROOF = "install_port_occupied"  # OM's own check also means a wrong address
_BY_ORIGIN = {
    "restart_limit": (Severity.CRITICAL, "left_by_limit"),
    "unknown": (Severity.WARNING, "left_by_somebody"),
}
"""How loud a stop after a conflict is, and its phrase, by who made the marker."""


class _Reported(NamedTuple):
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
        for reported in _reported(node):
            stop = _stop(node, reported.key.instance_id)
            if stop and _left_stopped(node, reported, stop):
                yield _left(cluster, node, reported, stop)
            if reported.time > now - YOUNG_SECONDS and not _accounted_for(node, reported.key):
                yield _passed(cluster, node, reported)


def _reported(node: Node) -> Iterator[_Reported]:
    """List endpoints whose port was reported, on which nobody listens and nothing is wrong now."""
    page = node.page
    explained = {blocked.key for blocked in node.conflicts}
    explained |= {key_of(s.labels) for s in page.true("opengauss_port_address_missing")}
    for sample in page.all("opengauss_port_listening"):
        key = key_of(sample.labels)
        time = _last_report(node, key.port)
        is_down = not sample.value and not node.is_paused(key)
        if is_down and time is not None and key not in explained:
            yield _Reported(key, time)


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


def _left_stopped(node: Node, reported: _Reported, stop: _Stop) -> bool:
    near = abs(reported.time - stop.time) < NEAR_THE_MARKER_SECONDS
    return near and stop.origin in _BY_ORIGIN and WHOLE_NODE not in node.stopped


def _accounted_for(node: Node, key: Key) -> bool:
    """Tell whether the component runs again, or somebody or CM has stopped it."""
    page = node.page
    runs = any(page.true("opengauss_process_running", instance_id=key.instance_id))
    return runs or any(
        sample.labels["origin"] != "none"
        for instance_id in (key.instance_id, WHOLE_NODE)
        for sample in page.true("opengauss_stop_origin", instance_id=instance_id)
    )


def _left(cluster: Cluster, node: Node, reported: _Reported, stop: _Stop) -> Finding:
    alert = "OpenGaussPortConflictLeftStopped"
    severity, key = _BY_ORIGIN[stop.origin]
    return Finding(
        alert,
        severity,
        Certainty.RECORDED,
        phrase(f"summary {alert} {stop.origin}"),
        *_texts(cluster, node, reported, key, "do_left"),
        cluster.name,
        node.node_name,
        *reported.key,
        evidence=tuple(_stop_evidence(node, reported.key)),
    )


def _passed(cluster: Cluster, node: Node, reported: _Reported) -> Finding:
    alert = "OpenGaussPortConflictPassed"
    return Finding(
        alert,
        Severity.WARNING,
        Certainty.RECORDED,
        phrase(f"summary {alert}"),
        *_texts(cluster, node, reported, "passed", "do_passed"),
        cluster.name,
        node.node_name,
        *reported.key,
        evidence=(
            *report_evidence(node, reported.key.port),
            *endpoint_evidence(node, "opengauss_port_listening", reported.key),
        ),
    )


def _texts(
    cluster: Cluster, node: Node, reported: _Reported, description: str, action: str
) -> tuple[Text, Text]:
    """Write the phrases of these two keys."""
    values = {**reported.key._asdict(), "time": moment(reported.time)}
    action = f"{action} without_cm" if cluster.without_cm else action
    return (
        phrase_at(cluster, node.node_name, description, **values),
        phrase(action, option=option_of(cluster, node), port=reported.key.port),
    )


def _stop_evidence(node: Node, key: Key) -> Iterator[Evidence]:
    yield from report_evidence(node, key.port)
    instance = {"instance_id": key.instance_id}
    yield from metric_evidence(node, node.page.true("opengauss_stop_origin", **instance))
    yield from metric_evidence(node, node.page.all("opengauss_marker_mtime_seconds", **instance))
