"""The nodes of one cluster together: its members, and how many of them are in conflict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Optional

from exporter.diagnosis.node import Holder, Node

CM_PORTS = frozenset({"cm_server", "cm_server_ha"})
DB_PORTS = frozenset({"datanode", "datanode_ha", "datanode_installed", "datanode_ha_installed"})
_PARTS_OF_CM = frozenset({"cm_agent", "cm_server"})


class Member(NamedTuple):
    """One instance of the static config."""

    node_id: str
    node_name: str
    component: str
    instance_id: str


@dataclass(frozen=True)
class Cluster:
    """The nodes that were looked at, and what their static configs list."""

    name: str
    nodes: tuple[Node, ...]
    members: frozenset[Member]

    def count(self, component: str) -> int:
        """Count the instances of a component; two datanodes on a node are two."""
        return len(self._ids(component))

    def in_conflict(self, component: str, endpoints: frozenset[str]) -> int:
        """Count the component's members that have one of these endpoints in unwanted conflict."""
        ids = {
            (node.node_id, each.key.instance_id)
            for node in self.nodes
            for each in node.unwanted
            if each.key.endpoint in endpoints
        }
        return len(ids & self._ids(component))

    @property
    def not_looked_at(self) -> tuple[str, ...]:
        """The names of the members that none of the pages is of."""
        seen = {node.node_id for node in self.nodes}
        missing = {m.node_id: m.node_name for m in self.members if m.node_id not in seen}
        return tuple(name for _, name in sorted(missing.items(), key=lambda item: _number(item[0])))

    @property
    def without_cm(self) -> bool:
        """Whether it is known to have no CM: its members are known, and none is a part of CM."""
        return bool(self.members) and not any(m.component in _PARTS_OF_CM for m in self.members)

    @property
    def has_dms(self) -> bool:
        """Whether any node shows a port of DMS: with it, scripts of CM's start the database."""
        return any(
            sample.labels["endpoint"] == "dms"
            for node in self.nodes
            for sample in node.page.all("opengauss_port_listening")
        )

    def names_of(self, node: Node) -> tuple[str, ...]:
        """Return what the static configs call a node: one name, unless they differ."""
        return tuple(sorted({m.node_name for m in self.members if m.node_id == node.node_id}))

    def _ids(self, component: str) -> set[tuple[str, str]]:
        return {(m.node_id, m.instance_id) for m in self.members if m.component == component}

    @property
    def cm_port_majority(self) -> int:
        """How many cm_servers' ports are taken where that is a majority of them, else 0."""
        taken = self.in_conflict("cm_server", CM_PORTS)
        return taken if taken > self.count("cm_server") / 2 and self.count("cm_server") else 0

    def holders(self, node: Optional[Node], endpoints: Iterable[str]) -> list[tuple[Node, Holder]]:
        """List holders by node, relation and pid: those of one node, or of all with None."""
        wanted = frozenset(endpoints)
        found = [
            (each, holder)
            for each in ((node,) if node else self.nodes)
            for holder in each.holders
            if holder.key.endpoint in wanted
        ]
        return sorted(
            found, key=lambda pair: (pair[0].node_name, pair[1].who.relation, pair[1].pid)
        )


def _number(text: str) -> tuple[int, str]:
    return (int(text) if text.isascii() and text.isdigit() else 0, text)


def clusters_of(nodes: Sequence[Node]) -> tuple[Cluster, ...]:
    """Put the nodes of each cluster together, in the order in which the clusters come up."""
    by_key: dict[str, list[Node]] = {}
    for node in nodes:
        by_key.setdefault(node.cluster_key, []).append(node)
    return tuple(
        Cluster(some[0].cluster_name, tuple(some), frozenset(_members(some)))
        for some in by_key.values()
    )


def _members(nodes: Iterable[Node]) -> Iterable[Member]:
    for node in nodes:
        for sample in node.page.all("opengauss_cluster_member"):
            yield Member(*(sample.labels[field] for field in Member._fields))
