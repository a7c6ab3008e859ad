"""Facts of the installation's files, and the configuration's own, become this node's endpoints.

Each rule names its source. An endpoint is given only where this installation uses it. Its
addresses are those that the process must bind; where no file names them they are None.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import replace

from exporter.config.schema import EndpointConfig
from exporter.installation.endpoints_database import (
    datanode_endpoints,
    dss_endpoints,
    literals,
    of_word,
)
from exporter.installation.facts import Installation
from exporter.installation.static_config import StaticConfig, StaticNode
from exporter.ports.facts import Endpoint

AGENT_PORT_OFFSET = 2  # CM cma_mes.cpp AGENT_RHB_PORT_INC
AGENT_PORT_BASE = 5000  # the same: where no node has a cm_server
ETCD, SHARED_DISK = 0, 2  # cm_server.conf ddb_type; anything else is DCC
MAX_PORT = 65535
_STATIC = "cluster_static_config"
_CONFIG = "config"


def node_endpoints(
    installation: Installation, configured: Iterable[EndpointConfig]
) -> tuple[Endpoint, ...]:
    """List the endpoints of this node, the configured ones laid over the discovered ones."""
    return merge_endpoints(discovered_endpoints(installation), configured)


def merge_endpoints(
    discovered: Iterable[Endpoint], configured: Iterable[EndpointConfig]
) -> tuple[Endpoint, ...]:
    """Lay configured endpoints over discovered ones.

    An endpoint of the same key keeps what the configuration does not give; others are added.
    """
    merged = {endpoint.key: endpoint for endpoint in discovered}
    for given in configured:
        alone = of_word(given.endpoint, given.instance_id, given.port, given.process or "")
        merged[alone.key] = _override(merged.get(alone.key, alone), given)
    return tuple(merged.values())


def _override(endpoint: Endpoint, given: EndpointConfig) -> Endpoint:
    return replace(
        endpoint,
        port=given.port,
        process=given.process or endpoint.process,
        addresses=endpoint.addresses if given.addresses is None else given.addresses,
        origin=_CONFIG,
    )


def own_port_problem(endpoints: Iterable[Endpoint], listen_ports: Container[int]) -> str:
    """Tell which endpoint needs a port on which this exporter is to listen; empty if none."""
    for endpoint in endpoints:
        if endpoint.port in listen_ports:
            needs = f"{endpoint.endpoint} of the cluster needs port {endpoint.port}"
            return f"{needs}; choose another --web.listen-address"
    return ""


def discovered_endpoints(installation: Installation) -> tuple[Endpoint, ...]:
    """List the endpoints of this node, none twice; none at all without a static config."""
    node, static = installation.node, installation.static
    if node is None or static is None:
        return ()
    endpoints = [
        *_cm_server(installation, static, node),
        *_cm_agent(installation, static, node),
        *datanode_endpoints(installation),
        *dss_endpoints(installation, node),
    ]
    usable = (endpoint for endpoint in reversed(endpoints) if 1 <= endpoint.port <= MAX_PORT)
    unique = {endpoint.key: endpoint for endpoint in usable}
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
    servers = [node.cm_server for node in static.nodes if node.cm_server]
    return (server.port for server in servers if server.level == 1)
