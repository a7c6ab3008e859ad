"""What scenarios that play side by side share: one Prometheus, one Alertmanager, one webhook."""

from __future__ import annotations

import json
import threading
import time
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import OK
from typing import final

from tests.lab.fleet import Fleet
from tests.support.monitoring import Monitoring, Target
from tests.support.programs import http_get
from tests.support.webhook import Notification

_TOLD = {"active": "true", "inhibited": "false", "silenced": "false"}
_RUN = "30m"  # longer than any scenario
PAGED_ABOUT = ("alertname", "node_name", "endpoint", "instance_id")


@dataclass(frozen=True)
class Page:
    """A notification that somebody is woken by: it tells something that none before it told."""

    at: float
    """When it arrived, in seconds since the epoch."""
    alerts: Sequence[Mapping[str, str]]


@final
class Stage:
    """The monitoring, and the list of what is scraped; each cluster is named after its scenario."""

    def __init__(self, monitoring: Monitoring) -> None:
        self._monitoring = monitoring
        self._targets: dict[str, Sequence[Target]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def watching(self, cluster: str, fleet: Fleet) -> Iterator[None]:
        """Let a cluster's exporters be scraped."""
        self._set(cluster, fleet.targets(cluster))
        try:
            yield
        finally:
            self._set(cluster, ())

    def alerts(self, cluster: str) -> list[Mapping[str, str]]:
        """Return the labels of a cluster's alerts that people are told of: not the inhibited."""
        wanted = urllib.parse.urlencode({"filter": f'cluster="{cluster}"', **_TOLD})
        url = f"{self._monitoring.alertmanager.url}/api/v2/alerts?{wanted}"
        status, body = http_get(url)
        if status != OK:
            raise RuntimeError(f"{url}: {status} {body.decode()}")
        return [alert["labels"] for alert in json.loads(body)]

    def fired(self, cluster: str) -> list[Mapping[str, str]]:
        """Return the labels of all alerts that have fired for a cluster, be it for an instant."""
        firing = f'ALERTS{{alertstate="firing",cluster="{cluster}"}}'
        found = self._monitoring.query(f"last_over_time({firing}[{_RUN}])")
        return [sample["metric"] for sample in found]

    def together(self, cluster: str, alertname: str, other: str) -> bool:
        """Whether that alert of another cluster fired while this cluster was looked at."""
        firing = f'ALERTS{{alertstate="firing",alertname="{alertname}",cluster="{other}"}}'
        both = f'{firing} and on () up{{cluster="{cluster}"}}'
        return bool(self._monitoring.query(f"last_over_time(({both})[{_RUN}:2s])"))

    def conflict_since(self, cluster: str) -> float | None:
        """Return when a page of that cluster first told a conflict, in seconds since the epoch."""
        conflict = f'max(opengauss_port_conflict{{cluster="{cluster}"}}) == 1'
        found = self._monitoring.query(f"min_over_time(timestamp({conflict})[{_RUN}:1s])")
        return float(found[0]["value"][1]) if found else None

    def arrived(self, cluster: str) -> set[str]:
        """Return the names of a cluster's alerts that the webhook has received."""
        received = self._monitoring.webhook.received()
        return {name for n in received if n.cluster == cluster for name in n.names()}

    def pages(self, cluster: str) -> list[Page]:
        """Return the pages about a cluster, in order; a repeated or a resolved one is none."""
        known: set[tuple[str, ...]] = set()
        pages = []
        for notification in self._paging(cluster):
            alerts = [alert["labels"] for alert in notification.alerts()]
            told = {tuple(labels.get(word, "") for word in PAGED_ABOUT) for labels in alerts}
            if not told <= known:
                known |= told
                pages.append(Page(_epoch(notification.received), alerts))
        return pages

    def _paging(self, cluster: str) -> list[Notification]:
        received = self._monitoring.webhook.received()
        return [n for n in received if (n.receiver, n.cluster) == ("page", cluster)]

    def _set(self, cluster: str, targets: Sequence[Target]) -> None:
        with self._lock:
            self._targets[cluster] = targets
            self._monitoring.set_targets([t for some in self._targets.values() for t in some])


def _epoch(monotonic: float) -> float:
    return time.time() - time.monotonic() + monotonic
