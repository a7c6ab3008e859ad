"""Ports that are taken now: the alerts of ``alerts/ports.rules.yml``."""

from __future__ import annotations

from collections.abc import Iterator

from exporter.diagnosis import evidence, port_text
from exporter.diagnosis.cluster import CM_PORTS, DB_PORTS, Cluster
from exporter.diagnosis.facts import Certainty, Evidence, Finding, Severity
from exporter.diagnosis.node import Blocked, Key, Node
from exporter.diagnosis.port_text import Taken
from exporter.diagnosis.words import in_both, phrase

_CONFLICTS = {
    **dict.fromkeys(CM_PORTS, ("OpenGaussCMPortConflict", Severity.CRITICAL)),
    **dict.fromkeys(DB_PORTS, ("OpenGaussDBPortConflict", Severity.CRITICAL)),
    "cm_agent": ("OpenGaussCMAgentPortConflict", Severity.CRITICAL),
    "dss": ("OpenGaussDSSPortConflict", Severity.CRITICAL),
    "dms": ("OpenGaussDMSPortConflict", Severity.CRITICAL),
    "datanode_heartbeat": ("OpenGaussHeartbeatPortConflict", Severity.WARNING),
}
_CUSTOM = ("OpenGaussPortConflict", Severity.WARNING)
_UNIDENTIFIED = "unidentified"


def findings(cluster: Cluster) -> Iterator[Finding]:
    """Find what is in conflict on each node, on all nodes, and what waits for a next start."""
    yield from _on_all_nodes(cluster, "OpenGaussCMPortConflictAllNodes", "cm_server", CM_PORTS)
    yield from _on_all_nodes(cluster, "OpenGaussDBPortConflictAllNodes", "datanode", DB_PORTS)
    for node in cluster.nodes:
        for blocked in node.unwanted:
            yield _conflict(cluster, node, blocked)
        for blocked in node.blocked:
            yield _latent(cluster, node, blocked)


def _conflict(cluster: Cluster, node: Node, blocked: Blocked) -> Finding:
    alert, severity = _CONFLICTS.get(blocked.key.endpoint, _CUSTOM)
    taken = _taken(cluster, node, blocked, conflict=True)
    return _finding(alert, severity, _certainty(taken), taken, "opengauss_port_conflict")


def _certainty(taken: Taken) -> Certainty:
    """Tell whether a socket is seen; else all rests on a record of a bind that failed."""
    seen = any(reason != _UNIDENTIFIED for reason in taken.reasons)
    return Certainty.SEEN if seen else Certainty.RECORDED


def _latent(cluster: Cluster, node: Node, blocked: Blocked) -> Finding:
    conflicting = {each.key for each in node.conflicts}
    on_purpose = blocked.key in conflicting
    taken = _taken(cluster, node, blocked, conflict=False, on_purpose=on_purpose)
    name = "opengauss_port_conflict" if on_purpose else "opengauss_port_next_start_blocked"
    alert = "OpenGaussPortConflictLatent"
    return _finding(alert, Severity.WARNING, Certainty.NEXT_START, taken, name)


def _taken(
    cluster: Cluster, node: Node, blocked: Blocked, *, conflict: bool, on_purpose: bool = False
) -> Taken:
    holders = tuple(
        pair
        for pair in cluster.holders(node, (blocked.key.endpoint,))
        if pair[1].key == blocked.key
    )
    return Taken(cluster, node, blocked.key, ((node, blocked),), holders, conflict, on_purpose)


def _on_all_nodes(
    cluster: Cluster, alert: str, component: str, endpoints: frozenset[str]
) -> Iterator[Finding]:
    """Find that every member says the same; a cluster of one member has its node's finding."""
    count = cluster.in_conflict(component, endpoints)
    if count <= 1 or count != cluster.count(component):
        return
    ports = tuple(
        (node, each)
        for node in cluster.nodes
        for each in node.unwanted
        if each.key.endpoint in endpoints
    )
    key = Key(component, "", "")
    holders = tuple(cluster.holders(None, endpoints))
    taken = Taken(cluster, None, key, ports, holders, count=count)
    yield _finding(alert, Severity.CRITICAL, _certainty(taken), taken, "opengauss_port_conflict")


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
        yield from evidence.of_key(node, metric, blocked.key)
        yield from evidence.running(node, blocked.key)
    yield from evidence.sockets(taken.holders)
    for node, blocked in taken.ports:
        yield from evidence.port_reports(node, blocked.key.port)
