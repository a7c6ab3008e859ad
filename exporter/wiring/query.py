"""The query's part of the composition root: from the installation to a snapshot of the cluster."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Callable

from exporter.cluster.cm_ctl import CmCtlQuery, QuerySettings
from exporter.cluster.collector import ClusterCollector
from exporter.cluster.poller import Cadence, QueryPoller
from exporter.config.schema import CmQuery
from exporter.errors import SourceError
from exporter.host.answer_cache import AnswerCache
from exporter.host.command import Account, Runner
from exporter.host.files import HostFiles
from exporter.installation.facts import Installation
from exporter.installation.markers import read_markers
from exporter.installation.members import members

_STOPPED = "cluster_manual_start"
# The groups of a user take a hundred system calls where systemd's module is asked for them.
_ACCOUNT_SECONDS = 300.0


@dataclass(frozen=True)
class QueryParts:
    """The thread that asks, and the collector that shows what it was told."""

    poller: QueryPoller
    collector: ClusterCollector


def query_parts(
    config: CmQuery,
    installation: Callable[[], Installation],
    cm_server_runs: Callable[[], bool],
    files: HostFiles,
    environ: Mapping[str, str] = os.environ,
) -> QueryParts:
    """Put the parts together; nothing is asked before the poller is started.

    ``installation`` and ``cm_server_runs`` are called from the poller's thread and from those of
    scrapes.
    """
    runner = Runner()
    settings = QuerySettings(config.command, config.timeout)
    account = AnswerCache(Account.of, _ACCOUNT_SECONDS, time.monotonic)
    query = CmCtlQuery(runner, settings, installation, environ, account)

    def max_age() -> float:
        """Two turns may be missed, each as long as it can be."""
        return config.max_age or 2 * (config.interval + query.timeout())

    poller = QueryPoller(
        query,
        lambda: Cadence.of_node(config.interval, installation().node_id or 0),
        max_age,
        lambda: _is_stopped(files, installation()) and not cm_server_runs(),
        runner.stop,
    )
    collector = ClusterCollector(poller.snapshot, lambda: members(installation().static))
    return QueryParts(poller, collector)


def _is_stopped(files: HostFiles, installation: Installation) -> bool:
    try:
        markers = read_markers(files, installation.gausshome)
    except SourceError:
        return False
    return any(marker.marker == _STOPPED for marker in markers)
