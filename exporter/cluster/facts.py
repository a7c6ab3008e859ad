"""The cluster as CM tells it: its words, what ``cm_ctl query`` printed, and what came of asking.

The words of every state are CM's own (CM src/cm_common/cm_misc.cpp). ``Unknown`` also stands for
a word that is not listed here. Node and instance ids stay text: they only name things.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple, Optional, Union


class ClusterState(str, enum.Enum):
    """``cluster_state``; cm_server processes are not part of it."""

    STARTING = "Starting"
    REDISTRIBUTING = "Redistributing"
    NORMAL = "Normal"
    UNAVAILABLE = "Unavailable"
    DEGRADED = "Degraded"
    NORMAL_CN_DELETED = "NormalCNDeleted"
    UNKNOWN = "Unknown"


class CmServerState(str, enum.Enum):
    """How one cm_server answered the asking node; ``Down`` does not say why it did not.

    ``Pending`` is a word of older CM, for a cm_server that answers with the role of the primary and
    a flag beside it (cm_misc.cpp server_role_to_string with two arguments). CM d712af3 has the flag
    in its message still, never set and never looked at. Whether such a primary acts is not told,
    so it is not called Primary; but it has answered.
    """

    PRIMARY = "Primary"
    STANDBY = "Standby"
    PENDING = "Pending"
    DOWN = "Down"
    SKIP = "Skip"
    INIT = "Init"
    UNKNOWN = "Unknown"

    @property
    def is_answer(self) -> bool:
        """Whether the cm_server told its role."""
        return self in {CmServerState.PRIMARY, CmServerState.STANDBY, CmServerState.PENDING}


class StaticRole(str, enum.Enum):
    """The role a datanode was installed with, not the one it plays."""

    PRIMARY = "P"
    STANDBY = "S"
    CASCADE = "C"
    DUMMY = "R"
    UNKNOWN = "Unknown"


class DatanodeRole(str, enum.Enum):
    """The role a datanode plays; ``Down`` also when its agent is not heard of."""

    PRIMARY = "Primary"
    STANDBY = "Standby"
    CASCADE_STANDBY = "Cascade Standby"
    MAIN_STANDBY = "Main Standby"
    PENDING = "Pending"
    NORMAL = "Normal"
    DOWN = "Down"
    SECONDARY = "Secondary"
    DELETED = "Deleted"
    READ_ONLY = "ReadOnly"
    OFFLINE = "Offline"
    UNKNOWN = "Unknown"


class DatanodeState(str, enum.Enum):
    """A datanode's HA state, without the ``(reason)`` or ``(NN%)`` behind it."""

    NORMAL = "Normal"
    NEED_REPAIR = "Need repair"
    STARTING = "Starting"
    WAIT_PROMOTING = "Wait promoting"
    PROMOTING = "Promoting"
    DEMOTING = "Demoting"
    CATCHUP = "Catchup"
    BUILDING = "Building"
    BUILD_FAILED = "Build failed"
    MANUALLY_STOPPED = "Manually stopped"
    DISK_DAMAGED = "Disk damaged"
    PORT_CONFLICTING = "Port conflicting"
    CORE_DUMP = "CoreDump"
    READ_ONLY = "ReadOnly"
    UNKNOWN = "Unknown"


class ResourceState(str, enum.Enum):
    """A defined resource's state; ``Deleted``: its node was kicked out."""

    ONLINE = "OnLine"
    OFFLINE = "OffLine"
    DELETED = "Deleted"
    UNKNOWN = "Unknown"


class Field(str, enum.Enum):
    """Where a word stood that is not in our vocabulary; ``row``: a line that fits no table.

    Nothing is counted for etcd, kerberos and fenced UDFs: their tables are passed over, and only
    the label is kept.
    """

    CLUSTER_STATE = "cluster_state"
    CLUSTER_FLAG = "cluster_flag"
    CM_SERVER_STATE = "cm_server_state"
    STATIC_ROLE = "static_role"
    DATANODE_ROLE = "datanode_role"
    DATANODE_STATE = "datanode_state"
    RESOURCE_STATE = "resource_state"
    ETCD_STATE = "etcd_state"
    KERBEROS_STATE = "kerberos_state"
    FENCED_UDF_STATE = "fenced_udf_state"
    ROW = "row"


class Problem(str, enum.Enum):
    """What the output itself says went wrong; the order is that of precedence."""

    ROOT = "root"
    ENVIRONMENT = "environment"
    NO_ANSWER = "no_answer"
    NO_PRIMARY = "no_primary"


class Answer(str, enum.Enum):
    """What a connection to one cm_server's address met.

    ``not_cm_server``: a program that speaks another protocol. ``closed``: a program that hung up.
    ``timeout``: nothing came back, or something accepted and stayed silent.
    """

    CONNECTED = "connected"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    NOT_CM_SERVER = "not_cm_server"
    CLOSED = "closed"
    SSL_FAILED = "ssl_failed"


class QueryOutcome(str, enum.Enum):
    """How a query ended."""

    OK = "ok"
    NO_PRIMARY = "no_primary"
    TIMEOUT = "timeout"
    REFUSED_AS_ROOT = "refused_as_root"
    WRONG_USER = "wrong_user"
    NO_ENVIRONMENT = "no_environment"
    NOT_FOUND = "not_found"
    PERMISSION_DENIED = "permission_denied"
    NOT_UNDERSTOOD = "not_understood"


class UnknownToken(NamedTuple):
    """A word that was not understood, and where it stood."""

    field: Field
    text: str


@dataclass(frozen=True)
class Place:
    """Where a row says that its instance is; empty strings for columns that were not asked for."""

    node_id: str
    node_name: str
    ip: str = ""
    az: str = ""


@dataclass(frozen=True)
class CmServer:
    """A row of CMServer State."""

    place: Place
    instance_id: str
    state: CmServerState
    data_dir: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """What no other row of this table has."""
        return (self.place.node_id, self.instance_id)


@dataclass(frozen=True)
class Datanode:
    """A row of Datanode State; ``progress`` of a build is in percent."""

    place: Place
    instance_id: str
    role: DatanodeRole
    state: DatanodeState
    static_role: Optional[StaticRole] = None
    port: Optional[int] = None
    data_dir: str = ""
    reason: str = ""
    progress: Optional[int] = None

    @property
    def key(self) -> tuple[str, ...]:
        """What no other row of this table has."""
        return (self.place.node_id, self.instance_id)


@dataclass(frozen=True)
class Resource:
    """A row of Defined Resource State; ``role`` is shown in WAL-record mode only."""

    place: Place
    resource: str
    instance_id: str
    state: ResourceState
    role: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """What no other row of this table has."""
        return (self.place.node_id, self.resource, self.instance_id)


Row = Union[CmServer, Datanode, Resource]


@dataclass(frozen=True)
class ClusterView:
    """Everything that one output tells; None is "not said".

    ``paused`` is only said together with the cluster's state, and by a line that is missing
    while there is no pause.
    """

    cluster_state: Optional[ClusterState] = None
    redistributing: Optional[bool] = None
    balanced: Optional[bool] = None
    paused: Optional[bool] = None
    cm_servers: tuple[CmServer, ...] = ()
    datanodes: tuple[Datanode, ...] = ()
    resources: tuple[Resource, ...] = ()
    problem: Optional[Problem] = None
    unknown: tuple[UnknownToken, ...] = ()


@dataclass(frozen=True)
class ServerAnswer:
    """One cm_server's answer as cm_ctl's log tells it: by node after a failure, else by address."""

    answer: Answer
    node_id: str = ""
    ip: str = ""
    port: Optional[int] = None


@dataclass(frozen=True)
class QueryReport:
    """What came of one query.

    ``view`` is None when the query did not come to an end of its own: then what was known
    before still stands. ``duration`` is in seconds, ``message`` for the log. ``answers`` holds a
    pair of node id and answer for each cm_server of which something is known. ``asked`` is False
    when nothing was run, which costs nobody anything.
    """

    outcome: QueryOutcome
    view: Optional[ClusterView] = None
    answers: tuple[tuple[str, Answer], ...] = ()
    duration: float = 0.0
    message: str = ""
    asked: bool = True


@dataclass(frozen=True)
class ClusterSnapshot:
    """What is known of the cluster now.

    ``outcome`` is that of the last query, finished or not; None before the first.
    ``finished_at`` is when the last finished one ended, in seconds since the epoch, 0 before
    the first. ``stale``: that is too long ago, and its states count as unknown.
    """

    outcome: Optional[QueryOutcome] = None
    duration: float = 0.0
    finished_at: float = 0.0
    stale: bool = True
    view: ClusterView = ClusterView()
    answers: tuple[tuple[str, Answer], ...] = ()
    unknown_tokens: tuple[tuple[Field, int], ...] = ()
