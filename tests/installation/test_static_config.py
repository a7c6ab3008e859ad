"""cluster_static_config against files that OM's own writer made, and against its inverse."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import ParseError
from exporter.installation.static_config import (
    StaticCmAgent,
    StaticCmServer,
    StaticConfig,
    StaticDatanode,
    StaticEtcd,
    StaticNode,
    StaticPeer,
)
from exporter.installation.static_config_parser import MAX_BYTES, parse_static_config
from tests.support.static_config_writer import make_cluster, seen_from, write_static_config

SAMPLES = Path(__file__).parent.parent / "samples" / "cluster_static_config"
FILES = sorted(SAMPLES.glob("*.cluster_static_config"))


def _server(server: StaticCmServer, directory: str) -> dict[str, Any]:
    return {
        "instanceId": server.instance_id,
        "mirrorId": server.mirror_id,
        "datadir": f"{directory}/cm_server",
        "xlogdir": "",
        "ssdDir": "",
        "listenIps": list(server.addresses),
        "port": server.port,
        "haIps": list(server.ha_addresses),
        "haPort": server.ha_port,
        "instanceType": server.role,
        "level": server.level,
    }


def _agent(node: StaticNode) -> dict[str, Any]:
    return {
        "instanceId": node.cm_agent.instance_id,
        "mirrorId": node.cm_agent.mirror_id,
        "datadir": f"{node.cm_dir}/cm_agent".lstrip("/" if not node.cm_dir else ""),
        "xlogdir": "",
        "ssdDir": "",
        "listenIps": list(node.cm_agent.addresses),
        "port": 0,
        "haIps": [],
        "haPort": 0,
        "instanceType": -1,
        "level": 1,
    }


def _datanode(datanode: StaticDatanode) -> dict[str, Any]:
    return {
        "instanceId": datanode.instance_id,
        "mirrorId": datanode.mirror_id,
        "datadir": datanode.data_dir,
        "xlogdir": datanode.xlog_dir,
        "ssdDir": datanode.ssd_dir,
        "listenIps": list(datanode.addresses),
        "port": datanode.port,
        "haIps": list(datanode.ha_addresses),
        "haPort": datanode.ha_port,
        "instanceType": datanode.role,
        "level": 1,
        "peers": [
            {
                "datadir": peer.data_dir,
                "haIps": list(peer.ha_addresses),
                "haPort": peer.ha_port,
                "instanceType": peer.role,
            }
            for peer in datanode.peers
        ],
    }


def _node(node: StaticNode) -> dict[str, Any]:
    return {
        "id": node.node_id,
        "name": node.name,
        "azName": node.az_name,
        "azPriority": node.az_priority,
        "backIps": list(node.back_addresses),
        "sshIps": list(node.ssh_addresses),
        "cmDataDir": node.cm_dir,
        "cmserver": [_server(node.cm_server, node.cm_dir)] if node.cm_server else [],
        "cmagent": [_agent(node)],
        "etcd": [],
        "datanodes": [_datanode(datanode) for datanode in node.datanodes],
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_of_the_real_writer_says_what_the_writer_meant(path: Path) -> None:
    """Every fact of OM's own objects, dumped beside each sample, is read from the file."""
    meant = json.loads(path.with_name(path.name + ".json").read_text())
    config = parse_static_config(path.read_bytes())
    assert config.version == meant["version"]
    assert config.created == meant["time"]
    assert config.local_node_id == meant["localNodeId"]
    assert [_node(node) for node in config.nodes] == meant["nodes"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_writer_for_tests_writes_what_the_real_one_wrote(path: Path) -> None:
    """Reading a real file and writing it again gives the same bytes."""
    assert write_static_config(parse_static_config(path.read_bytes())) == path.read_bytes()


def test_there_are_samples() -> None:
    """The samples are where the tests above look for them."""
    assert len(FILES) == 11


_PORT = st.integers(1, 65535)
_ANY_PORT = st.integers(0, 65535)
_NUMBER = st.integers(0, 2**32 - 1)
_SIGNED = st.integers(-(2**31), 2**31 - 1)


def _text(size: int, *, least: int = 0) -> st.SearchStrategy[str]:
    characters = st.characters(blacklist_characters="\0", blacklist_categories=("Cs",))
    return st.text(characters, min_size=least, max_size=size).filter(
        lambda text: len(text.encode()) <= size
    )


_ADDRESSES = st.lists(st.ip_addresses().map(str) | _text(127, least=1), max_size=3).map(tuple)
_DIRECTORY = _text(40) | st.just("/" + "d" * 1022)
_PEERS = st.lists(
    st.builds(StaticPeer, _DIRECTORY.filter(bool), _ADDRESSES, _ANY_PORT, _NUMBER), max_size=7
).map(tuple)
_DATANODES = st.lists(
    st.builds(
        StaticDatanode,
        instance_id=_NUMBER,
        mirror_id=_NUMBER,
        data_dir=_DIRECTORY,
        port=_PORT,
        addresses=_ADDRESSES,
        ha_port=_PORT,
        ha_addresses=_ADDRESSES,
        role=_NUMBER,
        xlog_dir=_DIRECTORY,
        ssd_dir=_DIRECTORY,
        peers=_PEERS,
    ),
    max_size=2,
).map(tuple)
_CM_SERVER = st.builds(
    StaticCmServer,
    instance_id=st.integers(1, 2**32 - 1),
    mirror_id=_NUMBER,
    port=_PORT,
    addresses=_ADDRESSES,
    ha_port=_PORT,
    ha_addresses=_ADDRESSES,
    role=_NUMBER,
    level=_NUMBER,
    float_address=_text(40),
    peer_ha_addresses=_ADDRESSES,
    peer_ha_port=_ANY_PORT,
)
_ETCD = st.builds(StaticEtcd, _NUMBER)
_NODE = st.builds(
    StaticNode,
    node_id=_NUMBER,
    name=_text(64),
    cm_agent=st.builds(StaticCmAgent, _NUMBER, _SIGNED, _ADDRESSES),
    az_name=_text(64),
    az_priority=_NUMBER,
    back_addresses=_ADDRESSES,
    ssh_addresses=_ADDRESSES,
    cm_dir=_DIRECTORY,
    cm_server=st.none() | _CM_SERVER,
    datanodes=_DATANODES,
    etcd=st.none() | _ETCD,
)


@st.composite
def _configs(draw: st.DrawFn) -> StaticConfig:
    nodes = draw(st.lists(_NODE, min_size=1, max_size=3, unique_by=lambda node: node.node_id))
    local = draw(st.sampled_from(nodes)).node_id
    version = draw(st.integers(201, 500) | st.integers(9301, 10301))
    return StaticConfig(version, draw(st.integers(-(2**63), 2**63 - 1)), local, tuple(nodes))


@settings(max_examples=60, deadline=None)
@given(config=_configs(), crc_bytes=st.sampled_from([4, 8]), slots=st.sampled_from([7, 8]))
def test_reading_is_the_inverse_of_writing(
    config: StaticConfig, crc_bytes: int, slots: int
) -> None:
    """Whatever the format can hold comes back as it was, in every variant of the layout."""
    written = write_static_config(config, crc_bytes=crc_bytes, peer_slots=slots)
    assert parse_static_config(written) == config


@settings(max_examples=30, deadline=None)
@given(config=_configs(), version=st.integers(0, 200), crc_bytes=st.sampled_from([4, 8]))
def test_files_without_zones_are_read(config: StaticConfig, version: int, crc_bytes: int) -> None:
    """Up to version 200 there is no zone and a datanode has two peers."""
    old = replace(config, version=version, nodes=tuple(map(_without_zones, config.nodes)))
    assert parse_static_config(write_static_config(old, crc_bytes=crc_bytes)) == old


def _without_zones(node: StaticNode) -> StaticNode:
    datanodes = [replace(datanode, peers=datanode.peers[:2]) for datanode in node.datanodes]
    return replace(node, az_name="", az_priority=0, datanodes=tuple(datanodes))


@pytest.mark.parametrize("count", range(1, 10))
def test_one_to_nine_nodes_are_read(count: int) -> None:
    """A cluster of every size that openGauss allows is read, seen from each of its nodes."""
    cluster = make_cluster([f"10.0.0.{number}" for number in range(1, count + 1)])
    for number in range(1, count + 1):
        config = seen_from(cluster, number)
        assert parse_static_config(write_static_config(config)).local_node.node_id == number


def test_a_cascaded_standby_is_told_by_its_role() -> None:
    """The roles of a datanode and of its peers are those of the installation."""
    cluster = make_cluster(["10.0.0.1", "10.0.0.2", "10.0.0.3"])
    third = cluster.nodes[2]
    cascaded = replace(third, datanodes=(replace(third.datanodes[0], role=3),))
    config = replace(cluster, nodes=(*cluster.nodes[:2], cascaded))
    found = parse_static_config(write_static_config(config))
    assert [node.datanodes[0].role for node in found.nodes] == [0, 1, 3]


def test_nine_datanodes_a_node_are_read() -> None:
    """Several datanodes on one node are all there, in order."""
    cluster = make_cluster(["10.0.0.1"])
    one = cluster.nodes[0].datanodes[0]
    many = tuple(replace(one, instance_id=6001 + index, port=20000 + index) for index in range(9))
    config = replace(cluster, nodes=(replace(cluster.nodes[0], datanodes=many),))
    assert parse_static_config(write_static_config(config)).nodes[0].datanodes == many


def _real() -> bytes:
    return (SAMPLES / "pri_sby_2node.node1.cluster_static_config").read_bytes()


RECORD = 26880  # bytes of a record with one datanode
COVERED = [*range(28), *range(8192, 8192 + RECORD), *range(0xA000, 0xA000 + RECORD)]


@settings(max_examples=200, deadline=None)
@given(offset=st.sampled_from(COVERED), change=st.integers(1, 255))
def test_one_changed_byte_is_an_error(offset: int, change: int) -> None:
    """No byte of the header or of a record can change without an error that tells an offset."""
    data = bytearray(_real())
    data[offset] ^= change
    with pytest.raises(ParseError, match="offset 0x"):
        parse_static_config(bytes(data))


@settings(max_examples=200, deadline=None)
@given(length=st.integers(0, len(_real()) - 1))
def test_a_truncated_file_is_an_error(length: int) -> None:
    """A file that is written only in part is never taken for a smaller cluster."""
    with pytest.raises(ParseError, match="offset 0x"):
        parse_static_config(_real()[:length])


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=20000))
def test_foreign_bytes_are_an_error(data: bytes) -> None:
    """Any other file is an error, whatever it holds."""
    with pytest.raises(ParseError):
        parse_static_config(data)


def _with_header_field(offset: int, value: int) -> bytes:
    """Change a field of the header and make its CRC right again."""
    data = bytearray(_real())
    data[offset : offset + 4] = value.to_bytes(4, "little")
    data[:4] = zlib.crc32(bytes(data[4:28])).to_bytes(4, "little")
    return bytes(data)


def _with_record_field(offset: int, value: int) -> bytes:
    """Change a field of the first node's record and make its CRC right again."""
    data = bytearray(_real())
    data[8192 + offset : 8192 + offset + 4] = value.to_bytes(4, "little")
    data[8192:8196] = zlib.crc32(bytes(data[8196 : 8192 + RECORD])).to_bytes(4, "little")
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_with_header_field(8, 501), r"offset 0x8 \(version\): .*at most 500.*found 501"),
        (_with_header_field(20, 0), r"offset 0x14 \(node count\): expected at least 1"),
        (_with_header_field(20, 10), r"offset 0x14 \(node count\): expected at most 9, found 10"),
        (
            _with_header_field(20, 3),
            r"offset 0x12000 \(node crc\): expected 4 bytes, the file has 0 more",
        ),
        (_with_header_field(20, 1), r"offset 0xa000 \(padding\): expected the end of the file"),
        (_with_header_field(24, 3), r"offset 0x18 \(local node id\): expected one of the nodes"),
        (_with_record_field(4, 2), r"offset 0xa004 \(node id\): 2 is there twice"),
        (_with_record_field(8, 0xFF), r"offset 0x2008 \(node name\): expected UTF-8"),
        (_with_record_field(140, 4), r"offset 0x208c \(back ip count\): expected at most 3"),
        (_with_record_field(2468, 0), r"offset 0x29a4 \(cm_server port\): .*found 0"),
        (_with_record_field(2860, 65536), r"offset 0x2b2c \(cm_server HA port\): .*found 65536"),
        (_with_record_field(9756, 2), r"offset 0x2000 \(node crc\)"),
        (_with_record_field(13228, 0), r"offset 0x53ac \(datanode port\): .*found 0"),
        (_real() + bytes(8192), r"offset 0x12000 \(padding\): .*found the end at 0x14000"),
        (bytes(MAX_BYTES + 1), r"expected at most \d+ bytes"),
        (b"", r"offset 0x4 \(header length\): expected 28"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_error_tells_the_offset_and_the_expectation(data: bytes, message: str) -> None:
    """Whoever reads the message knows which field is wrong and what should stand there."""
    with pytest.raises(ParseError, match=f"^cluster_static_config: {message}"):
        parse_static_config(data)


def test_a_real_recording_has_the_running_ports() -> None:
    """The file of the recorded cluster tells the ports that its processes really bound."""
    path = SAMPLES.parent / "cm_cluster" / "a_healthy_2node" / "node2" / "cluster_static_config"
    node = parse_static_config(path.read_bytes()).local_node
    assert node.cm_server is not None
    assert (node.cm_server.port, node.cm_server.ha_port) == (15300, 15301)
    assert (node.datanodes[0].port, node.datanodes[0].ha_port) == (15400, 15401)
    assert node.datanodes[0].addresses == ("10.77.0.2",)
