"""What ``cluster_static_config`` tells: the topology as it was installed.

The words are those of the file's writer (openGauss-OM DbClusterInfo.py) and of its reader
(CM cm_config.cpp). Addresses stay text here: that is what the file holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional


@dataclass(frozen=True)
class StaticPeer:
    """Another member of a datanode's group; ``role`` as in StaticDatanode."""

    data_dir: str
    ha_addresses: tuple[str, ...]
    ha_port: int
    role: int


@dataclass(frozen=True)
class StaticDatanode:
    """One database instance; ``role`` at installation: 0 primary, 1 standby, 2 dummy, 3 cascade."""

    instance_id: int
    mirror_id: int
    data_dir: str
    port: int
    addresses: tuple[str, ...]
    ha_port: int
    ha_addresses: tuple[str, ...]
    role: int = 0
    xlog_dir: str = ""
    ssd_dir: str = ""
    peers: tuple[StaticPeer, ...] = ()


@dataclass(frozen=True)
class StaticCmServer:
    """The node's cm_server; ``role`` at installation: 0 primary, 1 standby."""

    instance_id: int
    mirror_id: int
    port: int
    addresses: tuple[str, ...]
    ha_port: int
    ha_addresses: tuple[str, ...]
    role: int = 0
    level: int = 1
    float_address: str = ""
    peer_ha_addresses: tuple[str, ...] = ()
    peer_ha_port: int = 0


@dataclass(frozen=True)
class StaticCmAgent:
    """The node's cm_agent; the file gives it no port."""

    instance_id: int
    mirror_id: int
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class StaticEtcd:
    """The node's etcd, of which only the number is read; lite clusters have none."""

    instance_id: int


@dataclass(frozen=True)
class StaticNode:
    """One host of the cluster; ``cm_dir`` is empty where CM is not installed."""

    node_id: int
    name: str
    cm_agent: StaticCmAgent
    az_name: str = ""
    az_priority: int = 0
    back_addresses: tuple[str, ...] = ()
    ssh_addresses: tuple[str, ...] = ()
    cm_dir: str = ""
    cm_server: Optional[StaticCmServer] = None
    datanodes: tuple[StaticDatanode, ...] = ()
    etcd: Optional[StaticEtcd] = None

    @property
    def has_cm(self) -> bool:
        """Whether CM is installed on this node: OM writes a cm_agent even where it is not."""
        return bool(self.cm_dir)


@dataclass(frozen=True)
class StaticConfig:
    """The whole file; ``created`` is in seconds since the epoch.

    ``local_node_id`` is the one fact in which the files of a cluster's nodes differ.
    """

    version: int
    created: int
    local_node_id: int
    nodes: tuple[StaticNode, ...]

    @property
    def local_node(self) -> StaticNode:
        """The node on which the file lies."""
        return self.node(self.local_node_id)

    def node(self, node_id: int) -> StaticNode:
        """Find a node by its id; raises KeyError when the file has no such node."""
        for node in self.nodes:
            if node.node_id == node_id:
                return node
        raise KeyError(node_id)
