"""The cluster collector: the last snapshot of the cluster as families; it never asks itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import Callable, NamedTuple, Optional, TypeVar

from exporter.cluster import metrics as catalogue
from exporter.cluster.facts import (
    Answer,
    ClusterSnapshot,
    ClusterState,
    ClusterView,
    CmServer,
    CmServerState,
    Datanode,
    DatanodeRole,
    DatanodeState,
    Field,
    QueryOutcome,
    ResourceState,
)
from exporter.installation.facts import Member
from exporter.scrape.base import Family, FamilyCache, Sample

AnyRow = TypeVar("AnyRow", CmServer, Datanode)
Labels = TypeVar("Labels", bound=tuple[str, ...])


class _Instance(NamedTuple):
    """The labels of one instance."""

    node_id: str
    node_name: str
    instance_id: str


class ClusterCollector:
    """Shows the snapshot of the cluster; ``members`` lists the instances of the installation.

    A member without a row in the snapshot shows as Unknown: its series are there from the start.
    """

    name = "cluster"

    def __init__(
        self,
        snapshot: Callable[[], ClusterSnapshot],
        members: Callable[[], Sequence[Member]] = tuple,
    ) -> None:
        self._snapshot = snapshot
        self._members = members
        self._query = FamilyCache(_query_families)
        self._states = FamilyCache(_state_families)

    def collect(self) -> Iterable[Family]:
        """Build the families of the snapshot as it is now.

        The families of the states are built anew only when a state or a member is another one.
        """
        snapshot = self._snapshot()
        states = replace(snapshot, outcome=None, duration=0.0, finished_at=0.0, unknown_tokens=())
        return (*self._query(snapshot), *self._states(states, self._members()))


def _state_families(snapshot: ClusterSnapshot, members: Sequence[Member]) -> Iterator[Family]:
    """Turn a snapshot into families; a stale one keeps its rows, and every state is Unknown."""
    yield from _cluster_families(ClusterView() if snapshot.stale else snapshot.view)
    yield from _server_families(snapshot, members)
    yield from _datanode_families(snapshot, members)
    yield from _resource_families(snapshot)


def _query_families(snapshot: ClusterSnapshot) -> Iterator[Family]:
    counts = dict(snapshot.unknown_tokens)
    yield catalogue.QUERY_OUTCOME.family(_one_of(QueryOutcome, snapshot.outcome))
    yield catalogue.QUERY_SUCCESS.single(snapshot.outcome is QueryOutcome.OK)
    yield catalogue.QUERY_DURATION.single(snapshot.duration)
    yield catalogue.QUERY_TIMESTAMP.single(snapshot.finished_at)
    yield catalogue.UNKNOWN_TOKENS.family(((field.value,), counts.get(field, 0)) for field in Field)


def _cluster_families(view: ClusterView) -> Iterator[Family]:
    state = view.cluster_state or ClusterState.UNKNOWN
    yield catalogue.CLUSTER_STATE.family(_one_of(ClusterState, state))
    yield catalogue.CLUSTER_BALANCED.single(bool(view.balanced))
    yield catalogue.CLUSTER_REDISTRIBUTING.single(bool(view.redistributing))
    yield catalogue.CLUSTER_PAUSED.single(bool(view.paused))


def _server_families(snapshot: ClusterSnapshot, members: Sequence[Member]) -> Iterator[Family]:
    rows = _rows(snapshot.view.cm_servers, members, "cm_server")
    answers = {} if snapshot.stale else dict(snapshot.answers)
    states = {
        instance: CmServerState.UNKNOWN if snapshot.stale or not row else row.state
        for instance, row in rows.items()
    }
    yield catalogue.SERVER_STATE.family(_states(CmServerState, states))
    yield catalogue.SERVER_ANSWER.family(
        _states(Answer, {instance: answers.get(instance.node_id) for instance in rows})
    )


def _datanode_families(snapshot: ClusterSnapshot, members: Sequence[Member]) -> Iterator[Family]:
    rows = _rows(snapshot.view.datanodes, members, "datanode")
    fresh = {instance: None if snapshot.stale else row for instance, row in rows.items()}
    yield catalogue.DATANODE_INFO.family(
        ((*instance, *_installed(row)), 1) for instance, row in rows.items() if row
    )
    roles = {i: row.role if row else DatanodeRole.UNKNOWN for i, row in fresh.items()}
    yield catalogue.DATANODE_ROLE.family(_states(DatanodeRole, roles))
    states = {i: row.state if row else DatanodeState.UNKNOWN for i, row in fresh.items()}
    yield catalogue.DATANODE_STATE.family(_states(DatanodeState, states))


def _resource_families(snapshot: ClusterSnapshot) -> Iterator[Family]:
    states = {
        (row.place.node_id, row.place.node_name, row.resource, row.instance_id): (
            ResourceState.UNKNOWN if snapshot.stale else row.state
        )
        for row in snapshot.view.resources
    }
    yield catalogue.RESOURCE_STATE.family(_states(ResourceState, states))


def _installed(row: Datanode) -> tuple[str, str, str]:
    return (
        row.place.ip,
        str(row.port) if row.port else "",
        row.static_role.value if row.static_role else "",
    )


def _rows(
    rows: Sequence[AnyRow], members: Sequence[Member], component: str
) -> dict[_Instance, Optional[AnyRow]]:
    """Pair each instance, of the members first and then of all other rows, with its row.

    A row belongs to a member by node and instance id, whatever either calls the node.
    """
    by_key = {(row.place.node_id, row.instance_id): row for row in rows}
    paired: dict[_Instance, Optional[AnyRow]] = {}
    for member in members:
        if member.component == component:
            row = by_key.pop((member.node_id, member.instance_id), None)
            paired[_Instance(member.node_id, member.node_name, member.instance_id)] = row
    for row in by_key.values():
        paired[_Instance(row.place.node_id, row.place.node_name, row.instance_id)] = row
    return paired


def _states(words: type[Enum], states: Mapping[Labels, Optional[Enum]]) -> Iterator[Sample]:
    return (
        ((*labels, word.value), word is state) for labels, state in states.items() for word in words
    )


def _one_of(words: type[Enum], current: Optional[Enum]) -> Iterator[Sample]:
    return (((word.value,), word is current) for word in words)
