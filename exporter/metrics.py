"""The catalogue: every metric that this exporter can show, declared once.

A collector asks an entry for its family; a name that is not declared here cannot be shown.
``docs/metrics.md`` is generated from ``CATALOGUE``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Union

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from exporter.model import Attribution, Reason, Relation, SocketSource

Family = Union[GaugeMetricFamily, CounterMetricFamily]
Sample = tuple[tuple[str, ...], float]

_PORT = ("endpoint", "instance_id", "port")
_HOLDER = (*_PORT, "relation", "process", "user", "exe", "unit", "container", "address")


class Kind(str, Enum):
    """The two kinds of metric that we show."""

    GAUGE = "gauge"
    COUNTER = "counter"


def _values(words: type[Enum]) -> tuple[str, ...]:
    return tuple(word.value for word in words)


@dataclass(frozen=True)
class Metric:
    """One metric: its full name, labels and, where it is closed, the set of a label's values.

    ``help`` names the source of the fact. A counter's ``name`` ends in ``_total``.
    """

    name: str
    help: str
    labels: tuple[str, ...] = ()
    kind: Kind = Kind.GAUGE
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    group: str = "Exporter"

    def family(self, samples: Iterable[Sample]) -> Family:
        """Build the family; raises ValueError for a sample with the wrong number of labels."""
        kind = GaugeMetricFamily if self.kind is Kind.GAUGE else CounterMetricFamily
        family = kind(self.name, self.help, labels=self.labels)
        for labels, value in samples:
            if len(labels) != len(self.labels):
                raise ValueError(f"{self.name} takes the labels {self.labels}, got {labels}")
            family.add_metric(labels, value)
        return family

    def single(self, value: float) -> Family:
        """Build the family of a metric without labels."""
        return self.family([((), value)])


_REASONS = {"reason": _values(Reason)}
_RELATIONS = {"relation": _values(Relation)}

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
)
PORT_CONFLICT = Metric(
    "opengauss_port_conflict",
    "1 for the one reason why the component does not hold the port that it needs;"
    " 0 for every reason while there is no conflict.",
    (*_PORT, "reason"),
    values=_REASONS,
    group="Ports",
)
PORT_NEXT_START_BLOCKED = Metric(
    "opengauss_port_next_start_blocked",
    "1 for the one reason that would stop the next start of a component that is up now.",
    (*_PORT, "reason"),
    values=_REASONS,
    group="Ports",
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
PORT_HOLDERS_DROPPED = Metric(
    "opengauss_port_holders_dropped",
    "Holders of the port beyond the eight that are shown.",
    _PORT,
    group="Ports",
)
PORT_EPHEMERAL_RISK = Metric(
    "opengauss_port_ephemeral_risk",
    "1 if the kernel may hand the port to any outgoing connection: inside"
    " net.ipv4.ip_local_port_range and not in net.ipv4.ip_local_reserved_ports.",
    _PORT,
    group="Ports",
)
PORT_DUPLICATE = Metric(
    "opengauss_port_duplicate",
    "1 if another endpoint of this node has the same port.",
    _PORT,
    group="Ports",
)
PORT_ADDRESS_MISSING = Metric(
    "opengauss_port_address_missing",
    "1 if an address that the component must bind is on no interface of this node.",
    _PORT,
    group="Ports",
)
PORT_ATTRIBUTION = Metric(
    "opengauss_port_attribution",
    "1 for how much of a stranger's process this exporter may see:"
    " none, the uid of its socket, or everything.",
    ("level",),
    values={"level": _values(Attribution)},
    group="Ports",
)
PORT_SOURCE = Metric(
    "opengauss_port_source",
    "1 for the kernel interface that the sockets are read from.",
    ("source",),
    values={"source": _values(SocketSource)},
    group="Ports",
)
PORT_SEES_BOUND_SOCKETS = Metric(
    "opengauss_port_sees_bound_sockets",
    "1 if this kernel shows sockets that are bound without listening (Linux 6.8 and newer).",
    group="Ports",
)
NODE_INFO = Metric(
    "opengauss_node_info",
    "This node, always 1: from the static config, else the configuration, else the host name;"
    " cluster_id is a hash of the static config's members.",
    ("node_id", "node_name", "cluster_name", "cluster_id"),
    group="Node",
)
PROCESS_RUNNING = Metric(
    "opengauss_process_running",
    "1 if a process of this component's instance runs (/proc).",
    ("component", "instance_id"),
    group="Node",
)
PROCESS_START_TIME = Metric(
    "opengauss_process_start_time_seconds",
    "Start of the component's newest process since the epoch (/proc/PID/stat); absent while none"
    " runs.",
    ("component", "instance_id"),
    group="Node",
)
BUILD_INFO = Metric(
    "opengauss_exporter_build_info",
    "Version of this exporter and of the Python that runs it, always 1.",
    ("version", "python_version"),
)
COLLECTOR_SUCCESS = Metric(
    "opengauss_exporter_collector_success",
    "1 if the collector's last run gave its metrics, 0 if it failed or took too long.",
    ("collector",),
)
COLLECTOR_DURATION = Metric(
    "opengauss_exporter_collector_duration_seconds",
    "Duration of the collector's last finished run.",
    ("collector",),
)
COLLECTOR_LAST_SUCCESS = Metric(
    "opengauss_exporter_collector_last_success_timestamp_seconds",
    "End of the collector's last successful run since the epoch, 0 before the first.",
    ("collector",),
)
CONFIG_RELOAD_SUCCESSFUL = Metric(
    "opengauss_exporter_config_last_reload_successful",
    "1 if the configuration that was read last is the one in force.",
)
CONFIG_RELOAD_TIMESTAMP = Metric(
    "opengauss_exporter_config_last_reload_success_timestamp_seconds",
    "When the configuration in force was read, since the epoch.",
)

CATALOGUE: tuple[Metric, ...] = tuple(
    entry for entry in list(globals().values()) if isinstance(entry, Metric)
)
