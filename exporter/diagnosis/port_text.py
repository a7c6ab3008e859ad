"""What is said of a port that is taken, and what to do about it.

Nothing here becomes a command but a pid, a port, a unit and a container of a checked form; see
``docs/adr/0041-what-a-page-may-advise.md``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional

from exporter.diagnosis.cluster import (
    CHECKED_DB_PORTS,
    CM_PORTS,
    DB_PORTS,
    Blocked,
    Cluster,
    Holder,
    Key,
    Node,
)
from exporter.diagnosis.words import Say, moment, place, quoted, start_of_process

_SHOWN_OF_A_NODE = 3
_SHOWN_OF_A_CLUSTER = 24
_UNIT = re.compile(r"[A-Za-z0-9:_.@\\-]+\.service")
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_CHECK_SEES = frozenset({"foreign_listener", "other_address_listener"})
_CHECK_BLIND = frozenset({"ipv6_listener", "bound_not_listening", "connection"})
_FAILS_UNSEEN = _CHECK_BLIND | {"foreign_listener"}
_THEN = {
    **dict.fromkeys(CM_PORTS, "then_cm_server"),
    **dict.fromkeys(DB_PORTS, "then_datanode"),
    "cm_agent": "then_cm_agent",
    "dss": "then_resource",
    "dms": "then_resource",
    "datanode_heartbeat": "then_heartbeat",
}
_THEN_WITHOUT_CM = {
    **dict.fromkeys(DB_PORTS, "then_nothing"),
    "dms": "then_nothing",
    "datanode_heartbeat": "then_heartbeat",
}


@dataclass(frozen=True)
class Taken:
    """Taken ports: one port of a node, or with ``node`` None the ports of all nodes.

    ``key`` names the endpoint; of all nodes it has the component's first endpoint and no port.
    ``ports`` has each node's own verdict, with its endpoint and port.
    ``conflict`` tells a component that is down from one whose next start is in danger;
    ``on_purpose``, whether it is down because somebody wanted that.
    """

    cluster: Cluster
    node: Optional[Node]
    key: Key
    ports: tuple[tuple[Node, Blocked], ...]
    holders: tuple[tuple[Node, Holder], ...]
    conflict: bool = True
    on_purpose: bool = False
    count: int = 0

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the ports cannot be had, each reason once."""
        return tuple(sorted({blocked.reason for _, blocked in self.ports}))

    @property
    def shown(self) -> int:
        """How many holders are listed."""
        return _SHOWN_OF_A_NODE if self.node else _SHOWN_OF_A_CLUSTER


def description(say: Say, taken: Taken) -> str:
    """Say what is taken, why that stops a start, and by whom."""
    parts = [_head(say, taken)]
    for reason in taken.reasons:
        parts += [say("reason", reason=reason), say(f"reason {reason}")]
        parts.append(_check(say, taken, reason))
    parts += [_holder(say, node, holder) for node, holder in taken.holders[: taken.shown]]
    more = len(taken.holders) - taken.shown
    if more > 0:
        parts.append(say("more_holders", count=more))
    return "".join(parts) + _others(say, taken)


def _head(say: Say, taken: Taken) -> str:
    where = place(say, taken.cluster.name, taken.node.node_name if taken.node else "")
    if taken.node is None:
        return say("each_taken", place=where, count=taken.count, endpoint=taken.key.endpoint)
    head = say("the_port", place=where, **taken.key._asdict())
    if taken.conflict:
        return head + say("not_held")
    return head + say("refused_stopped" if taken.on_purpose else "refused_running")


def _check(say: Say, taken: Taken, reason: str) -> str:
    """Say what cm_agent's own check, which only these endpoints have, makes of it.

    It has none of a database with DMS, which its scripts start (CM cma_instance_management.cpp).
    Of several nodes' ports nothing is said where it makes this of some and that of others.
    """
    cluster, checked = taken.cluster, CM_PORTS
    if not cluster.has_dms:
        checked |= CHECKED_DB_PORTS
    if cluster.without_cm or taken.key.endpoint not in checked:
        return ""
    ports = [(node, blocked.key) for node, blocked in taken.ports if blocked.reason == reason]
    moved = {node.has_moved(key) for node, key in ports}
    if moved == {True}:
        return say("check_elsewhere") if reason in _FAILS_UNSEEN else ""
    if moved == {False} and reason in _CHECK_SEES:
        return say("check_sees")
    return say("check_blind") if moved == {False} and reason in _CHECK_BLIND else ""


def _holder(say: Say, node: Node, holder: Holder) -> str:
    who = holder.who
    relation = say(f"relation {who.relation}")
    parts = [say("holder", node=node.node_name, port=holder.key.port, relation=relation)]
    if holder.pid:
        names = {"process": quoted(who.process), "exe": quoted(who.exe)}
        parts.append(say("holder_process", pid=holder.pid, **names))
    else:
        parts.append(say("holder_unseen"))
    parts.append(say("holder_user", user=quoted(who.user)) if who.user else "")
    parts.append(say("holder_unit", unit=who.unit) if who.unit else "")
    parts.append(say("holder_container", container=who.container) if who.container else "")
    parts.append(say("holder_address", address=who.address))
    if holder.started is not None:
        parts.append(say("holder_since", since=moment(holder.started)))
    return "".join(parts) + say("holder_end")


def _others(say: Say, taken: Taken) -> str:
    """Say what a conflict on one node means for the others."""
    if not taken.conflict or taken.node is None:
        return ""
    parts = []
    majority = taken.cluster.cm_port_majority if taken.key.endpoint in CM_PORTS else 0
    if majority:
        parts.append(say("majority", count=majority))
    missing = len(taken.cluster.not_looked_at)
    if missing:
        parts.append(say("not_watched", count=missing))
    return "".join(parts)


def action(say: Say, taken: Taken) -> str:
    """Say what to do with each holder, and what comes back by itself then."""
    parts = [say("as_root")]
    for node, holder in taken.holders[: taken.shown]:
        parts.append(say("do_on", node=node.node_name))
        parts.append(_with_holder(say, taken.cluster, node, holder))
    if not taken.holders:
        port = taken.key.port
        parts.append(say("no_holder", port=port) if port else say("no_holders"))
    if not taken.conflict:
        return "".join(parts) + say("then_before_start")
    return "".join(parts) + _then(say, taken)


def _then(say: Say, taken: Taken) -> str:
    """Say what comes back by itself, how to see that, and what to do when it does not."""
    option = option_of(taken.cluster, taken.node)
    if not taken.cluster.without_cm:
        then = _THEN.get(taken.key.endpoint, "then_other")
        return say(then) + say("then_query", option=option)
    then = _THEN_WITHOUT_CM.get(taken.key.endpoint, "then_other")
    start = say("then_gs_om_start", option=option) if then == "then_nothing" else ""
    return say(then) + say("then_gs_om", start=start)


def option_of(cluster: Cluster, node: Optional[Node]) -> str:
    """Return the option for one node, of cm_ctl or without CM of gs_om; None is all nodes.

    An unknown node number is left out. An unknown name is to be filled in: without one gs_om stops
    and starts the whole cluster.
    """
    if node is None:
        return ""
    if cluster.without_cm:
        names = [name for name in cluster.names_of(node) if _HOST.fullmatch(name)]
        return f" -h {names[-1]}" if names else " -h NODE"
    return f" -n {node.node_id}" if node.node_id.isascii() and node.node_id.isdigit() else ""


def _with_holder(say: Say, cluster: Cluster, node: Node, holder: Holder) -> str:
    who = holder.who
    if not holder.pid:
        nobody = who.relation == "unidentified"
        return say("do_unowned" if nobody else "do_unseen", port=holder.key.port)
    if who.relation != "foreign":
        return _with_our_own(say, cluster, node, holder)
    if holder.stoppable and _UNIT.fullmatch(who.unit):
        return say("do_unit", unit=who.unit)
    if holder.started is None:
        return say("do_no_start", pid=holder.pid)
    text = say("do_kill", pid=holder.pid, since=start_of_process(holder.started))
    if who.container:
        text += say("do_container", container=who.container)
    return text


def _with_our_own(say: Say, cluster: Cluster, node: Node, holder: Holder) -> str:
    """Never advise to kill what is, or may be, the cluster's own."""
    relation = holder.who.relation
    unsure = relation == "unidentified"
    look = say("do_not_stop unidentified" if unsure else "do_not_stop", pid=holder.pid)
    then = {"leftover": "do_leftover", "sibling": "do_sibling"}.get(relation, "do_find_out")
    control = "gs_om -t" if cluster.without_cm else "cm_ctl"
    return look + say(then, control=control, option=option_of(cluster, node))
