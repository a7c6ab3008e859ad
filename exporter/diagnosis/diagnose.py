"""From the pages of one or many nodes to named findings, evidence and the next command. Pure.

The findings are the alerts of the shipped rules, in the same words, judged from one moment: the
rules wait (``for``) before they fire, a diagnosis cannot. A test holds both together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Optional

from exporter.diagnosis import history, ports, risks, symptoms
from exporter.diagnosis.cluster import Cluster, Node, clusters_of, node_of
from exporter.diagnosis.findings import (
    Certainty,
    Diagnosis,
    Finding,
    Looked,
    Severity,
    Text,
    Verdict,
    explained_by,
)
from exporter.diagnosis.page import Page, Silent
from exporter.diagnosis.words import Say, in_both, phrase

STALE_SECONDS = 60.0
"""How old facts may be to say that there is no conflict: four scrapes at the usual interval."""
_OF_A_MOMENT = frozenset({Certainty.SEEN, Certainty.RECORDED})
_NO_CONFLICT = frozenset(
    {"OpenGaussPortEphemeralRisk", "OpenGaussPortDuplicate", "OpenGaussAddressMissing"}
)
"""Causes that are no port conflict: nobody holds a port."""
_RANKS = {word: rank for words in (Certainty, Severity) for rank, word in enumerate(words)}


def diagnose(pages: Sequence[Page], silent: Sequence[Silent], now: float) -> Diagnosis:
    """Judge what the pages say at ``now``, in seconds since the epoch.

    ``silent`` are the nodes that were asked and gave no page. Of two pages of one node the first
    counts.
    """
    nodes = _once(node for node in map(node_of, pages) if node)
    silent = (*silent, *(Silent(page.origin, "") for page in pages if not node_of(page)))
    clusters = clusters_of(nodes)
    findings = [finding for cluster in clusters for finding in _findings(cluster, now)]
    findings.sort(key=_order)
    judged = verdict(findings, clusters, silent, now)
    return Diagnosis(
        now,
        judged,
        headline(judged, findings, clusters),
        tuple(_looked(node, now) for node in nodes),
        tuple(first_steps(clusters, silent, findings)),
        tuple(replace(f, explained_by=explained_by(f, findings)) for f in findings),
        tuple(open_questions(clusters, silent, now)),
    )


def _findings(cluster: Cluster, now: float) -> Iterator[Finding]:
    yield from ports.findings(cluster)
    yield from history.findings(cluster, now)
    yield from risks.findings(cluster)
    yield from symptoms.findings(cluster, now)


def _once(nodes: Iterable[Node]) -> list[Node]:
    """Keep the first page of each node: the own node may be asked by its address as well."""
    seen: dict[tuple[str, str, str], Node] = {}
    for node in nodes:
        seen.setdefault((node.cluster_key, node.node_id, node.node_name), node)
    return list(seen.values())


def _order(finding: Finding) -> tuple[int, int, bool, str, str, str]:
    """Sort by certainty, then by severity; what all nodes say comes before what one says."""
    return (
        _RANKS[finding.certainty],
        _RANKS[finding.severity],
        bool(finding.node_name),
        finding.cluster,
        finding.node_name,
        finding.endpoint,
    )


def _looked(node: Node, now: float) -> Looked:
    age = max(0.0, now - node.page.taken_at)
    return Looked(node.node_name, node.node_id, node.cluster_name, node.page.origin, age)


def is_stale(node: Node, now: float) -> bool:
    """Tell whether the node's facts are too old at ``now``, in seconds since the epoch."""
    return now - node.page.taken_at > STALE_SECONDS


def open_questions(
    clusters: Sequence[Cluster],
    silent: Sequence[Silent],
    now: float,
) -> Iterator[Text]:
    """List what these pages do not answer, each with how to go on."""
    for cluster in clusters:
        for node in cluster.nodes:
            yield from _of_node(node)
            if is_stale(node, now):
                age = f"{now - node.page.taken_at:.0f}"
                yield phrase("open_stale", node=node.node_name, age=age)
    for origin, reason in silent:
        yield phrase("open_silent", origin=origin, reason=reason or "?")
    for cluster in clusters:
        if cluster.not_looked_at:
            yield phrase("open_members", nodes=", ".join(cluster.not_looked_at))


def first_steps(
    clusters: Sequence[Cluster], silent: Sequence[Silent], findings: Sequence[Finding]
) -> Iterator[Text]:
    """Say what to do before anything that a finding advises."""
    asked_nobody = not silent and all(len(cluster.nodes) == 1 for cluster in clusters)
    if asked_nobody and any(cluster.not_looked_at for cluster in clusters):
        yield phrase("first_all_nodes")
    if any(finding.certainty in _OF_A_MOMENT for finding in findings):
        yield phrase("first_again")


def _of_node(node: Node) -> Iterator[Text]:
    page, name = node.page, node.node_name
    failed = [
        sample.labels["collector"]
        for sample in page.all("opengauss_exporter_collector_success")
        if sample.value == 0
    ]
    for collector in failed:
        yield phrase("open_collector", node=name, collector=collector)
    if not (node.is_watched or failed):
        yield phrase("open_nothing_here", node=name)
    if _has_unseen_holder(node):
        yield phrase("open_attribution", node=name)
    if any(sample.value == 0 for sample in page.all("opengauss_port_sees_bound_sockets")):
        yield phrase("open_bound", node=name)


def _has_unseen_holder(node: Node) -> bool:
    limited = any(
        sample.labels["level"] != "full" for sample in node.page.true("opengauss_port_attribution")
    )
    return limited and any(not holder.pid for holder in node.holders)


def is_conflict(finding: Finding) -> bool:
    """Tell whether a finding says that a port is, was, or will be in the way of a start."""
    return not _is_reported(finding) and finding.alert not in _NO_CONFLICT


def verdict(
    findings: Sequence[Finding], clusters: Sequence[Cluster], silent: Sequence[Silent], now: float
) -> Verdict:
    """Judge all findings at ``now``, in seconds since the epoch.

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
