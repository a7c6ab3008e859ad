"""What Prometheus itself gives: the recording rules of `alerts/`, and its own alerts.

The names and labels are those of the rule files; a test compares them.
"""

from __future__ import annotations

from typing import NamedTuple


class Recorded(NamedTuple):
    """A metric that Prometheus writes, with all of its labels."""

    name: str
    labels: tuple[str, ...]


_NODE = ("cluster", "node_id", "node_name")
_PORT = ("endpoint", "instance_id", "port")
_HOLDER = ("relation", "process", "user", "exe", "unit", "container", "address")

NODE_INFO = Recorded(
    "instance:opengauss_node_info:max", ("cluster", "job", "instance", "node_id", "node_name")
)
MEMBER = Recorded("cluster:opengauss_cluster_member:max", (*_NODE, "component", "instance_id"))
WITHOUT_CM = Recorded("cluster:opengauss_without_cm:max", ("cluster",))
WITH_DMS = Recorded("cluster:opengauss_with_dms:max", ("cluster",))
MOVED = Recorded("node:opengauss_port_moved:max", (*_NODE, "endpoint", "instance_id"))
NOT_WATCHED = Recorded("cluster:opengauss_node_not_watched:count", ("cluster",))
STOPPED = Recorded("node:opengauss_stopped_by_operator:max", (*_NODE, "instance_id"))
PAUSED = Recorded("node:opengauss_paused:max", _NODE)
CONFLICT = Recorded("node:opengauss_port_conflict_unwanted:max", (*_NODE, *_PORT, "reason"))
BLOCKED = Recorded("node:opengauss_port_next_start_blocked:max", (*_NODE, *_PORT, "reason"))
HOLDER_PID = Recorded("node:opengauss_port_holder_pid:max", (*_NODE, *_PORT, *_HOLDER))
HOLDER_START = Recorded(
    "node:opengauss_port_holder_start_time_seconds:max",
    ("cluster", "node_name", *_PORT, *_HOLDER),
)
LEFT_STOPPED = Recorded("node:opengauss_port_conflict_left_stopped:max", (*_NODE, *_PORT, "origin"))
DUPLICATE = Recorded("node:opengauss_port_duplicate:max", ("cluster", "node_name", *_PORT))
QUERY_OUTCOME = Recorded("node:opengauss_cm_query_outcome:max", (*_NODE, "outcome"))
VIEW = Recorded("instance:opengauss_cm_view:max", ("cluster", "job", "instance"))
CLUSTER_STATE = Recorded("cluster:opengauss_cm_cluster_state:count", ("cluster", "state"))
CM_SERVER_STATE = Recorded(
    "cluster:opengauss_cm_server_state:max", (*_NODE, "instance_id", "state")
)
ADDRESSES = Recorded("alert:opengauss_addresses:info", ("docs", "dashboards"))
UP = Recorded("up", ("cluster", "job", "instance"))
ALERTS = Recorded("ALERTS", ("cluster", "node_name", *_PORT, "alertname", "alertstate", "severity"))
