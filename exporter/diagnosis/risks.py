"""Risks of the configuration, before anything is down: ``alerts/risks.rules.yml``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from exporter.diagnosis.cluster import Cluster, Key, Node, key_of
from exporter.diagnosis.findings import Certainty, Finding, Severity, Text
from exporter.diagnosis.words import Say, endpoint_evidence, in_both, phrase, phrase_at, place

_EPHEMERAL = "opengauss_port_ephemeral_risk"
_DUPLICATE = "opengauss_port_duplicate"
_ADDRESS_MISSING = "opengauss_port_address_missing"
_RISKS = {
    _EPHEMERAL: ("OpenGaussPortEphemeralRisk", Severity.INFO, Certainty.NEXT_START),
    _DUPLICATE: ("OpenGaussPortDuplicate", Severity.WARNING, Certainty.NEXT_START),
    _ADDRESS_MISSING: ("OpenGaussAddressMissing", Severity.WARNING, Certainty.SEEN),
}
"""What a sample that is 1 of each metric raises."""


def findings(cluster: Cluster) -> Iterator[Finding]:
    """Find ports that may be taken one day, and addresses that are missing."""
    for node in cluster.nodes:
        name = node.node_name
        for key in _keys(node, _EPHEMERAL):
            description = phrase_at(cluster, name, "ephemeral", **key._asdict())
            action = phrase("do_ephemeral", port=key.port)
            yield _finding(_EPHEMERAL, cluster, node, key, (description, action))
        duplicates = _keys(node, _DUPLICATE)
        for key in duplicates:
            description = _shared(cluster, node, key, duplicates)
            action = phrase("do_duplicate", node=name)
            yield _finding(_DUPLICATE, cluster, node, key, (description, action))
        for key in filter(node.wants, _keys(node, _ADDRESS_MISSING)):
            description = phrase_at(cluster, name, "address", **key._asdict())
            action = phrase("do_address", node=name)
            yield _finding(_ADDRESS_MISSING, cluster, node, key, (description, action))


def _keys(node: Node, metric: str) -> list[Key]:
    return [key_of(sample.labels) for sample in node.page.true(metric)]


def _finding(
    metric: str, cluster: Cluster, node: Node, key: Key, texts: tuple[Text, Text]
) -> Finding:
    alert, severity, certainty = _RISKS[metric]
    return Finding(
        alert,
        severity,
        certainty,
        phrase(f"summary {alert}"),
        *texts,
        cluster.name,
        node.node_name,
        *key,
        evidence=tuple(endpoint_evidence(node, metric, key)),
    )


def _shared(cluster: Cluster, node: Node, key: Key, duplicates: Iterable[Key]) -> Text:
    """Describe a port by all the endpoints of the node that have it."""
    owners = sorted(owner for owner in duplicates if owner.port == key.port)

    def describe(say: Say) -> str:
        return say(
            "duplicate",
            place=place(say, cluster.name, node.node_name),
            port=key.port,
            owners=say("duplicate_comma").join(
                say("duplicate_owner", **owner._asdict()) for owner in owners
            ),
        )

    return in_both(describe)
