"""From the pages of one or many nodes to named findings, evidence and the next command. Pure.

The findings are the alerts of the shipped rules, in the same words, judged from one moment: the
rules wait (``for``) before they fire, a diagnosis cannot. A test holds both together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from exporter.diagnosis import history, ports, risks, symptoms
from exporter.diagnosis.cluster import Cluster, clusters_of
from exporter.diagnosis.inhibition import explained_by
from exporter.diagnosis.limits import is_stale, open_questions
from exporter.diagnosis.node import Node, node_of
from exporter.model.diagnosis import (
    Certainty,
    Diagnosis,
    Finding,
    Looked,
    Page,
    Severity,
    Silent,
    Verdict,
)

_RANKS = {word: rank for words in (Certainty, Severity) for rank, word in enumerate(words)}
_NO_CONFLICT = frozenset(
    {"OpenGaussPortEphemeralRisk", "OpenGaussPortDuplicate", "OpenGaussAddressMissing"}
)
"""Causes that are no port conflict: nobody holds a port."""


def diagnose(pages: Sequence[Page], silent: Sequence[Silent], now: float) -> Diagnosis:
    """Judge what the pages say at ``now``, in seconds since the epoch.

    ``silent`` are the nodes that were asked and gave no page. Of two pages of one node the first
    counts.
    """
    found = [(page, node_of(page)) for page in pages]
    strange = [Silent(page.origin, "") for page, node in found if node is None]
    nodes = _once([node for _, node in found if node is not None])
    clusters = clusters_of(nodes)
    findings = [finding for cluster in clusters for finding in _findings(cluster, now)]
    silent = (*silent, *strange)
    return Diagnosis(
        now,
        _verdict(findings, nodes, silent, now),
        tuple(_looked(node, now) for node in nodes),
        tuple(_explained(sorted(findings, key=_order))),
        tuple(open_questions(clusters, silent, findings, now)),
    )


def _findings(cluster: Cluster, now: float) -> Iterator[Finding]:
    yield from ports.findings(cluster)
    yield from history.findings(cluster, now)
    yield from risks.findings(cluster)
    yield from symptoms.findings(cluster, now)


def _explained(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Name in each finding the surest one from which it follows."""
    return (replace(each, explained_by=explained_by(each, findings)) for each in findings)


def _once(nodes: Iterable[Node]) -> list[Node]:
    """Leave out pages of a node that has one already, as the own node's asked by its address."""
    seen: dict[tuple[str, str, str], Node] = {}
    for node in nodes:
        seen.setdefault((node.cluster_key, node.node_id, node.node_name), node)
    return list(seen.values())


def _order(finding: Finding) -> tuple[int, int, bool, str, str, str]:
    """Put the surest first, of these the loudest; what all nodes say before what one says."""
    return (
        _RANKS[finding.certainty],
        _RANKS[finding.severity],
        bool(finding.node_name),
        finding.cluster,
        finding.node_name,
        finding.endpoint,
    )


def is_conflict(finding: Finding) -> bool:
    """Tell whether a finding says that a port is, was, or will be in the way of a start."""
    reported = finding.certainty is Certainty.REPORTED
    return not reported and finding.alert not in _NO_CONFLICT


def _verdict(
    findings: Iterable[Finding], nodes: Sequence[Node], silent: Sequence[Silent], now: float
) -> Verdict:
    if any(is_conflict(finding) for finding in findings):
        return Verdict.CONFLICT
    tell = [node.is_watched and not is_stale(node, now) for node in nodes]
    return Verdict.NONE if tell and all(tell) and not silent else Verdict.CANNOT_TELL


def _looked(node: Node, now: float) -> Looked:
    page = node.page
    age = max(0.0, now - page.taken_at)
    return Looked(node.node_name, node.node_id, node.cluster_name, page.origin, age)
