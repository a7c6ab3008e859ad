"""Facts of the installation's files become the endpoints of this node. Pure.

Each rule names its source. An endpoint is given only where this installation uses it. Its
addresses are those that the process must bind; where nobody told they are left open.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from exporter.installation.endpoints_database import (
    datanode_endpoints,
    dss_endpoints,
    literals,
    of_word,
)
from exporter.installation.facts import Installation
from exporter.installation.static_config import StaticCmServer, StaticConfig, StaticNode
from exporter.ports.facts import Endpoint

__all__ = ["discovered_endpoints"]

AGENT_PORT_OFFSET = 2  # CM cma_mes.cpp AGENT_RHB_PORT_INC
AGENT_PORT_BASE = 5000  # the same: where no node has a cm_server
ETCD, SHARED_DISK = 0, 2  # cm_server.conf ddb_type; anything else is DCC
MAX_PORT = 65535
_STATIC = "cluster_static_config"


def discovered_endpoints(installation: Installation) -> tuple[Endpoint, ...]:
    """List the endpoints of this node, none twice; none at all without a static config."""
    node, static = installation.node, installation.static
    if node is None or static is None:
        return ()
    found = [
        *_cm_server(installation, static, node),
        *_cm_agent(installation, static, node),
        *datanode_endpoints(installation),
        *dss_endpoints(installation, node),
    ]
    unique = {each.key: each for each in reversed(found) if 1 <= each.port <= MAX_PORT}
    return tuple(reversed(tuple(unique.values())))


def _cm_server(
    installation: Installation, static: StaticConfig, node: StaticNode
) -> Iterator[Endpoint]:
    """C and C+1; cm_agent checks both before it starts cm_server (cma_instance_management.cpp)."""
    server = node.cm_server
    if server is None or not node.has_cm:
        return
    client = of_word("cm_server", server.instance_id, server.port)
    yield replace(client, addresses=literals(server.addresses), origin=_STATIC)
    dcc = _uses_dcc(installation, static)
    addresses = literals(server.ha_addresses[:1]) if dcc else None
    ha = of_word("cm_server_ha", server.instance_id, server.ha_port)
    yield replace(ha, addresses=addresses, binds=dcc, origin=_STATIC)


def _uses_dcc(installation: Installation, static: StaticConfig) -> bool:
    """Tell whether cm_server keeps its state in DCC, which is what listens on C+1.

    ddb_type 0 means etcd, but several cm_servers without any etcd turn to DCC
    (CM cms_ddb_adapter.cpp). While cm_server.conf is not known, resource pooling stands for the
    shared disk with which OM installs it (openGauss-OM CM_OLAP.py).
    """
    if installation.cm_server is None:
        return not installation.resource_pooling
    if installation.cm_server.ddb_type == ETCD:
        servers = sum(node.cm_server is not None for node in static.nodes)
        return servers > 1 and all(node.etcd is None for node in static.nodes)
    return installation.cm_server.ddb_type != SHARED_DISK


def _cm_agent(
    installation: Installation, static: StaticConfig, node: StaticNode
) -> Iterator[Endpoint]:
    """C+2 of the first node with a cm_server, on the HA address of this node's first datanode.

    CM cma_mes.cpp CreateRhbCheckThreads, InitAgentAddrs and FindMinServerPort: not without a
    datanode, and not with agent_rhb_interval = 0.
    """
    closed = installation.cm_agent is not None and installation.cm_agent.rhb_interval == 0
    if not node.has_cm or not node.datanodes or closed:
        return
    port = next(_first_level_ports(static), AGENT_PORT_BASE) + AGENT_PORT_OFFSET
    addresses = literals(node.datanodes[0].ha_addresses[:1])
    agent = of_word("cm_agent", node.cm_agent.instance_id, port)
    yield replace(agent, addresses=addresses, origin=_STATIC)


def _first_level_ports(static: StaticConfig) -> Iterator[int]:
    servers: list[StaticCmServer] = [each.cm_server for each in static.nodes if each.cm_server]
    return (server.port for server in servers if server.level == 1)
