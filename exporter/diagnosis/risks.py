"""Risks of the configuration, before anything is down: ``alerts/risks.rules.yml``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from exporter.diagnosis import evidence
from exporter.diagnosis.cluster import Cluster
from exporter.diagnosis.node import OF_THE_DATABASE, WHOLE_NODE, Key, Node, key_of
from exporter.diagnosis.words import Say, in_both, phrase, place
from exporter.model.diagnosis import Certainty, Finding, Severity, Text


def findings(cluster: Cluster) -> Iterator[Finding]:
    """Find ports that may be taken one day, and addresses that are missing."""
    for node in cluster.nodes:
        for key in _keys(node, "opengauss_port_ephemeral_risk"):
            yield _ephemeral(cluster, node, key)
        twice = tuple(_keys(node, "opengauss_port_duplicate"))
        for key in twice:
            yield _duplicate(cluster, node, key, twice)
        for key in _keys(node, "opengauss_port_address_missing"):
            if _is_wanted(node, key):
                yield _address_missing(cluster, node, key)


def _keys(node: Node, name: str) -> Iterator[Key]:
    return (key_of(sample.labels) for sample in node.page.true(name))


def _is_wanted(node: Node, key: Key) -> bool:
    """Tell whether the endpoint should be up: nobody stopped it, no pause concerns it."""
    stopped = WHOLE_NODE in node.stopped or key.instance_id in node.stopped
    return not stopped and not (node.paused and key.endpoint in OF_THE_DATABASE)


def _ephemeral(cluster: Cluster, node: Node, key: Key) -> Finding:
    return Finding(
        "OpenGaussPortEphemeralRisk",
        Severity.INFO,
        Certainty.NEXT_START,
        phrase("summary OpenGaussPortEphemeralRisk"),
        _described("ephemeral", cluster, node, key),
        phrase("do_ephemeral", port=key.port),
        cluster.name,
        node.node_name,
        *key,
        evidence=tuple(evidence.of_key(node, "opengauss_port_ephemeral_risk", key)),
    )


def _duplicate(cluster: Cluster, node: Node, key: Key, twice: Iterable[Key]) -> Finding:
    owners = sorted(each for each in twice if each.port == key.port)

    def described(say: Say) -> str:
        named = (say("duplicate_owner", **each._asdict()) for each in owners)
        return say(
            "duplicate",
            place=place(say, cluster.name, node.node_name),
            port=key.port,
            owners=say("duplicate_comma").join(named),
        )

    return Finding(
        "OpenGaussPortDuplicate",
        Severity.WARNING,
        Certainty.NEXT_START,
        phrase("summary OpenGaussPortDuplicate"),
        in_both(described),
        phrase("do_duplicate", node=node.node_name),
        cluster.name,
        node.node_name,
        *key,
        evidence=tuple(evidence.of_key(node, "opengauss_port_duplicate", key)),
    )


def _address_missing(cluster: Cluster, node: Node, key: Key) -> Finding:
    return Finding(
        "OpenGaussAddressMissing",
        Severity.WARNING,
        Certainty.SEEN,
        phrase("summary OpenGaussAddressMissing"),
        _described("address", cluster, node, key),
        phrase("do_address", node=node.node_name),
        cluster.name,
        node.node_name,
        *key,
        evidence=tuple(evidence.of_key(node, "opengauss_port_address_missing", key)),
    )


def _described(phrase_key: str, cluster: Cluster, node: Node, key: Key) -> Text:
    values = key._asdict()
    return in_both(
        lambda say: say(phrase_key, place=place(say, cluster.name, node.node_name), **values)
    )
