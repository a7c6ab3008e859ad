"""The members of the cluster: every instance that the static config lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Optional

from exporter.model.static_config import StaticConfig, StaticNode


class Member(NamedTuple):
    """One instance of the cluster; the ids as text, as labels and cm_ctl show them."""

    node_id: str
    node_name: str
    component: str
    instance_id: str


def members(static: Optional[StaticConfig]) -> tuple[Member, ...]:
    """List the instances in the file's order; none without a file."""
    nodes = static.nodes if static else ()
    return tuple(
        Member(str(node.node_id), node.name, component, str(instance_id))
        for node in nodes
        for component, instance_id in _instances(node)
    )


def _instances(node: StaticNode) -> Iterator[tuple[str, int]]:
    if node.cm_server:
        yield "cm_server", node.cm_server.instance_id
    if node.has_cm:
        yield "cm_agent", node.cm_agent.instance_id
    for datanode in node.datanodes:
        yield "datanode", datanode.instance_id
    if node.etcd:
        yield "etcd", node.etcd.instance_id
