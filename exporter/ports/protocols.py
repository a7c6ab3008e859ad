"""What a look at the ports asks of the host, and how; the answers are facts of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Callable, Optional, Protocol

from exporter.host.facts import EphemeralPorts, IPAddress, Process
from exporter.ports.facts import Attribution, Socket, SocketSource, UnitContents


class SocketReader(Protocol):
    """Reads the TCP sockets of the cluster's network namespace; raises SourceError."""

    @property
    def source(self) -> SocketSource:
        """The kernel interface in use."""

    @property
    def sees_bound_sockets(self) -> bool:
        """Whether this kernel shows sockets that are bound without listening."""

    def listening(self, ports: frozenset[int]) -> Sequence[Socket]:
        """Return the listeners on these ports."""

    def all_states(self, ports: frozenset[int]) -> Sequence[Socket]:
        """Return the sockets of every state whose local port is one of these."""


class OwnerReader(Protocol):
    """Finds the processes that hold a socket."""

    @property
    def attribution(self) -> Attribution:
        """How much of a stranger's process can be seen."""

    def owners(self, sockets: Sequence[Socket]) -> Mapping[int, tuple[Process, ...]]:
        """Map each inode to all processes that hold it, as far as they can be read."""


class ProcessReader(Protocol):
    """Lists the processes of a user."""

    def of_user(self, uid: int) -> Sequence[Process]:
        """Return the processes of this uid; the same sequence only while nothing changed."""


class NameReader(Protocol):
    """Names what a socket alone tells: its uid and its cgroup."""

    def user(self, uid: int) -> str:
        """Return the user's name, the number where it has none."""

    def cgroup(self, cgroup_id: int) -> tuple[str, str]:
        """Return the cgroup's unit and container, empty where it is neither."""


class HostReader(Protocol):
    """Reads what the node is set to."""

    def ephemeral_ports(self) -> Optional[EphemeralPorts]:
        """Return the ports that the kernel hands out by itself; None where they are not told."""

    def interface_addresses(self) -> frozenset[IPAddress]:
        """Return the addresses of all interfaces in the cluster's network namespace."""


class UnitReader(Protocol):
    """Reads what runs in a systemd service."""

    def contents(self, unit: str) -> Optional[UnitContents]:
        """Return what runs in the service; None where that cannot be told."""


@dataclass(frozen=True)
class Sources:
    """Everything that a look at the ports reads."""

    sockets: SocketReader
    owners: OwnerReader
    processes: ProcessReader
    names: NameReader
    host: HostReader
    units: UnitReader


@dataclass(frozen=True)
class Clocks:
    """``monotonic`` and the processor time of the calling thread, ``cpu``, both in seconds."""

    monotonic: Callable[[], float]
    cpu: Callable[[], float]
