"""Risks of the configuration, before anything is down: ``alerts/risks.rules.yml``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from exporter.diagnosis import evidence
from exporter.diagnosis.cluster import Cluster
from exporter.diagnosis.facts import Certainty, Finding, Severity, Text
from exporter.diagnosis.node import OF_THE_DATABASE, WHOLE_NODE, Key, Node, key_of
from exporter.diagnosis.words import Say, in_both, phrase, place


class _Risk(NamedTuple):
    """An alert, and the metric of which one sample that is 1 raises it."""

    alert: str
    metric: str
    severity: Severity
    certainty: Certainty = Certainty.NEXT_START


_EPHEMERAL = _Risk("OpenGaussPortEphemeralRisk", "opengauss_port_ephemeral_risk", Severity.INFO)
_DUPLICATE = _Risk("OpenGaussPortDuplicate", "opengauss_port_duplicate", Severity.WARNING)
_ADDRESS_MISSING = _Risk(
    "OpenGaussAddressMissing", "opengauss_port_address_missing", Severity.WARNING, Certainty.SEEN
)


def findings(cluster: Cluster) -> Iterator[Finding]:
    """Find ports that may be taken one day, and addresses that are missing."""
    for node in cluster.nodes:
        for key in _keys(node, _EPHEMERAL):
            description = _described("ephemeral", cluster, node, key)
            action = phrase("do_ephemeral", port=key.port)
            yield _finding(_EPHEMERAL, cluster, node, key, (description, action))
        twice = tuple(_keys(node, _DUPLICATE))
        for key in twice:
            description = _shared(cluster, node, key, twice)
            action = phrase("do_duplicate", node=node.node_name)
            yield _finding(_DUPLICATE, cluster, node, key, (description, action))
        for key in _keys(node, _ADDRESS_MISSING):
            if _is_wanted(node, key):
                description = _described("address", cluster, node, key)
                action = phrase("do_address", node=node.node_name)
                yield _finding(_ADDRESS_MISSING, cluster, node, key, (description, action))


def _keys(node: Node, risk: _Risk) -> Iterator[Key]:
    return (key_of(sample.labels) for sample in node.page.true(risk.metric))


def _is_wanted(node: Node, key: Key) -> bool:
    """Tell whether the endpoint should be up: nobody stopped it, no pause concerns it."""
    stopped = WHOLE_NODE in node.stopped or key.instance_id in node.stopped
    return not stopped and not (node.paused and key.endpoint in OF_THE_DATABASE)


def _finding(
    risk: _Risk, cluster: Cluster, node: Node, key: Key, texts: tuple[Text, Text]
) -> Finding:
    description, action = texts
    return Finding(
        risk.alert,
        risk.severity,
        risk.certainty,
        phrase(f"summary {risk.alert}"),
        description,
        action,
        cluster.name,
        node.node_name,
        *key,
        evidence=tuple(evidence.of_key(node, risk.metric, key)),
    )


def _described(phrase_key: str, cluster: Cluster, node: Node, key: Key) -> Text:
    values = key._asdict()
    return in_both(
        lambda say: say(phrase_key, place=place(say, cluster.name, node.node_name), **values)
    )


def _shared(cluster: Cluster, node: Node, key: Key, twice: Iterable[Key]) -> Text:
    """Describe a port by all the endpoints of the node that have it."""
    owners = sorted(each for each in twice if each.port == key.port)

    def described(say: Say) -> str:
        named = (say("duplicate_owner", **each._asdict()) for each in owners)
        return say(
            "duplicate",
            place=place(say, cluster.name, node.node_name),
            port=key.port,
            owners=say("duplicate_comma").join(named),
        )

    return in_both(described)
