"""The exporter about itself, and what the client library tells of its process and its Python."""

from __future__ import annotations

import enum

from exporter.scrape.base import Kind, Metric, values_of


class Refusal(str, enum.Enum):
    """Why the web server turned a connection or a request away."""

    BODY_TOO_LARGE = "body_too_large"
    CONNECTION_LIMIT = "connection_limit"
    HEADER_TOO_LARGE = "header_too_large"
    MALFORMED = "malformed"
    RATE_LIMIT = "rate_limit"
    REQUEST_LIMIT = "request_limit"
    TIMEOUT = "timeout"
    TLS = "tls"
    UNAUTHORIZED = "unauthorized"


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
WEB_REFUSALS = Metric(
    "opengauss_exporter_web_refusals_total",
    "Connections and requests that the exporter's web server turned away, by reason.",
    ("reason",),
    kind=Kind.COUNTER,
    values={"reason": values_of(Refusal)},
)
DISCOVERY_SUCCESS = Metric(
    "opengauss_exporter_discovery_success",
    "1 if everything that the installation's files should tell could be read and understood; 0"
    " leaves the last good facts in force, and the log tells what failed.",
)

# The client library builds these itself. They are declared here so that nothing is shown that
# the catalogue does not name.
_LIBRARY = "Exporter's process"
PROCESS_VIRTUAL_MEMORY = Metric(
    "process_virtual_memory_bytes", "Virtual memory size in bytes.", group=_LIBRARY
)
PROCESS_RESIDENT_MEMORY = Metric(
    "process_resident_memory_bytes", "Resident memory size in bytes.", group=_LIBRARY
)
PROCESS_START_TIME = Metric(
    "process_start_time_seconds",
    "Start time of the process since unix epoch in seconds.",
    group=_LIBRARY,
)
PROCESS_CPU = Metric(
    "process_cpu_seconds_total",
    "Total user and system CPU time spent in seconds.",
    kind=Kind.COUNTER,
    group=_LIBRARY,
)
PROCESS_OPEN_FDS = Metric("process_open_fds", "Number of open file descriptors.", group=_LIBRARY)
PROCESS_MAX_FDS = Metric(
    "process_max_fds", "Maximum number of open file descriptors.", group=_LIBRARY
)
PYTHON_INFO = Metric(
    "python_info",
    "Python platform information",
    ("version", "implementation", "major", "minor", "patchlevel"),
    group=_LIBRARY,
)
PYTHON_GC_OBJECTS_COLLECTED = Metric(
    "python_gc_objects_collected_total",
    "Objects collected during gc",
    ("generation",),
    kind=Kind.COUNTER,
    group=_LIBRARY,
)
PYTHON_GC_OBJECTS_UNCOLLECTABLE = Metric(
    "python_gc_objects_uncollectable_total",
    "Uncollectable objects found during GC",
    ("generation",),
    kind=Kind.COUNTER,
    group=_LIBRARY,
)
PYTHON_GC_COLLECTIONS = Metric(
    "python_gc_collections_total",
    "Number of times this generation was collected",
    ("generation",),
    kind=Kind.COUNTER,
    group=_LIBRARY,
)
