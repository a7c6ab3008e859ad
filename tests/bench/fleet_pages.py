"""The pages of a fleet: 1,000 nodes in 111 clusters of nine, with every series of an exporter.

Which series there are follows the catalogue; a node's page has those of a cluster that is resource
pooled, traditional replication's ports included, so it is rather too large than too small.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from exporter.build import CATALOGUE
from exporter.parts import shipped
from exporter.scrape.base import Metric
from tests.support.pages import series

NODES = 1000
CLUSTERS = 111
STARTED = 1792752000.0
"""A moment in the past at which everything began, in seconds since the epoch."""
PORTS = {
    "cm_server": "15300",
    "cm_server_ha": "15301",
    "cm_agent": "15302",
    "datanode": "15400",
    "datanode_ha": "15401",
    "datanode_heartbeat": "15405",
    "dss": "15410",
    "dms": "15420",
}
_COLLECTORS = (
    "node_info",
    "installation",
    "ports",
    "node",
    "markers",
    "cluster",
    "logs",
    "stop_origin",
    "exporter",
    "process",
)
_INSTANCES = ("cm_server", "cm_agent", "datanode")
_TRUE: Mapping[str, Mapping[str, str]] = {
    "opengauss_port_listening": {},
    "opengauss_port_attribution": {"level": "full"},
    "opengauss_port_source": {"source": "sock_diag"},
    "opengauss_port_sees_bound_sockets": {},
    "opengauss_node_info": {},
    "opengauss_cluster_member": {},
    "opengauss_process_running": {},
    "opengauss_stop_origin": {"origin": "none"},
    "opengauss_cm_query_outcome": {"outcome": "ok"},
    "opengauss_cm_query_success": {},
    "opengauss_cm_cluster_state": {"state": "Normal"},
    "opengauss_cm_server_state": {"state": "Standby"},
    "opengauss_cm_server_answer": {"answer": "connected"},
    "opengauss_cm_datanode_info": {},
    "opengauss_cm_datanode_role": {"role": "Standby"},
    "opengauss_cm_datanode_state": {"state": "Normal"},
    "opengauss_exporter_collector_success": {},
    "opengauss_exporter_config_last_reload_successful": {},
    "opengauss_exporter_discovery_success": {},
}
"""What is 1 on a healthy node: the series that have these labels."""
ABSENT = frozenset({"opengauss_marker_mtime_seconds"})
"""What a node has none of while nothing is stopped."""
_TRUE_IF_TAKEN: Mapping[str, Mapping[str, str]] = {
    "opengauss_port_conflict": {"reason": "foreign_listener"},
    "opengauss_port_foreign_owner": {},
    "opengauss_port_listening": {"endpoint": "nobody's"},
}


class Place(NamedTuple):
    """A node of the fleet; ``taken`` is one whose CM port another program holds."""

    cluster: str
    node: int
    nodes: int
    taken: bool = False

    @property
    def name(self) -> str:
        """The node's name, alone in the fleet."""
        return f"{self.cluster}-{self.node}"


def places(taken_each: int = 0) -> Iterator[Place]:
    """List the fleet's nodes, nine a cluster and the rest in the last ones.

    Of each ``taken_each`` nodes one has its CM port taken; 0 is none.
    """
    sizes = [NODES // CLUSTERS + (number < NODES % CLUSTERS) for number in range(CLUSTERS)]
    count = itertools.count(1)
    for number, size in enumerate(sizes, 1):
        for node in range(1, size + 1):
            taken = bool(taken_each) and next(count) % taken_each == 0
            yield Place(f"c{number:03}", node, size, taken)


def page(place: Place, now: float, *, zeros: bool = True) -> str:
    """Write a node's page; ``now`` is since the epoch.

    Without ``zeros`` it is the page that an exporter gives for ``zeros=omit``.
    """
    return "".join(
        series(metric.name, value, **labels)
        for metric in CATALOGUE
        if metric.name.startswith("opengauss_")
        for labels in _label_sets(metric, place)
        for value in (_value(metric, labels, place, now),)
        if zeros or value or not metric.zero_is_none
    )


def _value(metric: Metric, labels: Mapping[str, str], place: Place, now: float) -> float:
    name = metric.name
    if name == "opengauss_cm_query_timestamp_seconds":
        return now
    if name.endswith(("_start_time_seconds", "_success_timestamp_seconds")):
        return STARTED
    if place.taken and labels.get("endpoint") == "cm_server" and name in _TRUE_IF_TAKEN:
        return float(_TRUE_IF_TAKEN[name].items() <= labels.items())
    if name == "opengauss_port_holder_pid":
        return 4711.0
    return float(name in _TRUE and _TRUE[name].items() <= labels.items())


def _label_sets(metric: Metric, place: Place) -> Iterator[dict[str, str]]:
    """List a metric's label sets: what is open by the node's facts, what is closed in full."""
    names = set(metric.labels)
    if metric.name in ABSENT:
        return
    for known in _open(metric, names, place):
        closed = [name for name in metric.labels if name not in known]
        for values in itertools.product(*(metric.values[name] for name in closed)):
            yield {**known, **dict(zip(closed, values))}


def _open(metric: Metric, names: set[str], place: Place) -> Iterable[dict[str, str]]:
    if "process" in names:
        return _holders(metric, place)
    if "endpoint" in names:
        return _endpoints()
    if "node_id" in names:
        return _of_nodes(names, place)
    if "signature" in names:
        return _signatures(names)
    return _of_the_node(names)


def _endpoints() -> Iterator[dict[str, str]]:
    for endpoint, port in PORTS.items():
        yield {"endpoint": endpoint, "instance_id": "1", "port": port}


def _holders(metric: Metric, place: Place) -> Iterator[dict[str, str]]:
    """One holder an endpoint: its own process, or the stranger that has taken the CM port."""
    for key in _endpoints():
        taken = place.taken and key["endpoint"] == "cm_server"
        relation, process = ("foreign", "nginx") if taken else ("own", key["endpoint"])
        own_only = {"user": "omm", "unit": "", "container": "", "address": "10.0.0.1"}
        if taken or metric.name != "opengauss_port_holder_unit_stoppable":
            exe = f"/opt/{process}"
            yield {**key, "relation": relation, "process": process, "exe": exe, **own_only}


def _of_nodes(names: set[str], place: Place) -> Iterator[dict[str, str]]:
    """List the cluster's nodes, or for the node's own facts this one alone."""
    if "cluster_id" in names:
        here = {"node_id": str(place.node), "node_name": place.name}
        yield {**here, "cluster_name": place.cluster, "cluster_id": place.cluster}
        return
    for node in range(1, place.nodes + 1):
        here = {"node_id": str(node), "node_name": f"{place.cluster}-{node}", "instance_id": "1"}
        if "component" in names:
            yield from ({**here, "component": component} for component in _INSTANCES)
        elif "resource" in names:
            yield from ({**here, "resource": resource} for resource in ("dms_res", "dss"))
        elif "static_role" in names:
            yield {**here, "ip": f"10.0.0.{node}", "port": "15400", "static_role": "S"}
        else:
            yield here


def _signatures(names: set[str]) -> Iterator[dict[str, str]]:
    for signature in shipped():
        if "source" in names:
            yield from ({"signature": signature.id, "source": each} for each in signature.sources)
        elif signature.reports_port:
            ports = (*PORTS.values(), "other")
            yield from ({"signature": signature.id, "port": port} for port in ports)


def _of_the_node(names: set[str]) -> Iterator[dict[str, str]]:
    if "component" in names:
        yield from ({"component": each, "instance_id": "1"} for each in _INSTANCES)
    elif "instance_id" in names:
        yield from ({"instance_id": each} for each in ("", "1"))
    elif "collector" in names:
        yield from ({"collector": each} for each in _COLLECTORS)
    elif "version" in names:
        yield {"version": "1.0.0", "python_version": "3.11"}
    else:
        yield {}
