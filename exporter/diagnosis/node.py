"""One node's page as the rules see it: what is in conflict, what is stopped, who is in the way.

Each field is what the recording rule of the same subject in ``alerts/ports.rules.yml`` gives for
the node; a test compares the findings with what Prometheus makes of the same pages.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Optional

from exporter.config.words import ENDPOINT_WORDS
from exporter.diagnosis.facts import Page

OF_THE_DATABASE = frozenset(
    word for word, facts in ENDPOINT_WORDS.items() if facts.component == "datanode"
)
"""What a pause concerns: cm_agent goes on starting cm_server, and checking its ports."""
WHOLE_NODE = ""
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
    """What is known of a holder by name; the fields are labels."""

    relation: str
    process: str
    user: str
    exe: str
    unit: str
    container: str
    address: str


class Holder(NamedTuple):
    """Who is in the way; ``started`` is in whole seconds since the epoch, ``pid`` 0 not known."""

    key: Key
    who: Who
    pid: int
    started: Optional[int]
    stoppable: bool


@dataclass(frozen=True)
class Node:
    """A node that was looked at.

    ``stopped`` has the instances that an operator stopped, ``WHOLE_NODE`` for all of them.
    ``conflicts`` has all, ``unwanted`` those that nobody stopped or paused on purpose; ``blocked``
    has what would stop a next start only.
    """

    page: Page
    node_id: str
    node_name: str
    cluster_name: str
    cluster_id: str
    stopped: frozenset[str]
    paused: bool
    conflicts: tuple[Blocked, ...]
    unwanted: tuple[Blocked, ...]
    blocked: tuple[Blocked, ...]
    holders: tuple[Holder, ...]

    @property
    def is_watched(self) -> bool:
        """Whether its exporter knows of a port to look at, and could look."""
        return any(self.page.all("opengauss_port_listening"))

    @property
    def cluster_key(self) -> str:
        """What tells its cluster from others; names are often given twice."""
        return self.cluster_id or self.cluster_name

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
    stopped = frozenset(_stopped(page))
    paused = any(page.true("opengauss_marker_present", marker="cluster_manual_pause"))
    conflicts = _blocked(page, "opengauss_port_conflict")
    unwanted = tuple(each for each in conflicts if _is_unwanted(each.key, stopped, paused=paused))
    wanted = tuple(each for each in conflicts if each not in unwanted)
    blocked = _blocked(page, "opengauss_port_next_start_blocked") + wanted
    return Node(
        page,
        info.labels["node_id"],
        info.labels["node_name"],
        info.labels["cluster_name"],
        info.labels["cluster_id"],
        stopped,
        paused,
        conflicts,
        unwanted,
        blocked,
        tuple(_holders(page, {each.key for each in conflicts + blocked})),
    )


def _stopped(page: Page) -> Iterator[str]:
    """List what an operator stopped; CM itself never makes the marker of a whole node."""
    for sample in page.true("opengauss_stop_origin", origin="operator"):
        yield sample.labels["instance_id"]
    for sample in page.true("opengauss_marker_present", marker="cluster_manual_start"):
        yield sample.labels["instance_id"]


def _blocked(page: Page, name: str) -> tuple[Blocked, ...]:
    return tuple(Blocked(key_of(s.labels), s.labels["reason"]) for s in page.true(name))


def _is_unwanted(key: Key, stopped: frozenset[str], *, paused: bool) -> bool:
    if WHOLE_NODE in stopped or key.instance_id in stopped:
        return False
    return not (paused and key.endpoint in OF_THE_DATABASE)


def _holders(page: Page, keys: Iterable[Key]) -> Iterator[Holder]:
    """List who is in the way on these endpoints, the cluster's own processes left out."""
    wanted = frozenset(keys)
    starts = _by_labels(page, "opengauss_port_holder_start_time_seconds")
    stoppable = _by_labels(page, "opengauss_port_holder_unit_stoppable")
    for sample in page.all("opengauss_port_holder_pid"):
        key, who = key_of(sample.labels), _who(sample.labels)
        if key in wanted and who.relation != "own":
            start = starts.get((key, who))
            started = None if start is None else math.floor(start)
            yield Holder(key, who, int(sample.value), started, stoppable.get((key, who)) == 1)


def _who(labels: Mapping[str, str]) -> Who:
    return Who(*(labels[name] for name in Who._fields))


def _by_labels(page: Page, name: str) -> dict[tuple[Key, Who], float]:
    return {(key_of(s.labels), _who(s.labels)): s.value for s in page.all(name)}
