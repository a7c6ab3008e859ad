"""Facts of an installation's files on this node, as far as they decide about ports and logs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class ListedInstance(NamedTuple):
    """One entry of ``DSS_NODES_LIST`` or ``ss_interconnect_url``."""

    number: int
    host: str
    port: int


@dataclass(frozen=True)
class ReplicationChannel:
    """One ``replconninfoN``: where this datanode listens for a peer, and where the peer does.

    ``local_heartbeat_port`` is 0 where none is set.
    """

    local_host: str
    local_port: int
    remote_host: str = ""
    remote_port: int = 0
    local_heartbeat_port: int = 0


class ResourceInstance(NamedTuple):
    """Where an instance of a resource lies; ``number`` is CM's: 20001 and up for applications."""

    number: int
    node_id: int
    arguments: str


@dataclass(frozen=True)
class CmResource:
    """One resource of cm_resource.json; ``kind`` is its ``resources_type``: APP, DN or VIP."""

    name: str
    kind: str
    script: str = ""
    instances: tuple[ResourceInstance, ...] = ()


@dataclass(frozen=True)
class DssInstance:
    """What ``dss_inst.ini`` tells of this node's dssserver."""

    number: int
    nodes: tuple[ListedInstance, ...]


@dataclass(frozen=True)
class PidFile:
    """What a component writes of itself when it starts; ``port`` is 0 where it does not say."""

    pid: int
    data_dir: str
    port: int = 0


@dataclass(frozen=True)
class MonitorCron:
    """What om_monitor's crontab line tells; empty where the line does not say."""

    env_files: tuple[str, ...]
    gausshome: str = ""
    log_dir: str = ""
