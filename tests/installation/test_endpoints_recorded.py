"""Endpoints of a recorded cluster, held against the sockets that its programs really had."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.installation.endpoints import discovered_endpoints
from exporter.installation.static_config_parser import parse_static_config
from exporter.installation.text_files import parse_cm_agent_conf, parse_cm_server_conf
from exporter.ports.facts import TcpState
from exporter.ports.proc_net import parse_sockets
from tests.support.installations import installation

RECORDED = Path(__file__).parent.parent / "samples" / "cm_cluster" / "a_healthy_2node"


@pytest.mark.parametrize("node", ["node1", "node2"])
def test_every_endpoint_was_listened_on_at_its_addresses(node: str) -> None:
    """The real cm_server and cm_agent listened exactly where their files say, gaussdb at least."""
    directory = RECORDED / node
    facts = installation(
        parse_static_config((directory / "cluster_static_config").read_bytes()),
        cm_agent=parse_cm_agent_conf((directory / "cm_agent.conf").read_text()),
        cm_server=parse_cm_server_conf((directory / "cm_server.conf").read_text()),
    )
    endpoints = discovered_endpoints(facts)
    ports = frozenset(each.port for each in endpoints)
    sockets = parse_sockets((directory / "proc_net" / "tcp").read_bytes(), ports)
    listening = {(s.address, s.port) for s in sockets if s.state is TcpState.LISTEN}
    bound = {(address, each.port) for each in endpoints for address in each.addresses or ()}
    databases = {each.port for each in endpoints if each.component == "datanode"}
    assert [each.endpoint for each in endpoints] == [
        "cm_server",
        "cm_server_ha",
        "cm_agent",
        "datanode",
        "datanode_ha",
    ]
    assert bound <= listening
    assert {port for _, port in listening - bound} <= databases
