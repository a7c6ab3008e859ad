"""The cluster as CM tells it: what ``cm_ctl query`` printed, and what came of asking.

Node and instance ids stay text: they only name things.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Optional, Union

from exporter.cluster.words import (
    Answer,
    ClusterState,
    CmServerState,
    DatanodeRole,
    DatanodeState,
    EtcdState,
    Field,
    KerberosState,
    Problem,
    QueryOutcome,
    ResourceState,
    StaticRole,
)


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


@dataclass(frozen=True)
class Etcd:
    """A row of ETCD State."""

    place: Place
    instance_id: str
    state: EtcdState
    data_dir: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """What no other row of this table has."""
        return (self.place.node_id, self.instance_id)


@dataclass(frozen=True)
class Kerberos:
    """A row of Kerberos State."""

    place: Place
    port: int
    state: KerberosState

    @property
    def key(self) -> tuple[str, ...]:
        """What no other row of this table has."""
        return (self.place.node_id, str(self.port))


@dataclass(frozen=True)
class FencedUdf:
    """A row of Fenced UDF State; its words are those of a datanode's role."""

    place: Place
    state: DatanodeRole

    @property
    def key(self) -> tuple[str, ...]:
        """What no other row of this table has."""
        return (self.place.node_id,)


Row = Union[CmServer, Datanode, Resource, Etcd, Kerberos, FencedUdf]


@dataclass(frozen=True)
class ClusterView:
    """Everything that one output tells; None is "not said".

    ``paused`` is only said together with the cluster's state, and by a line that is missing
    while there is no pause.
    """

    cluster_state: Optional[ClusterState] = None
    redistributing: Optional[bool] = None
    balanced: Optional[bool] = None
    current_az: str = ""
    paused: Optional[bool] = None
    wal_record: Optional[bool] = None
    cm_servers: tuple[CmServer, ...] = ()
    datanodes: tuple[Datanode, ...] = ()
    resources: tuple[Resource, ...] = ()
    etcds: tuple[Etcd, ...] = ()
    kerberos: tuple[Kerberos, ...] = ()
    fenced_udfs: tuple[FencedUdf, ...] = ()
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
