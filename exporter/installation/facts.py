"""Facts of an installation's files on this node, as far as they decide about ports and logs."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Optional

from exporter.host.facts import IPAddress
from exporter.installation.static_config import StaticConfig, StaticDatanode, StaticNode


class ListedInstance(NamedTuple):
    """One entry of ``DSS_NODES_LIST`` or ``ss_interconnect_url``."""

    number: int
    host: str
    port: int


@dataclass(frozen=True)
class ReplicationChannel:
    """One ``replconninfoN``: where this datanode listens for a peer.

    ``local_heartbeat_port`` is 0 where none is set.
    """

    local_host: str
    local_port: int
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
    """What ``dss_inst.ini`` tells of this node's dssserver; ``log_dir`` is its LOG_HOME."""

    number: int
    nodes: tuple[ListedInstance, ...]
    log_dir: str = ""


@dataclass(frozen=True)
class MonitorCron:
    """What om_monitor's crontab line tells; empty where the line does not say."""

    env_files: tuple[str, ...]
    gausshome: str = ""
    log_dir: str = ""


@dataclass(frozen=True)
class DatanodeSettings:
    """What a datanode's postgresql.conf decides about ports and logs; None: it does not say.

    ``dms_instances`` is ``ss_interconnect_url``, of which ``dms_number`` is the own entry.
    ``channels`` are ``replconninfo1..8``, ``cross_channels`` those to another cluster.
    ``dolphin_port`` is that of MySQL's protocol, None while it is not served.
    """

    port: Optional[int] = None
    listen_addresses: Optional[tuple[str, ...]] = None
    channels: tuple[ReplicationChannel, ...] = ()
    cross_channels: tuple[ReplicationChannel, ...] = ()
    dms: bool = False
    dms_number: int = 0
    dms_instances: tuple[ListedInstance, ...] = ()
    dolphin_port: Optional[int] = None
    log_directory: str = ""
    log_line_prefix: Optional[str] = None


@dataclass(frozen=True)
class Datanode:
    """One datanode of this node: as installed, and as set.

    ``data_dir`` is resolved. ``settings`` is None while postgresql.conf cannot be read.
    """

    installed: StaticDatanode
    data_dir: str
    conf: str
    settings: Optional[DatanodeSettings] = None


@dataclass(frozen=True)
class CmAgentSettings:
    """What cm_agent.conf decides: ``rhb_interval`` is in milliseconds, 0 closes C+2."""

    rhb_interval: int = 1000
    log_dir: str = ""


@dataclass(frozen=True)
class CmServerSettings:
    """What cm_server.conf decides; ``ddb_type``: 0 etcd, 1 DCC, 2 a shared disk."""

    ddb_type: int = 0
    log_dir: str = ""


class FactState(str, enum.Enum):
    """What came of looking for a fact."""

    OK = "ok"
    ABSENT = "absent"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    NOT_UNDERSTOOD = "not_understood"


@dataclass(frozen=True)
class Lookup:
    """One fact that was looked for: from where, and what came of it.

    ``absent`` is a place where nothing need be; every other state but ``ok`` is a failure.
    """

    fact: str
    origin: str
    state: FactState = FactState.OK
    detail: str = ""

    @property
    def failed(self) -> bool:
        """Whether something that should be known is not."""
        return self.state not in (FactState.OK, FactState.ABSENT)


NO_UID = -1
"""The uid of a user that is not known here."""


@dataclass(frozen=True)
class Installation:
    """Everything that is known of the installation on this node.

    ``variables`` is the cluster user's environment as far as it matters, with the
    configuration's words in it. ``app_dirs`` are all directories that GAUSSHOME has led to,
    resolved. ``lookups`` tell of every place that was looked at, the failures among them; a
    fact whose file cannot be read any more keeps its last good value.
    """

    user: str
    uid: int
    node_name: str
    variables: Mapping[str, str] = field(default_factory=dict)
    app_dirs: tuple[str, ...] = ()
    static: Optional[StaticConfig] = None
    node_id: Optional[int] = None
    cm_agent: Optional[CmAgentSettings] = None
    cm_server: Optional[CmServerSettings] = None
    resources: tuple[CmResource, ...] = ()
    datanodes: tuple[Datanode, ...] = ()
    dss: Optional[DssInstance] = None
    hosts: Mapping[str, tuple[IPAddress, ...]] = field(default_factory=dict)
    lookups: tuple[Lookup, ...] = ()

    @property
    def gausshome(self) -> str:
        """The installation's directory as the environment gives it; empty if not known."""
        return self.variables.get("GAUSSHOME", "")

    @property
    def gausslog(self) -> str:
        """The cluster's log directory; empty if not known."""
        return self.variables.get("GAUSSLOG", "")

    @property
    def dss_home(self) -> str:
        """DSS' directory; empty if not known, and without resource pooling."""
        return self.variables.get("DSS_HOME", "")

    @property
    def cluster_name(self) -> str:
        """The name that the cluster was given when it was installed; empty if not known."""
        return self.variables.get("GS_CLUSTER_NAME", "")

    @property
    def node(self) -> Optional[StaticNode]:
        """This node in the static config; None without one."""
        if self.static is None or self.node_id is None:
            return None
        return next((node for node in self.static.nodes if node.node_id == self.node_id), None)

    @property
    def resource_pooling(self) -> bool:
        """Whether scripts start the datanodes on shared storage, and not cm_agent itself.

        CM decides it by a resource of kind DN with a script (CM cm_misc_res.cpp
        SetSharedStorageMode); ``ss_enable_dms`` tells it where that file is not known.
        """
        by_resource = any(each.kind == "DN" and each.script for each in self.resources)
        return by_resource or any(each.settings and each.settings.dms for each in self.datanodes)

    @property
    def problems(self) -> tuple[Lookup, ...]:
        """The lookups that failed."""
        return tuple(lookup for lookup in self.lookups if lookup.failed)


@dataclass(frozen=True)
class StopMarker:
    """A marker file in $GAUSSHOME/bin; ``instance_id`` is empty for the whole node's.

    ``mtime`` is in seconds since the epoch.
    """

    marker: str
    instance_id: str
    mtime: float


class Member(NamedTuple):
    """One instance of the cluster, on whatever node."""

    node_id: str
    node_name: str
    component: str
    instance_id: str


@dataclass(frozen=True)
class NodeIdentity:
    """The node as the metrics name it; empty is "not known", and a name is always known."""

    node_name: str
    node_id: str = ""
    cluster_name: str = ""
    cluster_id: str = ""
