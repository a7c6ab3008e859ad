"""A host that the test sets, in the place of every source that a look at the ports asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Optional

from exporter.host.clock import Clock
from exporter.host.facts import EphemeralPorts, IPAddress, Process, ProcessSnapshot, UnitContents
from exporter.ports.facts import (
    Attribution,
    Endpoint,
    Inspection,
    Socket,
    SocketSource,
    TcpState,
)
from exporter.ports.inspector import PortInspector, Sources
from tests.support.facts import CLUSTER, endpoint

HERE = "10.77.0.2"
NOTHING_RUNS = ProcessSnapshot(0, ())


@dataclass
class FakeHost:
    """A host whose sockets the test sets; it is its own clock, and it counts the dear reads."""

    sockets: list[tuple[Socket, tuple[Process, ...]]] = field(default_factory=list)
    vanishing: list[Socket] = field(default_factory=list)
    now: float = 1000.0
    cost: float = 0.0
    reads: int = 0
    failed_bind: Optional[float] = None
    source: SocketSource = SocketSource.SOCK_DIAG
    sees_bound_sockets: bool = True
    attribution: Attribution = Attribution.FULL
    snapshot: ProcessSnapshot = NOTHING_RUNS
    located: tuple[int, ...] = ()
    units: dict[str, UnitContents] = field(default_factory=dict)

    def listening(self, ports: frozenset[int]) -> list[Socket]:
        """Return the listeners; those that vanish are listed one last time."""
        gone, self.vanishing = self.vanishing, []
        return [s for s in self._every(ports) if s.state is TcpState.LISTEN] + gone

    def all_states(self, ports: frozenset[int]) -> list[Socket]:
        """Return everything, and let the clock go on by what that costs."""
        self.reads += 1
        self.now += self.cost
        return self._every(ports)

    def _every(self, ports: frozenset[int]) -> list[Socket]:
        return [one for one, _ in self.sockets if one.port in ports]

    def owners(self, sockets: Sequence[Socket]) -> Mapping[int, tuple[Process, ...]]:
        """Return the holders that the test gave."""
        inodes = {one.inode for one in sockets}
        return {one.inode: who for one, who in self.sockets if who and one.inode in inodes}

    def of_user(self, uid: int) -> ProcessSnapshot:
        """Return the holders that are this user's."""
        processes = tuple(p for _, who in self.sockets for p in who if p.uid == uid)
        if processes != self.snapshot.processes:
            self.snapshot = ProcessSnapshot(self.snapshot.generation + 1, processes)
        return self.snapshot

    def locate(self, pids: Iterable[int]) -> None:
        """Note which processes are the cluster's."""
        self.located = tuple(pids)

    def user(self, uid: int) -> str:
        """Name a user."""
        return f"user{uid}"

    def cgroup(self, cgroup_id: int) -> tuple[str, str]:
        """Name a cgroup."""
        return (f"unit{cgroup_id}.service", "")

    def contents(self, unit: str) -> Optional[UnitContents]:
        """Return what the test put into a service."""
        return self.units.get(unit)

    def ephemeral_ports(self) -> Optional[EphemeralPorts]:
        """Return the usual range."""
        return EphemeralPorts(32768, 60999)

    def interface_addresses(self) -> frozenset[IPAddress]:
        """Return this node's one address."""
        return frozenset((ip_address(HERE),))

    def look(self, inspector: PortInspector) -> Inspection:
        """Look once, one second after the last time."""
        self.now += 1
        return inspector.inspect()

    def sources(self) -> Sources:
        """Stand in for everything that a look asks."""
        return Sources(
            processes=self.of_user,
            locate=self.locate,
            sockets=self,
            owners=self.owners,
            attribution=lambda: self.attribution,
            user=self.user,
            placement=self.cgroup,
            unit=self.contents,
            ephemeral_ports=self.ephemeral_ports,
            addresses=self.interface_addresses,
        )

    def inspector(
        self, endpoints: tuple[Endpoint, ...] = (endpoint("cm_server", HERE),)
    ) -> PortInspector:
        """Make an inspector of these endpoints on this host."""
        return PortInspector(
            endpoints=lambda: endpoints,
            identity=lambda: CLUSTER,
            sources=self.sources(),
            clock=Clock(monotonic=lambda: self.now, cpu=lambda: self.now),
            bind_failure_age=lambda _port: self.failed_bind,
        )
