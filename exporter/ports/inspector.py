"""One look at the node's ports: asks the sources in the cheapest order, then the verdicts.

Listeners are read at every look; the same facts as at the last one are not judged again. Sockets
of all states are read only for the ports whose own listener is missing, because on a host with many
connections that read is the dear one: where it takes more than a moment it may take one fiftieth of
the time, and waits five seconds at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Callable, Optional

from exporter.host.facts import IPAddress, Process
from exporter.ports.advice import may_be_stopped
from exporter.ports.facts import (
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
from exporter.ports.protocols import Clocks, ProcessReader, Sources
from exporter.ports.relation import Programs
from exporter.ports.risks import address_missing
from exporter.ports.verdict import judge

__all__ = [
    "ALL_STATES_LONGEST_WAIT_SECONDS",
    "Clocks",
    "PortInspector",
    "ProcessReader",
    "Sources",
    "no_bind_failure",
]

ALL_STATES_CHEAP_SECONDS = 0.03
ALL_STATES_SHARE = 50
ALL_STATES_LONGEST_WAIT_SECONDS = 5.0


@dataclass(frozen=True)
class _AllStates:
    """The last read of sockets of all states, and when the next may come."""

    sockets: tuple[Socket, ...] = ()
    owned: frozenset[int] = frozenset()
    not_before: float = 0.0


class _Running:
    """The processes of a user as they were last listed."""

    def __init__(self, processes: Sequence[Process], uid: int) -> None:
        self.processes = processes
        self.uid = uid
        self.programs = Programs(processes, uid)


@dataclass(frozen=True)
class _Judged:
    """The last verdicts without evidence of the past, and what they were given on."""

    asked: tuple[object, ...] = ()
    verdicts: tuple[PortVerdict, ...] = ()


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


def _replaced(
    verdicts: Iterable[PortVerdict], anew: Iterable[PortVerdict]
) -> tuple[PortVerdict, ...]:
    """Put those that were judged anew in the places of the same endpoints' earlier ones."""
    by_key = {verdict.endpoint.key: verdict for verdict in anew}
    return tuple(by_key.get(verdict.endpoint.key, verdict) for verdict in verdicts)


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
        clocks: Clocks,
        bind_failure_age: Callable[[int], Optional[float]] = no_bind_failure,
    ) -> None:
        self._endpoints = endpoints
        self._identity = identity
        self._sources = sources
        self._clocks = clocks
        self._bind_failure_age = bind_failure_age
        self._all_states = _AllStates()
        self._own_listener_seen: dict[EndpointKey, float] = {}
        self._running = _Running((), -1)
        self._judged = _Judged()

    def inspect(self) -> Inspection:
        """Look once; raises SourceError when the sockets cannot be read at all."""
        endpoints, identity = self._endpoints(), self._identity()
        programs = self._programs(identity.uid)
        facts = self._listeners(frozenset(e.port for e in endpoints))
        verdicts = self._judge(endpoints, facts, programs, identity)
        missing = frozenset(v.endpoint.port for v in verdicts if _lacks_listener(v))
        self._remember(verdicts)
        addresses = self._sources.host.interface_addresses()
        if missing:
            facts = self._with_all_states(facts, missing)
            again = [e for e in endpoints if e.port in missing]
            evidence = self._evidence(again, addresses)
            judged = judge(again, facts, programs, identity, evidence)
            verdicts = _replaced(verdicts, judged)
        ephemeral = self._sources.host.ephemeral_ports()
        return Inspection(verdicts, facts, ephemeral, addresses, self._stoppable(verdicts))

    def _judge(
        self,
        endpoints: tuple[Endpoint, ...],
        facts: SocketFacts,
        programs: Programs,
        identity: ClusterIdentity,
    ) -> tuple[PortVerdict, ...]:
        """Judge by what is there now; what was judged at the last look stays as it is."""
        asked = (endpoints, facts, programs, identity)
        if asked != self._judged.asked:
            self._judged = _Judged(asked, judge(*asked, {}))
        return self._judged.verdicts

    def _programs(self, uid: int) -> Programs:
        """Sort the user's processes by program, anew only when one of them changed."""
        processes = self._sources.processes.of_user(uid)
        if processes is not self._running.processes or uid != self._running.uid:
            self._running = _Running(processes, uid)
        return self._running.programs

    def _stoppable(self, verdicts: Iterable[PortVerdict]) -> frozenset[tuple[str, int]]:
        """Find the foreign holders that can be ended by stopping their service."""
        held = {
            (holder.unit, holder.pid)
            for verdict in verdicts
            if verdict.conflict or verdict.next_start_blocked
            for holder in verdict.holders
            if holder.relation is Relation.FOREIGN and holder.process and holder.unit
        }
        contents = {unit: self._sources.units.contents(unit) for unit, _ in held}
        return frozenset(
            (unit, pid) for unit, pid in held if may_be_stopped(unit, pid, contents[unit])
        )

    def _listeners(self, ports: frozenset[int]) -> SocketFacts:
        reader = self._sources.sockets
        sockets = tuple(reader.listening(ports)) if ports else ()
        owners = self._sources.owners.owners(sockets)
        if any(socket.inode not in owners for socket in sockets):
            # Its process may have gone meanwhile: what is not listed a second time is no fact.
            still = {socket.inode for socket in reader.listening(ports)}
            sockets = tuple(s for s in sockets if s.inode in owners or s.inode in still)
        return self._named(SocketFacts(sockets, dict(owners), source=reader.source))

    def _with_all_states(self, facts: SocketFacts, ports: frozenset[int]) -> SocketFacts:
        sockets = self._sockets_of_all_states(ports)
        owners = dict(self._sources.owners.owners(sockets))
        vanished = self._all_states.owned - owners.keys()
        others = tuple(s for s in sockets if s.inode not in vanished)
        self._all_states = replace(
            self._all_states, owned=self._all_states.owned | frozenset(owners)
        )
        return self._named(
            replace(facts, sockets=facts.sockets + others, owners={**owners, **facts.owners})
        )

    def _sockets_of_all_states(self, ports: frozenset[int]) -> tuple[Socket, ...]:
        last = self._all_states
        if self._clocks.monotonic() < last.not_before:
            return tuple(socket for socket in last.sockets if socket.port in ports)
        start = self._clocks.cpu()
        read = self._sources.sockets.all_states(ports)
        sockets = tuple(s for s in read if s.state is not TcpState.LISTEN)
        pause = _pause(self._clocks.cpu() - start)
        self._all_states = _AllStates(sockets, frozenset(), self._clocks.monotonic() + pause)
        return sockets

    def _named(self, facts: SocketFacts) -> SocketFacts:
        """Add the names of users and cgroups for sockets whose process is not known."""
        unknown = [s for s in facts.sockets if s.inode and s.inode not in facts.owners]
        names = self._sources.names
        cgroup_ids = {s.cgroup_id for s in unknown if s.cgroup_id}
        return replace(
            facts,
            users={uid: names.user(uid) for uid in {s.uid for s in unknown}},
            cgroups={each: names.cgroup(each) for each in cgroup_ids},
            attribution=self._sources.owners.attribution,
            sees_bound_sockets=self._sources.sockets.sees_bound_sockets,
        )

    def _remember(self, verdicts: Iterable[PortVerdict]) -> None:
        """Note when an own listener was seen; before the first look none was missing yet."""
        now = self._clocks.monotonic()
        for verdict in verdicts:
            seen = verdict.listening or verdict.endpoint.key not in self._own_listener_seen
            if seen:
                self._own_listener_seen[verdict.endpoint.key] = now

    def _evidence(
        self, endpoints: Iterable[Endpoint], addresses: frozenset[IPAddress]
    ) -> dict[EndpointKey, PortEvidence]:
        now = self._clocks.monotonic()
        return {
            endpoint.key: PortEvidence(
                own_listener_absent_for=now - self._own_listener_seen[endpoint.key],
                bind_failure_age=self._failed_bind_age(endpoint, addresses),
            )
            for endpoint in endpoints
        }

    def _failed_bind_age(
        self, endpoint: Endpoint, addresses: frozenset[IPAddress]
    ) -> Optional[float]:
        """Tell how long ago a bind found the port taken; None if none did, or that is not sure.

        cm_server writes the same of an address that is on no interface (CM pqcomm.cpp), so that
        its record proves nothing while one is missing.
        """
        missing = address_missing(endpoint, addresses)
        return None if missing else self._bind_failure_age(endpoint.port)
