"""Pages as a diagnosis takes them, written in a few words."""

from __future__ import annotations

from collections.abc import Iterable

from exporter.diagnosis.page import Page, Sample

NOW = 1792752000.0
CM = {"endpoint": "cm_server", "instance_id": "1", "port": "15300"}
NGINX = {
    "relation": "foreign",
    "process": "nginx",
    "user": "www",
    "exe": "/usr/sbin/nginx",
    "unit": "",
    "container": "",
    "address": "0.0.0.0",  # noqa: S104  # what the holder binds
}


def page(node: int, *samples: Sample, nodes: int = 1, origin: str = "", age: float = 0) -> Page:
    """Write the page of one of a cluster's nodes, each of which has a cm_server."""
    info = {"node_id": str(node), "node_name": f"ogdb{node}"}
    of_cluster = {"cluster_name": "prod", "cluster_id": "abc"}
    known = [Sample("opengauss_node_info", {**info, **of_cluster}, 1), *_members(nodes)]
    if not any(sample.name == "opengauss_port_listening" for sample in samples):
        known.append(Sample("opengauss_port_listening", CM, 1))
    return Page.of(origin, NOW - age, [*known, *samples])


def _members(nodes: int) -> Iterable[Sample]:
    for node in range(1, nodes + 1):
        here = {"node_id": str(node), "node_name": f"ogdb{node}"}
        yield Sample(
            "opengauss_cluster_member", {**here, "component": "cm_server", "instance_id": "1"}, 1
        )


def conflict(reason: str = "foreign_listener") -> list[Sample]:
    """Let nginx hold the CM port."""
    return [
        Sample("opengauss_port_listening", CM, 0),
        Sample("opengauss_port_conflict", {**CM, "reason": reason}, 1),
        Sample("opengauss_port_holder_pid", {**CM, **NGINX}, 4711),
        Sample("opengauss_port_holder_start_time_seconds", {**CM, **NGINX}, NOW - 60.5),
    ]
