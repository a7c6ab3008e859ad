"""Sockets x processes x endpoints become verdicts. Pure.

A verdict never claims more than was seen. *Conflict*: the component does not hold what it must
bind, and a socket stops it, because bind() would fail or because cm_agent's own check would
refuse. *Next start blocked*: the component is up, but a listener would stop its next start. A
socket that the component itself holds is never in its own way, whoever else inherited it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Optional

from exporter.ports.advice import may_be_stopped
from exporter.ports.bind import Covers, Stage, holds_all, meets
from exporter.ports.facts import (
    ClusterIdentity,
    Endpoint,
    EndpointKey,
    PortEvidence,
    PortVerdict,
    Reason,
    Relation,
    Socket,
    SocketFacts,
)
from exporter.ports.holders import Claim, Claims, claims_on, listed, own_listeners, worst_other
from exporter.ports.relation import Programs, instances

__all__ = ["Programs", "instances", "judge", "may_be_stopped"]

OWNERLESS_AFTER_SECONDS = 120.0
"""Ownerless sockets say nothing until the own listener was missing this long: a server that
stops leaves many of its own, and those block nothing."""

BIND_FAILURE_YOUNGER_THAN_SECONDS = 10.0
"""A log record that proves a failed bind speaks of the present only while it is this young."""

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
    return tuple(
        _verdict(
            endpoint,
            claims_on(endpoint, by_port[endpoint.port], facts, programs, identity),
            evidence.get(endpoint.key, PortEvidence()),
        )
        for endpoint in endpoints
    )


def _verdict(endpoint: Endpoint, found: Claims, evidence: PortEvidence) -> PortVerdict:
    claims, up = found.claims, found.component_up
    own = own_listeners(claims)
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


def _first(reasons: Iterable[Optional[Reason]]) -> Optional[Reason]:
    """Return the one reason that stands for all: the first in the order of precedence."""
    found = [reason for reason in reasons if reason is not None]
    return min(found, key=lambda reason: _PRECEDENCE[reason]) if found else None


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
