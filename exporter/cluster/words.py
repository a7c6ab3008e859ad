"""The closed sets of words in which CM speaks of its cluster, and ours for asking it.

The words of every state are CM's own (CM src/cm_common/cm_misc.cpp). ``Unknown`` also stands for
a word that is not listed here.
"""

from __future__ import annotations

import enum


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


class EtcdState(str, enum.Enum):
    """An etcd's state; lite clusters have none."""

    LEADER = "StateLeader"
    FOLLOWER = "StateFollower"
    DOWN = "Down"
    SKIP = "Skip"
    UNKNOWN = "Unknown"


class KerberosState(str, enum.Enum):
    """A kerberos server's state."""

    NORMAL = "Normal"
    ABNORMAL = "Abnormal"
    DOWN = "Down"
    UNKNOWN = "Unknown"


class Field(str, enum.Enum):
    """Where a word stood that is not in our vocabulary; ``row``: a line that fits no table."""

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
