"""Who belongs to the cluster, and what names it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Optional

from exporter.installation.facts import Installation, Member, NodeIdentity
from exporter.installation.static_config import StaticConfig, StaticNode

_ID_LENGTH = 12  # hexadecimal digits: two of a million clusters meet with a chance of 1 in 500


def members(static: Optional[StaticConfig]) -> tuple[Member, ...]:
    """List every instance of the static config, in its order."""
    return tuple(member for node in static.nodes for member in _of_node(node)) if static else ()


def _of_node(node: StaticNode) -> Iterator[Member]:
    """List a node's instances; OM writes a cm_agent into every node, also where CM is not."""
    here = (str(node.node_id), node.name)
    if node.has_cm and node.cm_server:
        yield Member(*here, "cm_server", str(node.cm_server.instance_id))
    if node.has_cm:
        yield Member(*here, "cm_agent", str(node.cm_agent.instance_id))
    for datanode in node.datanodes:
        yield Member(*here, "datanode", str(datanode.instance_id))
    if node.etcd:
        yield Member(*here, "etcd", str(node.etcd.instance_id))


def cluster_id(static: Optional[StaticConfig]) -> str:
    """Return what tells this cluster from others: a hash of its members and their addresses.

    It is the same on all nodes: the local node id and the file's time are not part of it. The
    addresses are, for clusters of containers often have the same names and numbers.
    """
    if static is None:
        return ""
    facts = [*members(static), *(_addresses(node) for node in static.nodes)]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:_ID_LENGTH]


def _addresses(node: StaticNode) -> tuple[object, ...]:
    server = (node.cm_server.addresses, node.cm_server.port) if node.cm_server else ()
    datanodes = tuple((each.addresses, each.port) for each in node.datanodes)
    return (node.node_id, node.back_addresses, server, datanodes)


def node_identity(installation: Installation) -> NodeIdentity:
    """Name this node as the metrics name it."""
    return NodeIdentity(
        node_name=installation.node_name,
        node_id="" if installation.node_id is None else str(installation.node_id),
        cluster_name=installation.cluster_name,
        cluster_id=cluster_id(installation.static),
    )


def local_instances(installation: Installation) -> tuple[str, ...]:
    """List the numbers of the instances on this node that a stop marker may name.

    cm_ctl stops datanodes and resources one by one, and the rest with the node
    (CM cm_ctl ctl_stop.cpp).
    """
    datanodes = [str(each.installed.instance_id) for each in installation.datanodes]
    resources = [
        str(instance.number)
        for resource in installation.resources
        for instance in resource.instances
        if resource.kind == "APP" and instance.node_id == installation.node_id
    ]
    return tuple(dict.fromkeys(datanodes + resources))
