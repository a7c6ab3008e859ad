"""``cluster_static_config``: the binary file in which OM tells CM the cluster's topology.

Layout: openGauss-OM DbClusterInfo.py ``saveToStaticConfig``; CM cm_config.cpp reads it. A header
and one record a node, each at a page boundary and each with its own CRC. CM does not verify the
CRCs; here they are what tells the layouts apart, so that a layout is proved and never guessed:

- CRCs have 4 bytes, or 8 in files that an upgrade wrote for source versions up to 92.200;
- a datanode has 8 peers (openGauss), 7 (distributed builds), or 2 (versions up to 200, which
  have no availability zones either).

GTM, GTM proxy and coordinator fields are passed over: openGauss has none of them.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Optional

from exporter.errors import ParseError
from exporter.installation.binary import MAX_PORT, Cursor
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
HEADER = 28
MAX_NODES = 9
MAX_DATANODES = 9
MAX_ADDRESSES = 3
MAX_BYTES = PAGE * (1 + MAX_NODES * 20)
"""Nine nodes of nine datanodes; more is not this file, and is not read."""

_WITHOUT_ZONES = range(201)
_WITH_ZONES = (range(201, 501), range(9301, 10302))
_NAME = 64
_ADDRESS = 128
_PATH = 1024
_ADDRESSES = 4 + MAX_ADDRESSES * _ADDRESS
_GTM = 12 + _PATH + _ADDRESSES + 8 + _ADDRESSES + 4 + _PATH + _ADDRESSES + 4
_GTM_PROXY = 12 + _ADDRESSES + 4
_COORDINATOR = 12 + 2 * _PATH + _ADDRESSES + 8
_PEER = _PATH + _ADDRESSES + 8
_DATANODE = 8 + 3 * _PATH + 2 * (_ADDRESSES + 4) + 4
_ETCD = 4 + _NAME + _PATH + 2 * (_ADDRESSES + 4)  # behind the count and the number
_TAIL = 8 + _ETCD + 8
_COUNT_OFFSET = 9756  # of the datanodes' count in a record with zones and a CRC of 4 bytes


@dataclass(frozen=True)
class _Layout:
    """Where things lie in this file: a record's CRC size, whether it has zones, its peers."""

    crc_bytes: int
    zones: bool
    peer_slots: tuple[int, ...]


def parse_static_config(data: bytes, source: str = "cluster_static_config") -> StaticConfig:
    """Read the whole file; raises ParseError that tells the offset and what was expected there."""
    if len(data) > MAX_BYTES:
        raise ParseError(f"{source}: expected at most {MAX_BYTES} bytes, found {len(data)}")
    cursor = Cursor(data, 0, source)
    crc_bytes = _header_crc(data, cursor)
    cursor.skip(4)
    version = cursor.u32("version")
    layout = _layout(version, crc_bytes, cursor)
    created = cursor.i64("time")
    count = _node_count(cursor)
    local_offset = cursor.offset
    local = cursor.u32("local node id")
    nodes = _nodes(data, count, layout, source)
    if local not in {node.node_id for node in nodes}:
        raise cursor.error(
            local_offset, "local node id", f"expected one of the nodes, found {local}"
        )
    return StaticConfig(version, created, local, nodes)


def _header_crc(data: bytes, cursor: Cursor) -> int:
    """Tell the size of the CRCs by where the header's length stands; verify the header's."""
    for crc_bytes in (4, 8):
        if data[crc_bytes : crc_bytes + 4] == HEADER.to_bytes(4, "little"):
            _verify(data, cursor, crc_bytes + HEADER - 4, crc_bytes, "header crc")
            return crc_bytes
    raise cursor.error(4, "header length", f"expected {HEADER}, or {HEADER} at offset 0x8")


def _verify(data: bytes, cursor: Cursor, end: int, crc_bytes: int, field: str) -> None:
    """Check the CRC that stands at the cursor and covers the bytes behind it up to ``end``."""
    start = cursor.offset
    cursor.skip(crc_bytes, field)
    if end > len(data):
        problem = f"expected bytes up to {end:#x}, the file ends at {len(data):#x}"
        raise cursor.error(start, field, problem)
    stored = int.from_bytes(data[start : start + crc_bytes], "little")
    actual = zlib.crc32(data[start + crc_bytes : end])
    if stored != actual:
        raise cursor.error(start, field, f"expected {actual:#010x}, found {stored:#010x}")


def _layout(version: int, crc_bytes: int, cursor: Cursor) -> _Layout:
    """Choose the layout as CM cm_config.cpp read_config_header does."""
    if version in _WITHOUT_ZONES:
        return _Layout(crc_bytes, zones=False, peer_slots=(2,))
    if any(version in versions for versions in _WITH_ZONES):
        return _Layout(crc_bytes, zones=True, peer_slots=(8, 7))
    problem = f"expected at most 500, or 9301 to 10301, found {version}"
    raise cursor.error(cursor.offset - 4, "version", problem)


def _node_count(cursor: Cursor) -> int:
    start = cursor.offset
    count = cursor.u32("node count", MAX_NODES)
    if not count:
        raise cursor.error(start, "node count", "expected at least 1, found 0")
    return count


def _nodes(data: bytes, count: int, layout: _Layout, source: str) -> tuple[StaticNode, ...]:
    nodes: list[StaticNode] = []
    cursor = Cursor(data, PAGE, source)
    for _ in range(count):
        start = cursor.offset
        node = _node(data, cursor, layout)
        if node.node_id in {other.node_id for other in nodes}:
            raise cursor.error(
                start + layout.crc_bytes, "node id", f"{node.node_id} is there twice"
            )
        nodes.append(node)
        cursor.offset = (cursor.offset // PAGE + 1) * PAGE
    if cursor.offset != len(data):
        problem = f"expected the end of the file, found the end at {len(data):#x}"
        raise cursor.error(cursor.offset, "padding", problem)
    return tuple(nodes)


def _node(data: bytes, cursor: Cursor, layout: _Layout) -> StaticNode:
    slots = _proved_slots(data, cursor, layout)
    cursor.skip(layout.crc_bytes)
    node_id = cursor.u32("node id")
    name = cursor.text(_NAME, _NAME, "node name")
    az_name = cursor.text(_NAME, _NAME, "az name") if layout.zones else ""
    az_priority = cursor.u32("az priority") if layout.zones else 0
    back, ssh = _addresses(cursor, "back ip"), _addresses(cursor, "ssh channel")
    cm_dir, cm_server = _cm_server(cursor)
    agent = StaticCmAgent(
        cursor.u32("cm_agent id"), cursor.i32("cm_agent mirror id"), _addresses(cursor, "agent ip")
    )
    cursor.skip(_GTM + _GTM_PROXY + _COORDINATOR)
    count = cursor.u32("datanode count", MAX_DATANODES)
    datanodes = tuple(_datanode(cursor, slots) for _ in range(count))
    etcd = _etcd(cursor)
    cursor.skip(8)  # the sctp ports, always 0
    return StaticNode(
        node_id, name, agent, az_name, az_priority, back, ssh, cm_dir, cm_server, datanodes, etcd
    )


def _proved_slots(data: bytes, cursor: Cursor, layout: _Layout) -> int:
    """Tell how many peers a datanode of this record has: that with which the CRC is right."""
    start = cursor.offset
    offset = start + _COUNT_OFFSET + layout.crc_bytes - 4 - (0 if layout.zones else _NAME + 4)
    count = Cursor(data, offset, "").u32("datanode count") if offset + 4 <= len(data) else 0
    failures = []
    for slots in layout.peer_slots:
        end = offset + 4 + min(count, MAX_DATANODES) * (_DATANODE + slots * _PEER) + _TAIL
        try:
            _verify(data, cursor, end, layout.crc_bytes, "node crc")
        except ParseError as error:
            failures.append(error)
        else:
            return slots
        finally:
            cursor.offset = start
    raise failures[0]


def _addresses(cursor: Cursor, field: str) -> tuple[str, ...]:
    count = cursor.u32(f"{field} count", MAX_ADDRESSES)
    texts = [cursor.text(_ADDRESS, _ADDRESS - 1, field) for _ in range(MAX_ADDRESSES)]
    return tuple(texts[:count])


def _cm_server(cursor: Cursor) -> tuple[str, Optional[StaticCmServer]]:
    instance_id, mirror_id = cursor.u32("cm_server id"), cursor.u32("cm_server mirror id")
    cm_dir = cursor.text(_PATH, _PATH - 1, "cm directory")
    level = cursor.u32("cm_server level")
    float_address = cursor.text(_ADDRESS, _ADDRESS - 1, "cm_server float ip")
    if not instance_id:
        cursor.skip(3 * (_ADDRESSES + 4) + 4)
        return cm_dir, None
    addresses, port = _addresses(cursor, "cm_server ip"), cursor.port("cm_server port")
    ha_addresses, ha_port = _addresses(cursor, "cm_server HA ip"), cursor.port("cm_server HA port")
    role = cursor.u32("cm_server role")
    peer_addresses = _addresses(cursor, "cm_server peer HA ip")
    return cm_dir, StaticCmServer(
        instance_id=instance_id,
        mirror_id=mirror_id,
        port=port,
        addresses=addresses,
        ha_port=ha_port,
        ha_addresses=ha_addresses,
        role=role,
        level=level,
        float_address=float_address,
        peer_ha_addresses=peer_addresses,
        peer_ha_port=cursor.u32("cm_server peer HA port", MAX_PORT),
    )


def _datanode(cursor: Cursor, slots: int) -> StaticDatanode:
    instance_id, mirror_id = cursor.u32("datanode id"), cursor.u32("datanode mirror id")
    data_dir, xlog_dir, ssd_dir = (
        cursor.text(_PATH, _PATH - 1, f"datanode {name} directory")
        for name in ("data", "xlog", "ssd")
    )
    addresses, port = _addresses(cursor, "datanode ip"), cursor.port("datanode port")
    role = cursor.u32("datanode role")
    ha_addresses, ha_port = _addresses(cursor, "datanode HA ip"), cursor.port("datanode HA port")
    peers = [_peer(cursor) for _ in range(slots)]
    return StaticDatanode(
        instance_id=instance_id,
        mirror_id=mirror_id,
        data_dir=data_dir,
        port=port,
        addresses=addresses,
        ha_port=ha_port,
        ha_addresses=ha_addresses,
        role=role,
        xlog_dir=xlog_dir,
        ssd_dir=ssd_dir,
        peers=tuple(peer for peer in peers if peer.data_dir),
    )


def _peer(cursor: Cursor) -> StaticPeer:
    """Read one of the peers; a free place is all zeros, a used one has a directory."""
    return StaticPeer(
        cursor.text(_PATH, _PATH - 1, "peer data directory"),
        _addresses(cursor, "peer HA ip"),
        cursor.u32("peer HA port", MAX_PORT),
        cursor.u32("peer role"),
    )


def _etcd(cursor: Cursor) -> Optional[StaticEtcd]:
    present = cursor.u32("etcd count", 1)
    etcd = StaticEtcd(cursor.u32("etcd id"))
    cursor.skip(_ETCD, "etcd")
    return etcd if present else None
