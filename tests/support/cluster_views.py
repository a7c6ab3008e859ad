"""What a query must say of a cluster: a topology, the columns asked for, and the states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from exporter.cluster.facts import (
    ClusterState,
    ClusterView,
    CmServer,
    CmServerState,
    Datanode,
    DatanodeRole,
    DatanodeState,
    Place,
    Problem,
    Resource,
    ResourceState,
    StaticRole,
)


@dataclass(frozen=True)
class Topology:
    """Nodes as (name, address), numbered from 1, each with a cm_server and a datanode."""

    nodes: tuple[tuple[str, str], ...]
    port: int
    static_roles: str
    cm_dir: str = "/opt/huawei/install/cm/cm_server"
    data_dir: str = "/opt/huawei/install/data/dn"
    az: str = "AZ1"


@dataclass(frozen=True)
class States:
    """What is to be said: cm_servers as words, datanodes as (role, state[, reason or percent])."""

    cluster: Optional[str] = None
    cms: str = ""
    dn: Sequence[tuple[str, ...]] = ()
    resources: Sequence[tuple[str, int, str]] = ()
    balanced: Optional[bool] = True
    paused: bool = False
    problem: Optional[Problem] = None


def expected(topology: Topology, columns: str, states: States) -> ClusterView:
    """Build the view; ``columns`` are the letters i p d z of the flags that were given."""
    said = states.cluster is not None
    return ClusterView(
        cluster_state=ClusterState(states.cluster) if said else None,
        redistributing=False if said else None,
        balanced=states.balanced if said else None,
        paused=states.paused if said else None,
        cm_servers=_cm_servers(topology, columns, states.cms.split()),
        datanodes=_datanodes(topology, columns, states.dn),
        resources=_resources(topology, columns, states.resources),
        problem=states.problem,
    )


def place(topology: Topology, columns: str, index: int) -> Place:
    """Say where the node is, as far as the columns tell."""
    name, ip = topology.nodes[index]
    return Place(
        str(index + 1), name, ip if "i" in columns else "", topology.az if "z" in columns else ""
    )


def _cm_servers(topology: Topology, columns: str, words: Sequence[str]) -> tuple[CmServer, ...]:
    directory = topology.cm_dir if "d" in columns else ""
    return tuple(
        CmServer(place(topology, columns, i), str(i + 1), CmServerState(word), directory)
        for i, word in enumerate(words)
    )


def _datanodes(
    topology: Topology, columns: str, rows: Sequence[tuple[str, ...]]
) -> tuple[Datanode, ...]:
    return tuple(_datanode(topology, columns, i, row) for i, row in enumerate(rows))


def _datanode(topology: Topology, columns: str, index: int, row: tuple[str, ...]) -> Datanode:
    role, state, *detail = row
    percent = detail[0][:-1] if detail and detail[0].endswith("%") else ""
    return Datanode(
        place(topology, columns, index),
        str(6001 + index),
        DatanodeRole(role),
        DatanodeState(state),
        StaticRole(topology.static_roles[index]) if "v" not in columns else None,
        topology.port if "p" in columns else None,
        topology.data_dir if "d" in columns else "",
        reason="".join(detail) if not percent else "",
        progress=int(percent) if percent else None,
    )


def _resources(
    topology: Topology, columns: str, rows: Sequence[tuple[str, int, str]]
) -> tuple[Resource, ...]:
    """Build the rows, each of (resource, instance id, state); the id's last digit is the node."""
    return tuple(
        Resource(
            place(topology, columns, instance % 10 - 1), name, str(instance), ResourceState(state)
        )
        for name, instance, state in rows
    )
