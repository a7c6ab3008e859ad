"""What the Prometheus client library tells about the exporter's own process and its Python.

The library builds these families itself; they are declared here so that nothing is shown that
the catalogue does not name.
"""

from __future__ import annotations

from exporter.scrape.base import Kind, Metric

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
