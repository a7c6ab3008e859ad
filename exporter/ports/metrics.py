"""Ports: who holds them, and what that stops."""

from __future__ import annotations

from exporter.ports.facts import Attribution, Reason, Relation, SocketSource
from exporter.scrape.base import Metric, values_of

_PORT = ("endpoint", "instance_id", "port")
_HOLDER = (*_PORT, "relation", "process", "user", "exe", "unit", "container", "address")
_REASONS = {"reason": values_of(Reason)}
_RELATIONS = {"relation": values_of(Relation)}

PORT_LISTENING = Metric(
    "opengauss_port_listening",
    "1 if the component's own process listens on every address that it must"
    " (sockets from NETLINK_SOCK_DIAG or /proc/net/tcp).",
    _PORT,
    group="Ports",
)
PORT_FOREIGN_OWNER = Metric(
    "opengauss_port_foreign_owner",
    "1 if a process that is not of this cluster has a socket on the port"
    " (sockets from NETLINK_SOCK_DIAG or /proc/net/tcp, owners from /proc/PID/fd).",
    _PORT,
    group="Ports",
    zero_is_none=True,
)
PORT_CONFLICT = Metric(
    "opengauss_port_conflict",
    "1 for the one reason why the component does not hold the port that it needs;"
    " 0 for every reason while there is no conflict.",
    (*_PORT, "reason"),
    values=_REASONS,
    group="Ports",
    zero_is_none=True,
)
PORT_NEXT_START_BLOCKED = Metric(
    "opengauss_port_next_start_blocked",
    "1 for the one reason that would stop the next start of a component that is up now.",
    (*_PORT, "reason"),
    values=_REASONS,
    group="Ports",
    zero_is_none=True,
)
PORT_HOLDER_PID = Metric(
    "opengauss_port_holder_pid",
    "Process id of a holder of the port, 0 if it is not known (owners from /proc/PID/fd).",
    _HOLDER,
    values=_RELATIONS,
    group="Ports",
)
PORT_HOLDER_START_TIME = Metric(
    "opengauss_port_holder_start_time_seconds",
    "Start of the holder's process since the epoch (/proc/PID/stat); only where the pid is known.",
    _HOLDER,
    values=_RELATIONS,
    group="Ports",
)
PORT_HOLDER_UNIT_STOPPABLE = Metric(
    "opengauss_port_holder_unit_stoppable",
    "1 if stopping the holder's systemd unit ends the holder and harms nobody else: a service of"
    " system.slice that carries nothing of others, with the holder directly in it, no groups below"
    " and no program of any openGauss installation in it (cgroup.procs, /proc/PID/comm).",
    _HOLDER,
    values=_RELATIONS,
    group="Ports",
)
PORT_HOLDERS_DROPPED = Metric(
    "opengauss_port_holders_dropped",
    "Holders of the port that are not shown: beyond the eight worst, or alike in every label to"
    " one that is shown.",
    _PORT,
    group="Ports",
)
PORT_EPHEMERAL_RISK = Metric(
    "opengauss_port_ephemeral_risk",
    "1 if the kernel may hand the port to any outgoing connection: inside"
    " net.ipv4.ip_local_port_range and not in net.ipv4.ip_local_reserved_ports.",
    _PORT,
    group="Ports",
    zero_is_none=True,
)
PORT_DUPLICATE = Metric(
    "opengauss_port_duplicate",
    "1 if another endpoint of this node has the same port.",
    _PORT,
    group="Ports",
    zero_is_none=True,
)
PORT_ADDRESS_MISSING = Metric(
    "opengauss_port_address_missing",
    "1 if an address that the component must bind is on no interface of this node.",
    _PORT,
    group="Ports",
    zero_is_none=True,
)
PORT_ATTRIBUTION = Metric(
    "opengauss_port_attribution",
    "1 for how much of a stranger's process this exporter may see:"
    " none, the uid of its socket, or everything.",
    ("level",),
    values={"level": values_of(Attribution)},
    group="Ports",
    zero_is_none=True,
)
PORT_SOURCE = Metric(
    "opengauss_port_source",
    "1 for the kernel interface that the sockets are read from.",
    ("source",),
    values={"source": values_of(SocketSource)},
    group="Ports",
    zero_is_none=True,
)
PORT_SEES_BOUND_SOCKETS = Metric(
    "opengauss_port_sees_bound_sockets",
    "1 if this kernel shows sockets that are bound without listening (Linux 6.8 and newer).",
    group="Ports",
)
