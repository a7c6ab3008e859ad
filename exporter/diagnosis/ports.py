"""Ports that are taken now: the alerts of ``alerts/ports.rules.yml``."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.diagnosis import port_text
from exporter.diagnosis.cluster import CM_PORTS, DB_PORTS, Blocked, Cluster, Key, Node, holders_of
from exporter.diagnosis.findings import Certainty, Evidence, Finding, Severity
from exporter.diagnosis.port_text import Taken
from exporter.diagnosis.words import (
    endpoint_evidence,
    in_both,
    metric_evidence,
    phrase,
    report_evidence,
    socket_evidence,
)

_CONFLICTS = {
    **dict.fromkeys(CM_PORTS, ("OpenGaussCMPortConflict", Severity.CRITICAL)),
    **dict.fromkeys(DB_PORTS, ("OpenGaussDBPortConflict", Severity.CRITICAL)),
    "cm_agent": ("OpenGaussCMAgentPortConflict", Severity.CRITICAL),
    "dss": ("OpenGaussDSSPortConflict", Severity.CRITICAL),
    "dms": ("OpenGaussDMSPortConflict", Severity.CRITICAL),
    "datanode_heartbeat": ("OpenGaussHeartbeatPortConflict", Severity.WARNING),
}
_CUSTOM = ("OpenGaussPortConflict", Severity.WARNING)
_CONFLICT = "opengauss_port_conflict"


def findings(cluster: Cluster) -> Iterator[Finding]:
    """Find the conflicts of all nodes, those of each node, and what a next start would meet."""
    yield from _on_all_nodes(cluster, "OpenGaussCMPortConflictAllNodes", "cm_server", CM_PORTS)
    yield from _on_all_nodes(cluster, "OpenGaussDBPortConflictAllNodes", "datanode", DB_PORTS)
    for node in cluster.nodes:
        for blocked in node.unwanted:
            alert, severity = _CONFLICTS.get(blocked.key.endpoint, _CUSTOM)
            taken = _taken(cluster, node, blocked)
            yield _finding(alert, severity, _certainty(taken), taken, _CONFLICT)
        for blocked in node.latent:
            yield _latent(cluster, node, blocked)


def _certainty(taken: Taken) -> Certainty:
    """Tell whether a socket is seen; otherwise all rests on a record of a bind that failed."""
    return Certainty.RECORDED if taken.reasons == ("unidentified",) else Certainty.SEEN


def _latent(cluster: Cluster, node: Node, blocked: Blocked) -> Finding:
    on_purpose = any(blocked.key == conflict.key for conflict in node.conflicts)
    taken = _taken(cluster, node, blocked, conflict=False, on_purpose=on_purpose)
    metric = _CONFLICT if on_purpose else "opengauss_port_next_start_blocked"
    alert = "OpenGaussPortConflictLatent"
    return _finding(alert, Severity.WARNING, Certainty.NEXT_START, taken, metric)


def _taken(
    cluster: Cluster,
    node: Node,
    blocked: Blocked,
    *,
    conflict: bool = True,
    on_purpose: bool = False,
) -> Taken:
    holders = tuple(pair for pair in holders_of([node]) if pair[1].key == blocked.key)
    return Taken(cluster, node, blocked.key, ((node, blocked),), holders, conflict, on_purpose)


def _on_all_nodes(
    cluster: Cluster, alert: str, component: str, endpoints: frozenset[str]
) -> Iterator[Finding]:
    """Find that every member says the same; a cluster of one member has its node's finding."""
    count = cluster.in_conflict(component, endpoints)
    if count <= 1 or count != cluster.count(component):
        return
    ports = tuple(
        (node, blocked)
        for node in cluster.nodes
        for blocked in node.unwanted
        if blocked.key.endpoint in endpoints
    )
    holders = tuple(pair for pair in holders_of(cluster.nodes) if pair[1].key.endpoint in endpoints)
    taken = Taken(cluster, None, Key(component, "", ""), ports, holders, count=count)
    yield _finding(alert, Severity.CRITICAL, _certainty(taken), taken, _CONFLICT)


def _finding(
    alert: str, severity: Severity, certainty: Certainty, taken: Taken, metric: str
) -> Finding:
    return Finding(
        alert,
        severity,
        certainty,
        phrase(f"summary {alert}"),
        in_both(lambda say: port_text.description(say, taken)),
        in_both(lambda say: port_text.action(say, taken)),
        taken.cluster.name,
        taken.node.node_name if taken.node else "",
        *taken.key,
        evidence=tuple(_evidence(taken, metric)),
    )


def _evidence(taken: Taken, metric: str) -> Iterator[Evidence]:
    """Show the verdict, whose sockets it rests on, and what the logs say of the port."""
    for node, blocked in taken.ports:
        yield from endpoint_evidence(node, metric, blocked.key)
        instance_id = blocked.key.instance_id
        if instance_id:
            running = node.page.all("opengauss_process_running", instance_id=instance_id)
            yield from metric_evidence(node, running)
    yield from socket_evidence(taken.holders)
    for node, blocked in taken.ports:
        yield from report_evidence(node, blocked.key.port)
