"""Sockets become holders: who has the port, each process once for each address."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Optional

from exporter.host.facts import Process
from exporter.ports.bind import Stage, stage
from exporter.ports.facts import ClusterIdentity, Endpoint, Holder, Relation, Socket, SocketFacts
from exporter.ports.relation import (
    Programs,
    instances,
    is_named,
    is_of_cluster,
    relation_of,
    relation_of_unknown,
)

_ORDER = {
    Relation.FOREIGN: 0,
    Relation.LEFTOVER: 1,
    Relation.SIBLING: 2,
    Relation.UNIDENTIFIED: 3,
    Relation.OWN: 4,
}


@dataclass(frozen=True)
class Claim:
    """A socket on the endpoint's port with everybody who holds it."""

    socket: Socket
    stage: Stage
    holders: tuple[Holder, ...]

    @property
    def is_own(self) -> bool:
        """Whether the component itself holds the socket; who inherited it is not in the way."""
        return any(holder.relation is Relation.OWN for holder in self.holders)

    @property
    def relation(self) -> Relation:
        """The relation that decides: that of the worst holder."""
        return min((h.relation for h in self.holders), key=lambda r: _ORDER[r])


def claims_on(
    endpoint: Endpoint,
    sockets: Sequence[Socket],
    facts: SocketFacts,
    programs: Programs,
    identity: ClusterIdentity,
) -> tuple[tuple[Claim, ...], bool]:
    """Find out for each socket on the endpoint's port who holds it.

    Tells, too, whether the component's process runs.
    """
    processes = {p.id: p for p in programs.like(endpoint.process)}
    processes.update({p.id: p for s in sockets for p in facts.owners.get(s.inode, ())})
    running = instances(endpoint, processes.values(), identity)
    attribution = _Attribution(endpoint, facts, identity, running)
    claims = tuple(Claim(s, stage(s), attribution.holders(s)) for s in sockets)
    return claims, bool(running) or any(claim.is_own for claim in claims)


@dataclass(frozen=True)
class _Attribution:
    """Attributes the sockets of a port; ``running`` are the endpoint's instances, newest first."""

    endpoint: Endpoint
    facts: SocketFacts
    identity: ClusterIdentity
    running: tuple[Process, ...]

    def holders(self, socket: Socket) -> tuple[Holder, ...]:
        owners = self.facts.owners.get(socket.inode) or self._hidden_owner(socket)
        if not owners:
            return (self._by_uid(socket),)
        inherited = any(is_of_cluster(owner, self.identity) for owner in owners)
        return tuple(self._by_process(socket, owner, inherited=inherited) for owner in owners)

    def _hidden_owner(self, socket: Socket) -> tuple[Process, ...]:
        """Return the component's process when its files are hidden and nobody else's can be.

        Of several the one that a pid file names: the others may be another installation's.
        """
        if socket.inode == 0 or socket.uid != self.identity.uid:
            return ()
        named = tuple(p for p in self.running if is_named(p, self.endpoint, self.identity))
        return tuple(p for p in (named or self.running)[:1] if not p.fds_readable)

    def _by_process(self, socket: Socket, owner: Process, *, inherited: bool) -> Holder:
        newest = self.running[0] if self.running else None
        relation = relation_of(self.endpoint, owner, self.identity, newest)
        if inherited and relation in (Relation.FOREIGN, Relation.UNIDENTIFIED):
            relation = Relation.SIBLING
        return Holder(relation, socket, owner.user, owner, owner.unit, owner.container)

    def _by_uid(self, socket: Socket) -> Holder:
        relation = relation_of_unknown(socket, self.identity)
        user = self.facts.users.get(socket.uid, "") if socket.inode else ""
        unit, container = self.facts.cgroups.get(socket.cgroup_id or 0, ("", ""))
        return Holder(relation, socket, user, None, unit, container)


def listed(claims: Iterable[Claim]) -> tuple[Holder, ...]:
    """List the holders for people: worst first, each process once for each address.

    Sockets without an owner are nobody's. Accepted connections stand under a listener: the own
    one's are left out, and a process that listens is not listed again for what it accepted.
    """
    sockets = [claim for claim in claims if claim.stage is not Stage.OWNERLESS]
    listeners = [claim for claim in sockets if claim.stage is Stage.LISTENING]
    own = [claim for claim in listeners if claim.is_own]
    best: dict[tuple[object, ...], Holder] = {}
    for claim in sorted(sockets, key=lambda c: c.stage.value):
        if claim.stage is Stage.CONNECTED and any(accepted(claim, one) for one in own):
            continue
        for holder in claim.holders:
            if claim.stage is Stage.CONNECTED and _listens(holder, listeners):
                continue
            best.setdefault((_who(holder), holder.relation, holder.socket.address), holder)
    return tuple(sorted(best.values(), key=_rank))


def accepted(connection: Claim, listener: Claim) -> bool:
    """Tell whether the connection can have come in through the listener."""
    where = listener.socket.address
    return where.is_unspecified or where == connection.socket.address


def _who(holder: Holder) -> object:
    return holder.process.id if holder.process else ("uid", holder.socket.uid)


def _listens(holder: Holder, listeners: Iterable[Claim]) -> bool:
    return any(_who(other) == _who(holder) for claim in listeners for other in claim.holders)


def _rank(holder: Holder) -> tuple[int, int, int, str]:
    stage_rank = stage(holder.socket).value
    return (_ORDER[holder.relation], stage_rank, holder.pid, str(holder.socket.address))


def worst_other(claim: Claim) -> Optional[Relation]:
    """Return who is in the way with this socket; None when the component itself holds it."""
    return None if claim.is_own else claim.relation
