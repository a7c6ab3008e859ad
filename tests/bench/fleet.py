"""The rules at fleet size: a real Prometheus scrapes 1,000 nodes and evaluates every group.

Durations are Prometheus's own (``prometheus_rule_group_last_duration_seconds``), once with a
healthy fleet and once with every fiftieth node in conflict. The fleet's dashboard is measured in
both.
"""

from __future__ import annotations

import gzip
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import NamedTuple, TypeVar, final

from tests.bench import dashboards
from tests.bench.fleet_pages import CLUSTERS, NODES, Place, page, places
from tests.bench.table import Row, at_most
from tests.support.monitoring import Monitoring, Pace, Target
from tests.support.programs import http_get

PACE = Pace("15s", "15s")
BAR_SECONDS = 1.0
TAKEN_EACH = 50
EVALUATIONS = 6
PATIENCE_SECONDS = 300.0
BETWEEN_LOOKS = 1.0
T = TypeVar("T")
_ANY = "@cluster@"
_SAMPLE = re.compile(r"^(\w+)(?:\{([^}]*)\})? (\S+)$", re.MULTILINE)


class Moment(NamedTuple):
    """What Prometheus tells of itself at a moment."""

    evaluated_at: float
    duration: float
    series: float
    cpu: float
    memory: float


def rows() -> Iterator[Row]:
    """Measure both fleets in one Prometheus."""
    directory = tempfile.TemporaryDirectory(prefix="ogcm-fleet-")
    with directory, _Fleet() as fleet, _monitoring(Path(directory.name), fleet) as monitoring:
        yield from _measured(monitoring, f"{NODES} nodes in {CLUSTERS} clusters, healthy", 0)
        yield from dashboards.rows(monitoring)
        fleet.show(TAKEN_EACH)
        what = f"the same, every {TAKEN_EACH}th node's CM port taken"
        yield from _measured(monitoring, what, NODES // TAKEN_EACH)
        yield from dashboards.rows(monitoring)


def _measured(monitoring: Monitoring, what: str, conflicts: int) -> Iterator[Row]:
    """Wait until the fleet is as it should be, then take the evaluations that follow."""
    conflict = 'count(ALERTS{alertname="OpenGaussCMPortConflict",alertstate="firing"})'
    _wait(lambda: _value(monitoring, "count(up == 1)") == NODES)
    _wait(lambda: _value(monitoring, conflict) == conflicts)
    moments = [_next(monitoring, 0.0)]
    while len(moments) <= EVALUATIONS:
        moments.append(_next(monitoring, moments[-1].evaluated_at))
    first, last = moments[0], moments[-1]
    seconds = last.evaluated_at - first.evaluated_at
    durations = [moment.duration for moment in moments[1:]]
    yield Row(f"rules over {what}: series", f"{last.series:,.0f}")
    yield at_most("  one evaluation of all groups, median", median(durations), BAR_SECONDS, "s")
    yield Row("  the longest of them", f"{max(durations):.2f} s")
    share = 100 * (last.cpu - first.cpu) / seconds
    yield Row("  Prometheus's processor, of one core", f"{share:.0f} %")
    yield Row("  Prometheus's memory", f"{last.memory / 2**30:.1f} GiB")


def _value(monitoring: Monitoring, expression: str) -> float | None:
    """Return the one value of a query, 0 where it has none, None where no answer came in time."""
    try:
        found = monitoring.query(expression)
    except OSError:
        return None
    return float(found[0]["value"][1]) if found else 0.0


def _next(monitoring: Monitoring, after: float) -> Moment:
    """Wait until every group was evaluated after that moment, and read how long that took."""
    return _wait(lambda: _moment(monitoring, after))


def _wait(look: Callable[[], T | None]) -> T:
    """Look now and then until there is something, for looking costs Prometheus time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not seen within {PATIENCE_SECONDS:.0f} s")
        time.sleep(BETWEEN_LOOKS)
    return seen


def _moment(monitoring: Monitoring, after: float) -> Moment | None:
    told = _own_metrics(monitoring)
    group = "prometheus_rule_group_"
    times = told[f"{group}last_evaluation_timestamp_seconds"].values()
    if min(times) < after + 1:
        return None
    return Moment(
        max(times),
        sum(told[f"{group}last_duration_seconds"].values()),
        sum(told["prometheus_tsdb_head_series"].values()),
        sum(told["process_cpu_seconds_total"].values()),
        sum(told["process_resident_memory_bytes"].values()),
    )


def _own_metrics(monitoring: Monitoring) -> Mapping[str, Mapping[str, float]]:
    """Read Prometheus's own page: name, labels, value."""
    _, body = http_get(f"{monitoring.prometheus.url}/metrics", timeout=30)
    told: dict[str, dict[str, float]] = {}
    for name, labels, value in _SAMPLE.findall(body.decode()):
        told.setdefault(name, {})[labels] = float(value)
    return told


@contextmanager
def _monitoring(directory: Path, fleet: _Fleet) -> Iterator[Monitoring]:
    """Start Prometheus and Alertmanager on the fleet."""
    with Monitoring(directory, fleet.targets(), pace=PACE) as monitoring:
        yield monitoring


@final
class _Fleet:
    """One server with every node's page, compressed once."""

    def __init__(self) -> None:
        self._pages: dict[str, bytes] = {}
        self.show(0)
        self._server = _Server(("127.0.0.1", 0), _handler(self._pages))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> _Fleet:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def show(self, taken_each: int) -> None:
        """Write all pages anew, one of so many nodes in conflict."""
        now = time.time()
        alike: dict[Place, str] = {}  # pages of nodes that differ in nothing but the cluster's name
        for place in places(taken_each):
            model = place._replace(cluster=_ANY)
            if model not in alike:
                alike[model] = page(model, now)
            text = alike[model].replace(_ANY, place.cluster)
            self._pages[f"/{place.name}"] = gzip.compress(text.encode(), 1)

    def targets(self) -> list[Target]:
        """Return every node as a target."""
        address = f"127.0.0.1:{self._server.server_address[1]}"
        return [
            Target(
                address,
                {"cluster": place.cluster, "instance": f"{place.name}:19836"},
                f"/{place.name}",
            )
            for place in places()
        ]


class _Server(ThreadingHTTPServer):
    request_queue_size = 1024

    def handle_error(self, *_: object) -> None:
        """Let a scrape that was given up be so."""


def _handler(pages: Mapping[str, bytes]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = pages[self.path]
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    return Handler
