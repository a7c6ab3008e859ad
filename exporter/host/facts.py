"""Frozen facts of the machine that several rooms speak of: addresses, processes, port ranges."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple, Optional, Union

IPAddress = Union[IPv4Address, IPv6Address]


class ProcessId(NamedTuple):
    """A process is (pid, start time), never a pid: pids are reused.

    ``start_ticks`` is field 22 of /proc/PID/stat: clock ticks after boot.
    """

    pid: int
    start_ticks: int


@dataclass(frozen=True)
class Process:
    """What could be read of one process; an empty string or None is "could not be read".

    ``exe`` keeps the kernel's `` (deleted)`` suffix. ``start_time`` is in seconds since the
    epoch. ``data_dir`` is gaussdb's ``-D``, empty for a helper of it that serves no instance; its
    links are not followed, for that could wait for a file system that is gone. ``gausshome`` is
    from its environment. ``fds_readable`` is False when its open files could not be listed.
    ``parent_pid`` (0: not read) tells a child that a server forked a moment ago, and that still
    shows its parent's executable, from a newer start of that server. ``own_pid`` (0: not told) is
    its pid to itself, which in a container is another.
    """

    id: ProcessId
    name: str
    exe: str
    uid: int
    user: str
    start_time: float
    data_dir: Optional[str] = None
    gausshome: Optional[str] = None
    unit: str = ""
    container: str = ""
    fds_readable: bool = True
    parent_pid: int = 0
    own_pid: int = 0


@dataclass(frozen=True)
class ProcessSnapshot:
    """The processes of one user at one moment; the same generation means the same processes."""

    generation: int
    processes: tuple[Process, ...]


@dataclass(frozen=True)
class EphemeralPorts:
    """The ports that the kernel hands out by itself; both ends are included.

    From net.ipv4.ip_local_port_range and net.ipv4.ip_local_reserved_ports, which hold for IPv6,
    too.
    """

    low: int
    high: int
    reserved: frozenset[int] = frozenset()

    def includes(self, port: int) -> bool:
        """Tell whether an outgoing connection may be given this port."""
        return self.low <= port <= self.high and port not in self.reserved


@dataclass(frozen=True)
class UnitContents:
    """What runs in a systemd service: pids, names of programs, and whether it has groups below."""

    pids: frozenset[int]
    programs: frozenset[str]
    divided: bool = False
