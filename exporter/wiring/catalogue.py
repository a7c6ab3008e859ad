"""The catalogue: every metric that this exporter can show, declared once.

A collector asks an entry for its family; a name that is not declared here cannot be shown.
``docs/metrics.md`` is generated from ``CATALOGUE``.
"""

from __future__ import annotations

from exporter.cluster import metrics as cluster
from exporter.installation import metrics as node
from exporter.logs import metrics as logs
from exporter.ports import metrics as ports
from exporter.scrape import metrics as exporter
from exporter.scrape.base import Metric

_MODULES = (ports, node, cluster, logs, exporter)

CATALOGUE: tuple[Metric, ...] = tuple(
    entry for module in _MODULES for entry in vars(module).values() if isinstance(entry, Metric)
)
ZERO_IS_NONE = frozenset(entry.name for entry in CATALOGUE if entry.zero_is_none)
