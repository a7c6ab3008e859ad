"""The page of a third node whose exporter has every trouble of its own, and whose view differs."""

from __future__ import annotations

from tests.support.pages import series

NODE = {"node_id": "3", "node_name": "node3"}
DATANODE = {**NODE, "instance_id": "6003"}


def page(counted: int, now: float) -> str:
    """Write the page; ``counted`` is the value of its counters, ``now`` the time of its clock."""
    return "".join((_view(now), _logs(counted), _exporter(counted, now)))


def unanswered() -> str:
    """Write the page of the same node when its query is not answered in time."""
    info = series("opengauss_node_info", 1, **NODE, cluster_name="c", cluster_id="c")
    return info + series("opengauss_cm_query_outcome", 1, outcome="timeout")


def _view(now: float) -> str:
    instance = {**DATANODE, "component": "datanode"}
    resource = {**NODE, "resource": "dms", "instance_id": "20003", "state": "OffLine"}
    return "".join(
        (
            series("opengauss_node_info", 1, **NODE, cluster_name="c", cluster_id="c"),
            series("opengauss_cluster_member", 1, **instance),
            series("opengauss_cm_query_outcome", 1, outcome="ok"),
            series("opengauss_cm_query_duration_seconds", 7.5),
            series("opengauss_cm_query_timestamp_seconds", now - 4000),
            series("opengauss_cm_cluster_state", 1, state="Unavailable"),
            series("opengauss_cm_cluster_balanced", 0),
            series("opengauss_cm_datanode_role", 1, **DATANODE, role="Down"),
            series("opengauss_cm_datanode_state", 1, **DATANODE, state="Port conflicting"),
            series("opengauss_cm_resource_state", 1, **resource),
            series("opengauss_cm_start_status", 3, scope="cluster"),
            series("opengauss_cm_start_failed_after_seconds", 600),
        )
    )


def _logs(counted: int) -> str:
    start = {"signature": "start_failed", "source": "cm_ctl"}
    return "".join(
        (
            series("opengauss_log_signature_matches_total", counted, **start),
            series("opengauss_log_errors_total", counted, source="dss", reason="long_line"),
            series("opengauss_log_bytes_total", counted * 100, source="cm_agent"),
            series("opengauss_log_lag_bytes", 4096, source="cm_agent"),
        )
    )


def _exporter(counted: int, now: float) -> str:
    version = {"version": "0.0.9", "python_version": "3.9.2"}
    return "".join(
        (
            series("opengauss_exporter_build_info", 1, **version),
            series("opengauss_exporter_collector_success", 0, collector="logs"),
            series("opengauss_exporter_collector_duration_seconds", 9, collector="logs"),
            series(
                "opengauss_exporter_collector_last_success_timestamp_seconds",
                now - 5000,
                collector="logs",
            ),
            series("opengauss_exporter_config_last_reload_successful", 0),
            series("opengauss_exporter_discovery_success", 0),
            series("opengauss_port_attribution", 1, level="uid"),
            series("opengauss_port_source", 1, source="procfs"),
            series("process_resident_memory_bytes", 9e9),
            series("process_cpu_seconds_total", counted),
            series("process_open_fds", 900),
        )
    )
