"""Writes ``cluster_static_config`` as openGauss-OM does: the inverse of the parser.

Nothing of the parser is used here, so that an error in one of them shows in the round trip.
Used by the parser's tests and by every made installation tree.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Optional

from exporter.installation.static_config import (
    StaticCmAgent,
    StaticCmServer,
    StaticConfig,
    StaticDatanode,
    StaticEtcd,
    StaticNode,
    StaticPeer,
)

PAGE = 8192


def write_static_config(
    config: StaticConfig, *, crc_bytes: int = 4, peer_slots: Optional[int] = None
) -> bytes:
    """Return the file's bytes.

    ``crc_bytes`` is 8 for the variant that upgrades from old versions write; ``peer_slots`` is
    2 up to version 200, else 8, or 7 as distributed builds have it.
    """
    zones = config.version > 200
    slots = peer_slots if peer_slots is not None else (8 if zones else 2)
    header = struct.pack(
        "<IIqII", 28, config.version, config.created, len(config.nodes), config.local_node_id
    )
    data = _with_crc(header, crc_bytes)
    for node in config.nodes:
        data = _to_next_page(data) + _with_crc(_node(node, zones=zones, slots=slots), crc_bytes)
    return _to_next_page(data)


def make_cluster(
    addresses: Sequence[str],
    *,
    cm_port: int = 15300,
    port: int = 15400,
    base: str = "/opt/huawei/install",
    names: Sequence[str] = (),
) -> StaticConfig:
    """Make the file of node 1 of a cluster with cm_server and one datanode on every address."""
    names = names or [f"node{number}" for number in range(1, len(addresses) + 1)]
    nodes = [
        _made_node(number, names[number - 1], addresses, cm_port, port, base)
        for number in range(1, len(addresses) + 1)
    ]
    return StaticConfig(version=301, created=1795348701, local_node_id=1, nodes=tuple(nodes))


def seen_from(config: StaticConfig, node_id: int) -> StaticConfig:
    """Return the same cluster's file as it lies on another node."""
    return replace(config, local_node_id=node_id)


def _made_node(
    number: int, name: str, addresses: Sequence[str], cm_port: int, port: int, base: str
) -> StaticNode:
    own = (addresses[number - 1],)
    others = [other for other in range(1, len(addresses) + 1) if other != number]
    data_dir = f"{base}/data/dn"
    cm_server = StaticCmServer(
        number, 1, cm_port, own, cm_port + 1, own, min(number - 1, 1), peer_ha_port=cm_port + 1
    )
    peers = [
        StaticPeer(data_dir, (addresses[other - 1],), port + 1, min(other - 1, 1))
        for other in others
    ]
    datanode = StaticDatanode(
        6000 + number, 1, data_dir, port, own, port + 1, own, min(number - 1, 1), peers=tuple(peers)
    )
    return StaticNode(
        node_id=number,
        name=name,
        cm_agent=StaticCmAgent(10000 + number, -3, own),
        az_name="AZ1",
        az_priority=1,
        back_addresses=own,
        ssh_addresses=own,
        cm_dir=f"{base}/cm",
        cm_server=cm_server,
        datanodes=(datanode,),
    )


def _with_crc(body: bytes, crc_bytes: int) -> bytes:
    return zlib.crc32(body).to_bytes(crc_bytes, "little") + body


def _to_next_page(data: bytes) -> bytes:
    return data.ljust((len(data) // PAGE + 1) * PAGE, b"\0")


def _addresses(addresses: Sequence[str] = ()) -> bytes:
    slots = [*addresses, "", "", ""][:3]
    return struct.pack("<I128s128s128s", len(addresses), *(slot.encode() for slot in slots))


def _text(text: str, size: int) -> bytes:
    return text.encode().ljust(size, b"\0")


def _u32(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}I", *values)


def _node(node: StaticNode, *, zones: bool, slots: int) -> bytes:
    parts = [
        _u32(node.node_id),
        _text(node.name, 64),
        _text(node.az_name, 64) + _u32(node.az_priority) if zones else b"",
        _addresses(node.back_addresses),
        _addresses(node.ssh_addresses),
        _cm_server(node.cm_dir, node.cm_server),
        struct.pack("<Ii", node.cm_agent.instance_id, node.cm_agent.mirror_id),
        _addresses(node.cm_agent.addresses),
        _gtm(),
        bytes(12) + _addresses() + _u32(0),  # GTM proxy
        bytes(12 + 1024 + 1024) + _addresses() + _u32(0, 0),  # coordinator
        _u32(len(node.datanodes)),
        *(_datanode(datanode, slots) for datanode in node.datanodes),
        _etcd(node.etcd),
        _u32(0, 0),  # sctp ports
    ]
    return b"".join(parts)


def _gtm() -> bytes:
    local = bytes(12 + 1024) + _addresses() + _u32(0, 0) + _addresses() + _u32(0)
    return local + bytes(1024) + _addresses() + _u32(0)


def _cm_server(cm_dir: str, server: Optional[StaticCmServer]) -> bytes:
    if server is None:
        head = _u32(0, 0) + _text(cm_dir, 1024) + _u32(0) + bytes(128)
        return head + (_addresses() + _u32(0)) * 2 + _u32(0) + _addresses() + _u32(0)
    parts = [
        _u32(server.instance_id, server.mirror_id),
        _text(cm_dir, 1024),
        _u32(server.level),
        _text(server.float_address, 128),
        _addresses(server.addresses),
        _u32(server.port),
        _addresses(server.ha_addresses),
        _u32(server.ha_port, server.role),
        _addresses(server.peer_ha_addresses),
        _u32(server.peer_ha_port),
    ]
    return b"".join(parts)


def _datanode(datanode: StaticDatanode, slots: int) -> bytes:
    peers = [_peer(peer) for peer in datanode.peers]
    free = StaticPeer("", (), 0, 0)
    parts = [
        _u32(datanode.instance_id, datanode.mirror_id),
        _text(datanode.data_dir, 1024),
        _text(datanode.xlog_dir, 1024),
        _text(datanode.ssd_dir, 1024),
        _addresses(datanode.addresses),
        _u32(datanode.port, datanode.role),
        _addresses(datanode.ha_addresses),
        _u32(datanode.ha_port),
        *peers,
        *[_peer(free)] * (slots - len(peers)),
    ]
    return b"".join(parts)


def _peer(peer: StaticPeer) -> bytes:
    return (
        _text(peer.data_dir, 1024) + _addresses(peer.ha_addresses) + _u32(peer.ha_port, peer.role)
    )


def _etcd(etcd: Optional[StaticEtcd]) -> bytes:
    head = _u32(1, etcd.instance_id) if etcd else bytes(8)
    return head + bytes(4 + 64 + 1024) + (_addresses() + _u32(0)) * 2
