"""The query's part of the composition root: from the installation to a snapshot of the cluster."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Callable

from exporter.cluster.cm_ctl import CmCtlQuery
from exporter.cluster.collector import ClusterCollector
from exporter.cluster.poller import Cadence, QueryPoller, is_stopped
from exporter.config.schema import CmQuery
from exporter.host.answer_cache import AnswerCache
from exporter.host.command import Account, Runner
from exporter.installation.facts import Installation, StopMarker
from exporter.installation.members import members

# The groups of a user take a hundred system calls where systemd's module is asked for them.
_ACCOUNT_SECONDS = 300.0


def query_parts(
    config: CmQuery,
    installation: Callable[[], Installation],
    markers: Callable[[], Sequence[StopMarker]],
    cm_server_runs: Callable[[], bool],
    environ: Mapping[str, str] = os.environ,
) -> tuple[QueryPoller, ClusterCollector]:
    """Make what asks and what shows it; nothing is asked before the poller's thread is started.

    ``installation``, ``markers`` and ``cm_server_runs`` are called from that thread and from those
    of scrapes; ``markers`` may raise SourceError.
    """
    runner = Runner()
    account = AnswerCache(Account.of, _ACCOUNT_SECONDS, time.monotonic)
    query = CmCtlQuery(runner, config, installation, environ, account)
    poller = QueryPoller(
        query,
        lambda: Cadence.of_node(config.interval, installation().node_id or 0),
        query.max_age,
        lambda: is_stopped(markers) and not cm_server_runs(),
        runner.stop,
    )
    return poller, ClusterCollector(poller.snapshot, lambda: members(installation().static))
