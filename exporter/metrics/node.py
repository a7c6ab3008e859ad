"""The node and the cluster's processes on it."""

from __future__ import annotations

from exporter.metrics.base import Metric

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
