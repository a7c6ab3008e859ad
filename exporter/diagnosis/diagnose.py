"""From the pages of one or many nodes to named findings, evidence and the next command. Pure.

The findings are the alerts of the shipped rules, in the same words, judged from one moment: the
rules wait (``for``) before they fire, a diagnosis cannot. A test holds both together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from exporter.diagnosis import history, ports, risks, symptoms
from exporter.diagnosis.cluster import Cluster, clusters_of
from exporter.diagnosis.facts import Certainty, Diagnosis, Finding, Looked, Page, Severity, Silent
from exporter.diagnosis.inhibition import explained_by
from exporter.diagnosis.limits import first_steps, open_questions
from exporter.diagnosis.node import Node, node_of
from exporter.diagnosis.verdict import headline, verdict

_RANKS = {word: rank for words in (Certainty, Severity) for rank, word in enumerate(words)}


def diagnose(pages: Sequence[Page], silent: Sequence[Silent], now: float) -> Diagnosis:
    """Judge what the pages say at ``now``, in seconds since the epoch.

    ``silent`` are the nodes that were asked and gave no page. Of two pages of one node the first
    counts.
    """
    known = [(page, node_of(page)) for page in pages]
    strange = [Silent(page.origin, "") for page, node in known if node is None]
    nodes = _once([node for _, node in known if node is not None])
    clusters = clusters_of(nodes)
    found = [finding for cluster in clusters for finding in _findings(cluster, now)]
    findings = tuple(_explained(sorted(found, key=_order)))
    silent = (*silent, *strange)
    judged = verdict(findings, clusters, silent, now)
    return Diagnosis(
        now,
        judged,
        headline(judged, findings, clusters),
        tuple(_looked(node, now) for node in nodes),
        tuple(first_steps(clusters, silent, findings)),
        findings,
        tuple(open_questions(clusters, silent, now)),
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


def _looked(node: Node, now: float) -> Looked:
    page = node.page
    age = max(0.0, now - page.taken_at)
    return Looked(node.node_name, node.node_id, node.cluster_name, page.origin, age)
