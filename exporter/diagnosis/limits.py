"""What a diagnosis leaves open: nodes nobody looked at, facts nobody could see, and the moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from exporter.diagnosis.cluster import Cluster
from exporter.diagnosis.facts import Certainty, Finding, Silent, Text
from exporter.diagnosis.node import Node
from exporter.diagnosis.words import phrase

STALE_SECONDS = 60.0
"""How old facts may be to say that there is no conflict: four scrapes at the usual interval."""

_OF_A_MOMENT = frozenset({Certainty.SEEN, Certainty.RECORDED})


def is_stale(node: Node, now: float) -> bool:
    """Tell whether the node's facts say nothing of ``now``, in seconds since the epoch."""
    return now - node.page.taken_at > STALE_SECONDS


def open_questions(
    clusters: Sequence[Cluster],
    silent: Sequence[Silent],
    now: float,
) -> Iterator[Text]:
    """List what cannot be told from these pages, each with how to go on."""
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
