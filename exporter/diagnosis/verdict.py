"""What a diagnosis comes to, and the one line that says so. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Optional

from exporter.diagnosis.cluster import Cluster
from exporter.diagnosis.facts import Certainty, Finding, Silent, Text, Verdict
from exporter.diagnosis.limits import is_stale
from exporter.diagnosis.words import Say, in_both

_NO_CONFLICT = frozenset(
    {"OpenGaussPortEphemeralRisk", "OpenGaussPortDuplicate", "OpenGaussAddressMissing"}
)
"""Causes that are no port conflict: nobody holds a port."""


def is_conflict(finding: Finding) -> bool:
    """Tell whether a finding says that a port is, was, or will be in the way of a start."""
    return not _is_reported(finding) and finding.alert not in _NO_CONFLICT


def verdict(
    findings: Sequence[Finding], clusters: Sequence[Cluster], silent: Sequence[Silent], now: float
) -> Verdict:
    """Judge the whole at ``now``, in seconds since the epoch.

    Where CM reports trouble and a node was not looked at, its cause may be there.
    """
    if any(is_conflict(finding) for finding in findings):
        return Verdict.CONFLICT
    nodes = [node for cluster in clusters for node in cluster.nodes]
    tell = [node.is_watched and not is_stale(node, now) for node in nodes]
    trouble = any(_is_reported(finding) for finding in findings)
    if not all(tell) or not tell or silent or (trouble and _not_looked_at(clusters)):
        return Verdict.CANNOT_TELL
    return Verdict.NONE


def headline(judged: Verdict, findings: Iterable[Finding], clusters: Sequence[Cluster]) -> Text:
    """Say the verdict in a line: where the surest conflict is, or which nodes have none."""
    conflict = next(filter(is_conflict, findings), None)
    return in_both(lambda say: _headline(say, judged, conflict, clusters))


def _headline(
    say: Say, judged: Verdict, conflict: Optional[Finding], clusters: Sequence[Cluster]
) -> str:
    if conflict:
        return say(f"conflict {conflict.certainty.value}", where=_where(say, conflict))
    missing = ", ".join(_not_looked_at(clusters))
    nodes = ", ".join(node.node_name for cluster in clusters for node in cluster.nodes)
    line = say("cannot_tell") if judged is Verdict.CANNOT_TELL else say("no_conflict", nodes=nodes)
    return line + say("not_looked_at", nodes=missing) if missing else line


def _where(say: Say, finding: Finding) -> str:
    if not finding.node_name:
        return say("where_all_nodes", endpoint=finding.endpoint)
    return say("where", node=finding.node_name, port=finding.port, endpoint=finding.endpoint)


def _is_reported(finding: Finding) -> bool:
    return finding.certainty is Certainty.REPORTED


def _not_looked_at(clusters: Iterable[Cluster]) -> list[str]:
    return [name for cluster in clusters for name in cluster.not_looked_at]
