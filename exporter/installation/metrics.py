"""The node and the cluster's processes on it."""

from __future__ import annotations

from exporter.scrape.base import Metric

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
CLUSTER_MEMBER = Metric(
    "opengauss_cluster_member",
    "Every instance of the cluster, on whatever node, always 1 (cluster_static_config).",
    ("node_id", "node_name", "component", "instance_id"),
    values={"component": ("cm_server", "cm_agent", "datanode", "etcd")},
    group="Node",
)
MARKER_PRESENT = Metric(
    "opengauss_marker_present",
    "1 if the file by which a stop or a pause is requested is in $GAUSSHOME/bin; for"
    " instance_manual_start with the instance's number.",
    ("marker", "instance_id"),
    values={
        "marker": ("cluster_manual_start", "cluster_manual_pause", "instance_manual_start"),
    },
    group="Node",
    zero_is_none=True,
)
MARKER_MTIME = Metric(
    "opengauss_marker_mtime_seconds",
    "When the marker was written, since the epoch; absent while there is none.",
    ("marker", "instance_id"),
    values=MARKER_PRESENT.values,
    group="Node",
)
