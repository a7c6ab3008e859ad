"""One look at the node's ports: asks the sources in the cheapest order, then the verdicts.

Listeners are read at every look; the same facts as at the last one are not judged again. Sockets
of all states are read only for the ports whose own listener is missing, because on a host with many
connections that read is the dear one: where it takes more than a moment it may take one fiftieth of
the time, and waits five seconds at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Callable, Optional

from exporter.host.clock import Clock
from exporter.host.facts import (
    EphemeralPorts,
    IPAddress,
    Process,
    ProcessSnapshot,
    UnitContents,
)
from exporter.ports.facts import (
    Attribution,
    ClusterIdentity,
    Endpoint,
    EndpointKey,
    Inspection,
    PortEvidence,
    PortVerdict,
    Relation,
    Socket,
    SocketFacts,
    TcpState,
)
from exporter.ports.proc_net import SocketReader
from exporter.ports.relation import Programs, is_of_cluster
from exporter.ports.verdict import (
    address_missing,
    duplicates,
    judge,
    may_be_stopped,
    past_its_start,
)

ALL_STATES_CHEAP_SECONDS = 0.03
ALL_STATES_SHARE = 50
ALL_STATES_LONGEST_WAIT_SECONDS = 5.0


@dataclass(frozen=True)
class Sources:
    """What a look at the ports asks of the host; each may raise SourceError.

    ``processes`` lists those of a user. ``locate`` is told the pids of the cluster's own at every
    look: the sockets, the ports and the addresses that count are where those live. ``owners`` maps
    the inode of a socket to all processes that hold it, as far as they can be read, and
    ``attribution`` is how much of a stranger's can be seen. ``user`` names a uid, ``placement`` the
    unit and the container of a cgroup id. ``unit`` is what runs in a systemd service, None where
    that cannot be told.
    """

    processes: Callable[[int], ProcessSnapshot]
    locate: Callable[[Iterable[int]], None]
    sockets: SocketReader
    owners: Callable[[Sequence[Socket]], Mapping[int, tuple[Process, ...]]]
    attribution: Callable[[], Attribution]
    user: Callable[[int], str]
    placement: Callable[[int], tuple[str, str]]
    unit: Callable[[str], Optional[UnitContents]]
    ephemeral_ports: Callable[[], Optional[EphemeralPorts]]
    addresses: Callable[[], frozenset[IPAddress]]


@dataclass(frozen=True)
class _AllStates:
    """The last read of sockets of all states, and when the next may come."""

    sockets: tuple[Socket, ...] = ()
    owned: frozenset[int] = frozenset()
    not_before: float = 0.0


def _pause(cost: float) -> float:
    """Return for how long a read that cost so much processor time is good; both in seconds."""
    if cost < ALL_STATES_CHEAP_SECONDS:
        return 0.0
    return min(ALL_STATES_SHARE * cost, ALL_STATES_LONGEST_WAIT_SECONDS)


def _lacks_listener(verdict: PortVerdict) -> bool:
    """Tell whether sockets of any state may be in the way of the endpoint's component now.

    Where nobody binds, only listeners are, for cm_agent's check looks at nothing else.
    """
    return verdict.endpoint.binds and not verdict.listening


def _ephemeral(
    endpoints: Iterable[Endpoint], ports: Optional[EphemeralPorts]
) -> Optional[frozenset[EndpointKey]]:
    """Return the endpoints whose port the kernel may hand out; None where that is not known."""
    if ports is None:
        return None
    return frozenset(e.key for e in endpoints if ports.includes(e.port))


def no_bind_failure(port: int) -> Optional[float]:  # noqa: ARG001 -- the shape of the argument
    """Stand in for the logs where none are followed: no failed bind is known."""
    return None


class PortInspector:
    """Looks at the ports. Not for several threads at once.

    ``endpoints`` and ``identity`` are asked at every look, so that a reload or an installation
    that appears counts from the next one. ``bind_failure_age`` gives the age in seconds of the
    youngest log record of a bind that failed on a port.
    """

    def __init__(
        self,
        endpoints: Callable[[], tuple[Endpoint, ...]],
        identity: Callable[[], ClusterIdentity],
        sources: Sources,
        clock: Clock,
        bind_failure_age: Callable[[int], Optional[float]] = no_bind_failure,
    ) -> None:
        self._endpoints = endpoints
        self._identity = identity
        self._sources = sources
        self._clock = clock
        self._bind_failure_age = bind_failure_age
        self._all_states = _AllStates()
        self._own_listener_seen: dict[EndpointKey, float] = {}
        self._listed: tuple[object, ...] = ()  # what the next three came of
        self._programs = Programs((), -1)
        self._cluster_pids: tuple[int, ...] = ()
        self._judged: tuple[object, ...] = ()  # what the verdicts came of
        self._verdicts: tuple[PortVerdict, ...] = ()

    def inspect(self) -> Inspection:
        """Look once; raises SourceError when the sockets cannot be read at all."""
        endpoints, identity = self._endpoints(), self._identity()
        self._list_processes(identity)
        facts = self._listeners(frozenset(endpoint.port for endpoint in endpoints))
        verdicts = self._judge(endpoints, facts, identity)
        self._remember(verdicts)
        addresses = self._sources.addresses()
        unbindable = frozenset(e.key for e in endpoints if address_missing(e, addresses))
        missing = frozenset(v.endpoint.port for v in verdicts if _lacks_listener(v))
        if missing:
            facts = self._with_all_states(facts, missing)
            again = [endpoint for endpoint in endpoints if endpoint.port in missing]
            evidence = self._evidence(again, unbindable)
            anew = {
                v.endpoint.key: v for v in judge(again, facts, self._programs, identity, evidence)
            }
            verdicts = tuple(anew.get(v.endpoint.key, v) for v in verdicts)
            verdicts = past_its_start(verdicts, evidence, self._clock.wall())
        return Inspection(
            verdicts,
            facts,
            duplicates=duplicates(endpoints),
            address_missing=unbindable,
            ephemeral=_ephemeral(endpoints, self._sources.ephemeral_ports()),
            stoppable=self._stoppable(verdicts),
        )

    def _list_processes(self, identity: ClusterIdentity) -> None:
        """List the user's processes, and sort them anew only when one of them changed."""
        snapshot = self._sources.processes(identity.uid)
        listed = (snapshot.generation, identity)
        if listed != self._listed:
            self._listed = listed
            self._programs = Programs(snapshot.processes, identity.uid)
            self._cluster_pids = tuple(
                p.id.pid for p in snapshot.processes if is_of_cluster(p, identity)
            )
        self._sources.locate(self._cluster_pids)

    def _judge(
        self, endpoints: tuple[Endpoint, ...], facts: SocketFacts, identity: ClusterIdentity
    ) -> tuple[PortVerdict, ...]:
        """Judge by what is there now; what was judged at the last look stays as it is."""
        judged = (self._listed, endpoints, facts)
        if judged != self._judged:
            self._judged = judged
            self._verdicts = judge(endpoints, facts, self._programs, identity, {})
        return self._verdicts

    def _stoppable(self, verdicts: Iterable[PortVerdict]) -> frozenset[tuple[str, int]]:
        """Find the foreign holders that can be ended by stopping their service."""
        held = {
            (holder.unit, holder.pid)
            for verdict in verdicts
            if verdict.conflict or verdict.next_start_blocked
            for holder in verdict.holders
            if holder.relation is Relation.FOREIGN and holder.process and holder.unit
        }
        contents = {unit: self._sources.unit(unit) for unit, _ in held}
        return frozenset(
            (unit, pid) for unit, pid in held if may_be_stopped(unit, pid, contents[unit])
        )

    def _listeners(self, ports: frozenset[int]) -> SocketFacts:
        reader = self._sources.sockets
        sockets = tuple(reader.listening(ports)) if ports else ()
        owners = self._sources.owners(sockets)
        if any(socket.inode not in owners for socket in sockets):
            # Its process may have gone meanwhile: what is not listed a second time is no fact.
            still = {socket.inode for socket in reader.listening(ports)}
            sockets = tuple(s for s in sockets if s.inode in owners or s.inode in still)
        return self._facts(sockets, owners)

    def _with_all_states(self, listeners: SocketFacts, ports: frozenset[int]) -> SocketFacts:
        sockets = self._sockets_of_all_states(ports)
        owners = self._sources.owners(sockets)
        vanished = self._all_states.owned - owners.keys()
        others = tuple(s for s in sockets if s.inode not in vanished)
        owned = self._all_states.owned | frozenset(owners)
        self._all_states = replace(self._all_states, owned=owned)
        return self._facts(listeners.sockets + others, {**owners, **listeners.owners})

    def _sockets_of_all_states(self, ports: frozenset[int]) -> tuple[Socket, ...]:
        last = self._all_states
        if self._clock.monotonic() < last.not_before:
            return tuple(socket for socket in last.sockets if socket.port in ports)
        start = self._clock.cpu()
        read = self._sources.sockets.all_states(ports)
        sockets = tuple(s for s in read if s.state is not TcpState.LISTEN)
        pause = _pause(self._clock.cpu() - start)
        self._all_states = _AllStates(sockets, frozenset(), self._clock.monotonic() + pause)
        return sockets

    def _facts(
        self, sockets: tuple[Socket, ...], owners: Mapping[int, tuple[Process, ...]]
    ) -> SocketFacts:
        """Add the names of users and cgroups for sockets whose process is not known."""
        unknown = [socket for socket in sockets if socket.inode and socket.inode not in owners]
        groups = {socket.cgroup_id for socket in unknown if socket.cgroup_id}
        return SocketFacts(
            sockets,
            dict(owners),
            users={uid: self._sources.user(uid) for uid in {s.uid for s in unknown}},
            cgroups={group: self._sources.placement(group) for group in groups},
            source=self._sources.sockets.source,
            attribution=self._sources.attribution(),
            sees_bound_sockets=self._sources.sockets.sees_bound_sockets,
        )

    def _remember(self, verdicts: Iterable[PortVerdict]) -> None:
        """Note when an own listener was seen; before the first look none was missing yet."""
        now = self._clock.monotonic()
        for verdict in verdicts:
            if verdict.listening or verdict.endpoint.key not in self._own_listener_seen:
                self._own_listener_seen[verdict.endpoint.key] = now

    def _evidence(
        self, endpoints: Iterable[Endpoint], unbindable: frozenset[EndpointKey]
    ) -> dict[EndpointKey, PortEvidence]:
        """Tell what no socket shows.

        Of an endpoint whose address is on no interface no failed bind is told: cm_server writes
        the same record then as when its port is taken (CM pqcomm.cpp).
        """
        now = self._clock.monotonic()
        return {
            endpoint.key: PortEvidence(
                own_listener_absent_for=now - self._own_listener_seen[endpoint.key],
                bind_failure_age=None
                if endpoint.key in unbindable
                else self._bind_failure_age(endpoint.port),
            )
            for endpoint in endpoints
        }
