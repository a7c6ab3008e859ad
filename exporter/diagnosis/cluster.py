"""The nodes of a cluster as the rules see them: what is in conflict, stopped, and in the way.

Each field of a node is what the recording rule of the same subject in ``alerts/ports.rules.yml``
gives for it. A test compares the findings with what Prometheus makes of the same pages.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Optional

from exporter.config.words import ENDPOINT_WORDS
from exporter.diagnosis.page import Page

_OF_THE_DATABASE = frozenset(
    word for word, facts in ENDPOINT_WORDS.items() if facts.component == "datanode"
)
"""What a pause concerns: cm_agent goes on starting cm_server, and checking its ports."""
WHOLE_NODE = ""
CM_PORTS = frozenset({"cm_server", "cm_server_ha"})
CHECKED_DB_PORTS = frozenset(
    {"datanode", "datanode_ha", "datanode_installed", "datanode_ha_installed"}
)
DB_PORTS = CHECKED_DB_PORTS | {"datanode_replication", "datanode_dolphin"}
"""Without one of them gaussdb does not start."""
_PARTS_OF_CM = frozenset({"cm_agent", "cm_server"})
_UNBOUND_WHERE_MOVED = {"datanode": "datanode_ha_installed", "datanode_ha": "datanode_installed"}


class Key(NamedTuple):
    """One endpoint of a node."""

    endpoint: str
    instance_id: str
    port: str


class Blocked(NamedTuple):
    """An endpoint whose port is in the way of a start, and why."""

    key: Key
    reason: str


class Who(NamedTuple):
    """A holder by name; the fields are labels."""

    relation: str
    process: str
    user: str
    exe: str
    unit: str
    container: str
    address: str


class Holder(NamedTuple):
    """A process that is in the way.

    ``pid`` is 0 where it is unknown, ``started`` is in whole seconds since the epoch.
    """

    key: Key
    who: Who
    pid: int
    started: Optional[int]
    stoppable: bool


@dataclass(frozen=True)
class Node:
    """A node that was looked at.

    ``stopped`` has the instances that an operator stopped, ``WHOLE_NODE`` for all of them.
    ``conflicts`` are the ports that are in the way now, ``at_next_start`` those that would be.
    """

    page: Page
    node_id: str
    node_name: str
    cluster_name: str
    cluster_id: str
    stopped: frozenset[str]
    paused: bool
    conflicts: tuple[Blocked, ...]
    at_next_start: tuple[Blocked, ...]
    holders: tuple[Holder, ...]

    @property
    def is_watched(self) -> bool:
        """Whether its exporter knows of a port to look at, and could look."""
        return any(self.page.all("opengauss_port_listening"))

    @property
    def cluster_key(self) -> str:
        """What tells its cluster from others; names are often given twice."""
        return self.cluster_id or self.cluster_name

    @property
    def unwanted(self) -> tuple[Blocked, ...]:
        """The conflicts of what nobody has stopped or paused on purpose."""
        return tuple(blocked for blocked in self.conflicts if self.wants(blocked.key))

    @property
    def latent(self) -> tuple[Blocked, ...]:
        """What would stop a next start only."""
        stopped = tuple(blocked for blocked in self.conflicts if not self.wants(blocked.key))
        return self.at_next_start + stopped

    def wants(self, key: Key) -> bool:
        """Tell whether the endpoint should be up: nobody stopped it, and no pause concerns it."""
        stopped = WHOLE_NODE in self.stopped or key.instance_id in self.stopped
        return not stopped and not self.is_paused(key)

    def is_paused(self, key: Key) -> bool:
        """Tell whether the cluster is paused and the pause concerns the endpoint."""
        return self.paused and key.endpoint in _OF_THE_DATABASE

    def has_moved(self, key: Key) -> bool:
        """Tell whether it is a database's port at which cm_agent does not look.

        cm_agent looks at P and P+1 of the static config, whatever P postgresql.conf has. Where
        nobody binds the installed P+1, the new P is neither of them; where nobody binds the
        installed P, the new P+1.
        """
        unbound = _UNBOUND_WHERE_MOVED.get(key.endpoint)
        return any(
            sample.labels["endpoint"] == unbound and sample.labels["instance_id"] == key.instance_id
            for sample in self.page.all("opengauss_port_listening")
        )


def key_of(labels: Mapping[str, str]) -> Key:
    """Return the endpoint that a sample is about."""
    return Key(labels["endpoint"], labels["instance_id"], labels["port"])


def node_of(page: Page) -> Optional[Node]:
    """Read a page; None where it does not say which node it is of."""
    info = next(page.all("opengauss_node_info"), None)
    if info is None:
        return None
    conflicts = _blocked(page, "opengauss_port_conflict")
    at_next_start = _blocked(page, "opengauss_port_next_start_blocked")
    return Node(
        page,
        info.labels["node_id"],
        info.labels["node_name"],
        info.labels["cluster_name"],
        info.labels["cluster_id"],
        frozenset(_stopped(page)),
        any(page.true("opengauss_marker_present", marker="cluster_manual_pause")),
        conflicts,
        at_next_start,
        tuple(_holders(page, {blocked.key for blocked in conflicts + at_next_start})),
    )


def _stopped(page: Page) -> Iterator[str]:
    """List what an operator stopped; CM itself never makes the marker of a whole node."""
    for sample in page.true("opengauss_stop_origin", origin="operator"):
        yield sample.labels["instance_id"]
    for sample in page.true("opengauss_marker_present", marker="cluster_manual_start"):
        yield sample.labels["instance_id"]


def _blocked(page: Page, name: str) -> tuple[Blocked, ...]:
    return tuple(Blocked(key_of(s.labels), s.labels["reason"]) for s in page.true(name))


def _holders(page: Page, keys: set[Key]) -> Iterator[Holder]:
    """List who is in the way on these endpoints, the cluster's own processes left out."""
    starts = _by_labels(page, "opengauss_port_holder_start_time_seconds")
    stoppable = _by_labels(page, "opengauss_port_holder_unit_stoppable")
    for sample in page.all("opengauss_port_holder_pid"):
        key, who = key_of(sample.labels), _who(sample.labels)
        if key in keys and who.relation != "own":
            start = starts.get((key, who))
            started = None if start is None else math.floor(start)
            yield Holder(key, who, int(sample.value), started, stoppable.get((key, who)) == 1)


def _who(labels: Mapping[str, str]) -> Who:
    return Who(*(labels[name] for name in Who._fields))


def _by_labels(page: Page, name: str) -> dict[tuple[Key, Who], float]:
    return {(key_of(s.labels), _who(s.labels)): s.value for s in page.all(name)}


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
        return len(self.ids(component))

    def in_conflict(self, component: str, endpoints: frozenset[str]) -> int:
        """Count the component's members that have one of these endpoints in unwanted conflict."""
        ids = {
            (node.node_id, blocked.key.instance_id)
            for node in self.nodes
            for blocked in node.unwanted
            if blocked.key.endpoint in endpoints
        }
        return len(ids & self.ids(component))

    @property
    def not_looked_at(self) -> tuple[str, ...]:
        """The names of the members that none of the pages is of."""
        seen = {node.node_id for node in self.nodes}
        missing = {m.node_id: m.node_name for m in self.members if m.node_id not in seen}
        return tuple(name for _, name in sorted(missing.items(), key=lambda item: _number(item[0])))

    @property
    def without_cm(self) -> bool:
        """Whether it certainly has no CM: its members are listed, and none is a part of CM."""
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

    def ids(self, component: str) -> set[tuple[str, str]]:
        """Return the node and instance ids of a component's members."""
        return {(m.node_id, m.instance_id) for m in self.members if m.component == component}

    @property
    def cm_port_majority(self) -> int:
        """How many cm_servers' ports are taken where that is a majority of them, else 0."""
        taken = self.in_conflict("cm_server", CM_PORTS)
        return taken if taken > self.count("cm_server") / 2 and self.count("cm_server") else 0


def holders_of(nodes: Iterable[Node]) -> list[tuple[Node, Holder]]:
    """List the holders on these nodes by node, relation and pid."""
    holders = [(node, holder) for node in nodes for holder in node.holders]
    return sorted(holders, key=lambda pair: (pair[0].node_name, pair[1].who.relation, pair[1].pid))


def _number(text: str) -> tuple[int, str]:
    return (int(text) if text.isascii() and text.isdigit() else 0, text)


def clusters_of(nodes: Sequence[Node]) -> tuple[Cluster, ...]:
    """Group the nodes by cluster, in the order in which the clusters first appear."""
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
