"""Sockets x processes x endpoints become verdicts. Pure.

A verdict never claims more than was seen. *Conflict*: the component does not hold what it must
bind, and a socket stops it, because bind() would fail or because cm_agent's own check would
refuse. *Next start blocked*: the component is up, but the same facts would stop its next start. A
socket that the component itself holds is never in its own way, whoever else inherited it.

Beside the verdicts: what may go wrong with a port although nothing is wrong now, and which systemd
services a page may advise to stop, because stopping ends the holder and no more. Everything that
cannot be told counts against that advice.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Optional

from exporter.config.words import ENDPOINT_WORDS
from exporter.host.facts import IPAddress, UnitContents
from exporter.ports.bind import Covers, Stage, holds_all, meets
from exporter.ports.facts import (
    ClusterIdentity,
    Endpoint,
    EndpointKey,
    Holder,
    PortEvidence,
    PortVerdict,
    Reason,
    Relation,
    Socket,
    SocketFacts,
    TcpState,
)
from exporter.ports.holders import Claim, claims_on, listed, worst_other
from exporter.ports.relation import Programs, is_opengauss

OWNERLESS_AFTER_SECONDS = 120.0
"""Ownerless sockets say nothing until the own listener was missing this long: a server that
stops leaves many of its own, and those block nothing."""

BIND_FAILURE_YOUNGER_THAN_SECONDS = 10.0
"""A log record that proves a failed bind speaks of the present only while it is this young."""

PAST_START_SECONDS = 15.0
"""A process that listens and is older than this has all ports that it opens when it starts: CM's
programs and gaussdb end when one of them cannot be had."""

_OPENED_LATE = frozenset(("datanode_heartbeat", "dms"))  # after recovery, by a thread of its own

_PRECEDENCE = {reason: place for place, reason in enumerate(Reason)}
_NOT_FOREIGN = {
    Relation.LEFTOVER: Reason.LEFTOVER,
    Relation.SIBLING: Reason.SIBLING,
    Relation.UNIDENTIFIED: Reason.UNIDENTIFIED,
}


def judge(
    endpoints: Iterable[Endpoint],
    facts: SocketFacts,
    programs: Programs,
    identity: ClusterIdentity,
    evidence: Mapping[EndpointKey, PortEvidence],
) -> tuple[PortVerdict, ...]:
    """Give the verdict on every endpoint; ``programs`` are those of the cluster's user.

    ``facts`` needs the listeners of every port, and sockets of all states for the ports whose
    own listener is missing.
    """
    by_port: dict[int, list[Socket]] = defaultdict(list)
    for socket in facts.sockets:
        by_port[socket.port].append(socket)
    verdicts = []
    for endpoint in endpoints:
        claims, up = claims_on(endpoint, by_port[endpoint.port], facts, programs, identity)
        past = evidence.get(endpoint.key, PortEvidence())
        verdicts.append(_verdict(endpoint, claims, past, up=up))
    return tuple(verdicts)


def _verdict(
    endpoint: Endpoint, claims: Sequence[Claim], evidence: PortEvidence, *, up: bool
) -> PortVerdict:
    """Judge one endpoint; ``up``: the component's process runs."""
    own = [c.socket for c in claims if c.stage is Stage.LISTENING and c.is_own]
    listening = bool(own) and holds_all(own, endpoint)
    held = listening if endpoint.binds else up
    conflict = None if held else _first(_stops(endpoint, c, evidence, up=up) for c in claims)
    blocked = None
    if up and conflict is None:
        blocked = _first(_listener_stops(endpoint, claim, up=False) for claim in claims)
    holders = listed(claims)
    return PortVerdict(
        endpoint=endpoint,
        listening=listening,
        component_up=up,
        foreign_owner=any(holder.relation is Relation.FOREIGN for holder in holders),
        conflict=conflict,
        next_start_blocked=blocked,
        holders=holders,
    )


def past_its_start(
    verdicts: Sequence[PortVerdict], evidence: Mapping[EndpointKey, PortEvidence], now: float
) -> tuple[PortVerdict, ...]:
    """Turn conflicts of components that are past their start into blocked next starts.

    A port that such a component lacks was changed in its configuration and is not in use yet: a
    stranger there harms the next start. ``verdicts`` are those of all endpoints, ``now`` is since
    the epoch.
    """
    started = _started(verdicts, now)
    return tuple(
        replace(verdict, conflict=None, next_start_blocked=verdict.conflict)
        if verdict.conflict and _only_the_next_start(verdict, started, evidence, now)
        else verdict
        for verdict in verdicts
    )


def _started(verdicts: Iterable[PortVerdict], now: float) -> dict[tuple[str, str], float]:
    """Return when each component that is past its start was started, since the epoch."""
    return {
        (verdict.endpoint.component, verdict.endpoint.instance_id): holder.process.start_time
        for verdict in verdicts
        for holder in verdict.holders
        if _listens_itself(holder)
        and holder.process
        and now - holder.process.start_time > PAST_START_SECONDS
    }


def _listens_itself(holder: Holder) -> bool:
    return holder.relation is Relation.OWN and holder.socket.state is TcpState.LISTEN


def _only_the_next_start(
    verdict: PortVerdict,
    started: Mapping[tuple[str, str], float],
    evidence: Mapping[EndpointKey, PortEvidence],
    now: float,
) -> bool:
    """Tell whether the conflict stops no start or bind of now.

    It does where the port is opened late, where a bind failed after the process' start (a reload
    of listen_addresses), and where cm_server lacks one of its addresses, which it needs all.
    """
    endpoint = verdict.endpoint
    start = started.get((endpoint.component, endpoint.instance_id))
    if (
        start is None
        or endpoint.endpoint in _OPENED_LATE
        or endpoint.endpoint not in ENDPOINT_WORDS
    ):
        return False
    if endpoint.component == "cm_server" and any(map(_listens_itself, verdict.holders)):
        return False
    age = evidence.get(endpoint.key, PortEvidence()).bind_failure_age
    return age is None or now - age < start


def _first(reasons: Iterable[Optional[Reason]]) -> Optional[Reason]:
    """Return the one reason that stands for all: the first in the order of precedence."""
    given = (reason for reason in reasons if reason is not None)
    return min(given, key=lambda reason: _PRECEDENCE[reason], default=None)


def _stops(
    endpoint: Endpoint, claim: Claim, evidence: PortEvidence, *, up: bool
) -> Optional[Reason]:
    """Tell why this socket stops a start now; ``up``: the component's process runs."""
    if claim.stage is Stage.LISTENING:
        return _listener_stops(endpoint, claim, up=up)
    relation = worst_other(claim)
    if relation is None or not endpoint.binds or meets(claim.socket, endpoint) is Covers.NO:
        return None
    if claim.stage is Stage.OWNERLESS:
        return Reason.UNIDENTIFIED if _ownerless_counts(evidence) else None
    if meets(claim.socket, endpoint) is Covers.MAYBE:
        return Reason.UNIDENTIFIED
    if claim.stage is Stage.BOUND:
        return _NOT_FOREIGN.get(relation, Reason.BOUND_NOT_LISTENING)
    return _connection_stops(relation, evidence)


def _listener_stops(endpoint: Endpoint, claim: Claim, *, up: bool) -> Optional[Reason]:
    """Tell why a listener stops a start; cm_agent looks only while no process runs (not ``up``).

    It looks for the port on any address in /proc/net/tcp, so IPv6 sockets are hidden from it
    (CM cma_common.cpp).
    """
    relation = worst_other(claim)
    if claim.stage is not Stage.LISTENING or relation is None:
        return None
    refused = endpoint.precheck and not up and claim.socket.family == 4  # noqa: PLR2004 -- IPv4
    if not endpoint.binds:
        return _NOT_FOREIGN.get(relation, Reason.FOREIGN_LISTENER) if refused else None
    met = meets(claim.socket, endpoint)
    if met is Covers.MAYBE:
        return Reason.UNIDENTIFIED
    if met is Covers.NO:
        other = _NOT_FOREIGN.get(relation, Reason.OTHER_ADDRESS_LISTENER)
        return other if refused else None
    ipv4 = claim.socket.family == 4  # noqa: PLR2004 -- the IP version
    listener = Reason.FOREIGN_LISTENER if ipv4 else Reason.IPV6_LISTENER
    return _NOT_FOREIGN.get(relation, listener)


def _connection_stops(relation: Relation, evidence: PortEvidence) -> Optional[Reason]:
    """Tell whether a connection blocks the port.

    Connections that this cluster's own processes kept from a listener that is gone block
    nothing (they have its SO_REUSEADDR), their outgoing ones do, and nothing tells them apart
    but a bind that failed.
    """
    if relation is Relation.FOREIGN:
        return Reason.CONNECTION
    return _NOT_FOREIGN[relation] if _bind_failed_now(evidence) else None


def _ownerless_counts(evidence: PortEvidence) -> bool:
    gone = evidence.own_listener_absent_for >= OWNERLESS_AFTER_SECONDS
    return gone and _bind_failed_now(evidence)


def _bind_failed_now(evidence: PortEvidence) -> bool:
    age = evidence.bind_failure_age
    return age is not None and age < BIND_FAILURE_YOUNGER_THAN_SECONDS


# They carry what does not belong to them: logins, jobs, containers, the system itself.
_CARRIES_OTHERS = re.compile(
    r"(?:cron|atd|anacron|sshd?|docker|containerd|podman|crio|cri-|kubelet|k3s|dbus|user@|session-"
    r"|systemd-|init|libvirtd|lxc)"
)
_SERVICE = re.compile(r"[A-Za-z0-9:_.@\\-]{1,128}\.service")


def may_be_stopped(unit: str, pid: int, contents: Optional[UnitContents]) -> bool:
    """Tell whether ``systemctl stop UNIT`` ends the process and harms nobody else.

    The unit must be a service of system.slice (that is what ``contents`` was read from) that is
    about itself, with the process directly in its group, no groups below it, and no program of an
    openGauss installation in it.
    """
    if contents is None or contents.divided or pid not in contents.pids:
        return False
    if not _SERVICE.fullmatch(unit) or _CARRIES_OTHERS.match(unit):
        return False
    return not any(is_opengauss(name) for name in contents.programs)


def duplicates(endpoints: Sequence[Endpoint]) -> frozenset[EndpointKey]:
    """Return the endpoints whose port another endpoint of this node has, too."""
    uses = Counter(endpoint.port for endpoint in endpoints)
    shared = [endpoint for endpoint in endpoints if uses[endpoint.port] > 1]
    return frozenset(one.key for one in shared if any(_meet(one, other) for other in shared))


def _meet(one: Endpoint, other: Endpoint) -> bool:
    """Tell whether either is in the other's way.

    Where a component does not bind the port, its own listener there is not: nobody looks while it
    runs.
    """
    if one.key == other.key or one.port != other.port:
        return False
    same = (one.component, one.instance_id) == (other.component, other.instance_id)
    return not same or (one.binds and other.binds)


def address_missing(endpoint: Endpoint, present: frozenset[IPAddress]) -> bool:
    """Tell whether an address that the component must bind is on no interface.

    Every address of 127.0.0.0/8 can be bound once the loopback interface has one.
    """
    if not endpoint.binds:
        return False
    return any(not _can_be_bound(address, present) for address in endpoint.addresses or ())


def _can_be_bound(address: IPAddress, present: frozenset[IPAddress]) -> bool:
    return address.is_unspecified or address.is_loopback or address in present
