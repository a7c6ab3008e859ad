"""Frozen facts that travel between the rooms.

The words are those of the product: endpoint, holder, relation, reason, marker. Nothing here
reads the host, and nothing of this package is imported.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import NamedTuple, Optional

from exporter.host.facts import IPAddress, Process


class Relation(str, enum.Enum):
    """Whose process a holder is, seen from one endpoint."""

    OWN = "own"
    LEFTOVER = "leftover"
    SIBLING = "sibling"
    FOREIGN = "foreign"
    UNIDENTIFIED = "unidentified"


class Reason(str, enum.Enum):
    """What stops a start; the order is that of precedence."""

    FOREIGN_LISTENER = "foreign_listener"
    IPV6_LISTENER = "ipv6_listener"
    BOUND_NOT_LISTENING = "bound_not_listening"
    OTHER_ADDRESS_LISTENER = "other_address_listener"
    CONNECTION = "connection"
    LEFTOVER = "leftover"
    SIBLING = "sibling"
    UNIDENTIFIED = "unidentified"


class TcpState(enum.IntEnum):
    """The kernel's TCP states (include/net/tcp_states.h)."""

    ESTABLISHED = 1
    SYN_SENT = 2
    SYN_RECV = 3
    FIN_WAIT1 = 4
    FIN_WAIT2 = 5
    TIME_WAIT = 6
    CLOSE = 7
    CLOSE_WAIT = 8
    LAST_ACK = 9
    LISTEN = 10
    CLOSING = 11
    NEW_SYN_RECV = 12
    BOUND_INACTIVE = 13


class SocketSource(str, enum.Enum):
    """Which kernel interface the sockets were read from."""

    SOCK_DIAG = "sock_diag"
    PROCFS = "procfs"


class Attribution(str, enum.Enum):
    """How much of a stranger's process this exporter may see.

    ``none``: not even the uid of a socket; ``uid``: the uid, no process of another user;
    ``full``: pid, executable and name of every holder.
    """

    NONE = "none"
    UID = "uid"
    FULL = "full"


class EndpointKey(NamedTuple):
    """What identifies an endpoint on its node."""

    endpoint: str
    instance_id: str


@dataclass(frozen=True)
class Endpoint:
    """One TCP port of one component instance of this node.

    ``addresses`` is what the component binds: ``None`` when nobody told (any own listener then
    counts, and a start is taken to want the wildcard), the empty tuple for the wildcard.
    ``process`` is a file name, or a full path when it has a ``/``. ``precheck`` says that
    cm_agent looks for an IPv4 listener on this port before it starts the component
    (CM cma_instance_management.cpp). ``data_dir``, which has no symbolic links, tells gaussdb's
    instances apart; ``named_dir`` is the same directory by the name that CM starts gaussdb with.
    """

    endpoint: str
    instance_id: str
    port: int
    process: str
    component: str
    addresses: Optional[tuple[IPAddress, ...]] = None
    binds: bool = True
    precheck: bool = False
    data_dir: Optional[str] = None
    named_dir: Optional[str] = None
    origin: str = "config"

    @property
    def key(self) -> EndpointKey:
        """The pair by which a configuration overrides a discovered endpoint."""
        return EndpointKey(self.endpoint, self.instance_id)


class Socket(NamedTuple):
    """One TCP socket of the cluster's network namespace.

    ``family`` is 4 or 6, the socket's own; an address mapped into IPv6 (``::ffff:10.0.0.1``) is
    given as the IPv4 address that it is.
    ``uid`` means nothing while ``inode`` is 0 (TIME_WAIT and its like have no owner).
    ``v6only`` and ``cgroup_id`` are None when the kernel interface does not tell.
    """

    family: int
    state: TcpState
    address: IPAddress
    port: int
    uid: int
    inode: int
    v6only: Optional[bool] = None
    cgroup_id: Optional[int] = None


@dataclass(frozen=True)
class PidFile:
    """A pid file that CM or the database wrote; ``written`` is its mtime since the epoch."""

    component: str
    instance_id: str
    pid: int
    written: float


@dataclass(frozen=True)
class ClusterIdentity:
    """What makes a process one of this cluster's.

    ``uid`` is negative while nobody knows it. ``gausshome`` is as the environment gives it.
    ``app_dirs`` are all directories that the installation's ``app`` link has pointed to while
    this exporter ran, resolved and without a slash at the end; empty when no installation is
    known.
    """

    uid: int
    user: str
    gausshome: Optional[str] = None
    app_dirs: tuple[str, ...] = ()
    pid_files: tuple[PidFile, ...] = ()


@dataclass(frozen=True)
class Holder:
    """A process, or at low privilege only a uid, with a socket on an endpoint's port."""

    relation: Relation
    socket: Socket
    user: str
    process: Optional[Process] = None
    unit: str = ""
    container: str = ""

    @property
    def pid(self) -> int:
        """The process id; 0 when it is not known."""
        return self.process.id.pid if self.process else 0


@dataclass(frozen=True)
class PortVerdict:
    """What is true of one endpoint at one moment."""

    endpoint: Endpoint
    listening: bool
    component_up: bool
    foreign_owner: bool
    conflict: Optional[Reason] = None
    next_start_blocked: Optional[Reason] = None
    holders: tuple[Holder, ...] = ()


@dataclass(frozen=True)
class PortEvidence:
    """History of one endpoint that no socket can show; ages are in seconds.

    ``own_listener_absent_for`` is 0 while an own listener is seen. ``bind_failure_age`` is the
    age of the youngest log record that proves a failed bind with EADDRINUSE, None without one.
    """

    own_listener_absent_for: float = 0.0
    bind_failure_age: Optional[float] = None


@dataclass(frozen=True)
class SocketFacts:
    """Everything that was read of the sockets on the endpoints' ports.

    ``owners`` maps an inode to the processes that hold it; an inode that is missing was not
    found in any readable process. ``users`` names uids, ``cgroups`` gives unit and container of
    a socket's cgroup id: both only for sockets whose process is not known.
    """

    sockets: tuple[Socket, ...]
    owners: dict[int, tuple[Process, ...]] = field(default_factory=dict)
    users: dict[int, str] = field(default_factory=dict)
    cgroups: dict[int, tuple[str, str]] = field(default_factory=dict)
    source: SocketSource = SocketSource.SOCK_DIAG
    attribution: Attribution = Attribution.FULL
    sees_bound_sockets: bool = True


@dataclass(frozen=True)
class Inspection:
    """One look at a node's ports: the verdicts and what they rest on.

    ``duplicates`` share their port with another endpoint, ``address_missing`` must bind an address
    that is on no interface of the cluster's network namespace, ``ephemeral`` have a port that the
    kernel may hand out (None: the range may not be read, in another network namespace than ours).
    ``stoppable`` has (unit, pid) of the holders whose unit may be stopped as a whole.
    """

    verdicts: tuple[PortVerdict, ...]
    facts: SocketFacts
    duplicates: frozenset[EndpointKey] = frozenset()
    address_missing: frozenset[EndpointKey] = frozenset()
    ephemeral: Optional[frozenset[EndpointKey]] = None
    stoppable: frozenset[tuple[str, int]] = frozenset()
