"""The nodes' views of their cluster together, as ``alerts/cluster.rules.yml`` records them.

A node's view counts only when a primary cm_server answered its last query, and it asks still.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from exporter.cluster.facts import CmServerState
from exporter.diagnosis.cluster import Cluster
from exporter.diagnosis.facts import Sample
from exporter.diagnosis.node import WHOLE_NODE, Node

NO_ANSWER = frozenset({"no_primary", "timeout"})
_ANSWERS = frozenset(state.value for state in CmServerState if state.is_answer)
_OUTCOME = "opengauss_cm_query_outcome"


class Instance(NamedTuple):
    """One instance, as CM names it."""

    node_id: str
    node_name: str
    instance_id: str

    @property
    def ids(self) -> tuple[str, str]:
        """What tells it from others whatever its node is called."""
        return (self.node_id, self.instance_id)


class Outcome(NamedTuple):
    """How a node's last query ended."""

    node: Node
    outcome: str


@dataclass(frozen=True)
class Views:
    """What CM says of one cluster.

    ``outcomes`` leaves out nodes that an operator stopped; ``states`` counts the views that show
    the cluster in a state; ``down`` and ``up`` are cm_servers without and with an answer in any
    view; ``roles_down`` are the datanodes that CM calls Down.
    """

    outcomes: tuple[Outcome, ...]
    counted: tuple[Node, ...]
    states: Counter[str]
    down: tuple[Instance, ...]
    up: frozenset[tuple[str, str]]
    roles_down: tuple[Instance, ...]
    stopped_nodes: frozenset[str]
    stopped_instances: frozenset[tuple[str, str]]

    @property
    def failing(self) -> tuple[Outcome, ...]:
        """The nodes that found no primary cm_server, or got no answer in time."""
        return tuple(each for each in self.outcomes if each.outcome in NO_ANSWER)

    @property
    def answered(self) -> bool:
        """Whether any node that should work got an answer."""
        return any(each.outcome == "ok" for each in self.outcomes)

    def is_stopped(self, instance: Instance) -> bool:
        """Tell whether an operator stopped the instance, or its node."""
        return instance.node_id in self.stopped_nodes or instance.ids in self.stopped_instances


def views_of(cluster: Cluster) -> Views:
    """Take the views out of the pages."""
    counted = tuple(node for node in cluster.nodes if _counts(node))
    servers = list(_seen(counted, "opengauss_cm_server_state", "state"))
    roles = _seen(counted, "opengauss_cm_datanode_role", "role")
    states = (s for n in counted for s in {*_values(n, "opengauss_cm_cluster_state", "state")})
    return Views(
        outcomes=tuple(_outcomes(cluster)),
        counted=counted,
        states=Counter(states),
        down=_instances(word for word in servers if word[1] == "Down"),
        up=frozenset(i.ids for i, state in servers if state in _ANSWERS),
        roles_down=_instances(word for word in roles if word[1] == "Down"),
        stopped_nodes=frozenset(n.node_id for n in cluster.nodes if WHOLE_NODE in n.stopped),
        stopped_instances=frozenset((n.node_id, i) for n in cluster.nodes for i in n.stopped),
    )


def _counts(node: Node) -> bool:
    """Tell whether the node asks still: a stopped one shows its last answer for ever."""
    stopped = any(node.page.true("opengauss_marker_present", marker="cluster_manual_start"))
    return not stopped and any(node.page.true(_OUTCOME, outcome="ok"))


def _outcomes(cluster: Cluster) -> Iterator[Outcome]:
    for node in cluster.nodes:
        if WHOLE_NODE not in node.stopped:
            yield from (Outcome(node, each) for each in _values(node, _OUTCOME, "outcome"))


def _values(node: Node, name: str, label: str) -> Iterator[str]:
    return (sample.labels[label] for sample in node.page.true(name))


def _seen(nodes: tuple[Node, ...], name: str, label: str) -> Iterator[tuple[Instance, str]]:
    for node in nodes:
        for sample in node.page.true(name):
            yield instance_of(sample), sample.labels[label]


def instance_of(sample: Sample) -> Instance:
    """Return the instance that a sample is about."""
    return Instance(*(sample.labels[name] for name in Instance._fields))


def _instances(seen: Iterator[tuple[Instance, str]]) -> tuple[Instance, ...]:
    """Name each instance once, in a fixed order."""
    return tuple(sorted({instance for instance, _ in seen}))
