"""The rules at fleet size: a real Prometheus scrapes 1,000 nodes and evaluates every group.

Durations are Prometheus's own (``prometheus_rule_group_last_duration_seconds``), once with a
healthy fleet and once with every fiftieth node in conflict, scraped as docs/scaling.md has it:
without the zeros that say nothing. The fleet's dashboard is measured in both. What a rule costs
depends on Prometheus's release: there is a bar for a current one, and one for the Prometheus on
PATH where that is another. For comparison, the healthy fleet once more with all zeros.
"""

from __future__ import annotations

import gzip
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple, Optional, TypeVar, final

from tests.bench import dashboards
from tests.bench.fleet_pages import CLUSTERS, NODES, Place, page, places
from tests.bench.table import Row, at_most
from tests.support.loopback import Answer, Loopback
from tests.support.monitoring import Monitoring, Pace, Target
from tests.support.pages import TEXT
from tests.support.programs import http_get, newer_monitoring

PACE = Pace("15s", "15s")
BAR_SECONDS = 0.8
OLDEST_BAR_SECONDS = 1.2  # in the oldest Prometheus that is supported
TAKEN_EACH = 50
EVALUATIONS = 6
PATIENCE_SECONDS = 300.0
BETWEEN_LOOKS = 1.0
T = TypeVar("T")
_ANY = "@cluster@"
_SAMPLE = re.compile(r"^(\w+)(?:\{([^}]*)\})? (\S+)$", re.MULTILINE)
_GROUP = re.compile(r";opengauss-cm-(\w+)")


class Moment(NamedTuple):
    """What Prometheus tells of itself at a moment."""

    evaluated_at: float
    durations: Mapping[str, float]
    series: float
    cpu: float
    memory: float

    @property
    def duration(self) -> float:
        """The durations of all groups added up, in seconds."""
        return sum(self.durations.values())


def rows() -> Iterator[Row]:
    """Measure both fleets in one Prometheus, and what zeros or an older release cost in others."""
    newer = newer_monitoring()
    with _scraped(newer) as (fleet, monitoring):
        release = monitoring.version()
        what = f"{NODES} nodes in {CLUSTERS} clusters, healthy, Prometheus {release}"
        yield from _measured(monitoring, what, 0, BAR_SECONDS)
        yield from dashboards.rows(monitoring)
        fleet.show(TAKEN_EACH)
        what = f"the same, every {TAKEN_EACH}th node's CM port taken"
        yield from _measured(monitoring, what, NODES // TAKEN_EACH, BAR_SECONDS)
        yield from dashboards.rows(monitoring)
    with _scraped(newer, zeros=True) as (_, monitoring):
        yield from _measured(monitoring, "the healthy fleet, scraped with all zeros", 0, None)
    with _scraped(None) as (_, monitoring):
        if monitoring.version() != release:
            what = f"the healthy fleet, Prometheus {monitoring.version()}"
            yield from _measured(monitoring, what, 0, OLDEST_BAR_SECONDS)


@contextmanager
def _scraped(
    programs: Optional[Path], *, zeros: bool = False
) -> Iterator[tuple[_Fleet, Monitoring]]:
    """Start a healthy fleet, and Prometheus and Alertmanager on it."""
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="ogcm-fleet-"))
        fleet = stack.enter_context(_Fleet(zeros=zeros))
        monitoring = Monitoring(Path(directory), fleet.targets(), pace=PACE, programs=programs)
        yield fleet, stack.enter_context(monitoring)


def _measured(
    monitoring: Monitoring, what: str, conflicts: int, bar: Optional[float]
) -> Iterator[Row]:
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
    evaluation = "  one evaluation of all groups, median"
    if bar:
        yield at_most(evaluation, median(durations), bar, "s")
    else:
        yield Row(evaluation, f"{median(durations):.2f} s")
    yield Row("  the longest of them", f"{max(durations):.2f} s")
    yield Row("  by group, medians", _by_group(moments[1:]))
    share = 100 * (last.cpu - first.cpu) / seconds
    yield Row("  Prometheus's processor, of one core", f"{share:.0f} %")
    yield Row("  Prometheus's memory", f"{last.memory / 2**30:.1f} GiB")


def _by_group(moments: Sequence[Moment]) -> str:
    """Say how long each group took, the longest first."""
    medians = {group: median(m.durations[group] for m in moments) for group in moments[0].durations}
    longest_first = sorted(medians.items(), key=lambda each: -each[1])
    return ", ".join(f"{group} {seconds:.2f}" for group, seconds in longest_first) + " s"


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
    times = told["prometheus_rule_group_last_evaluation_timestamp_seconds"].values()
    durations = told["prometheus_rule_group_last_duration_seconds"]
    if min(times) < after + 1:
        return None
    return Moment(
        max(times),
        {_group(labels): seconds for labels, seconds in durations.items()},
        sum(told["prometheus_tsdb_head_series"].values()),
        sum(told["process_cpu_seconds_total"].values()),
        sum(told["process_resident_memory_bytes"].values()),
    )


def _group(labels: str) -> str:
    """Return the short name of the group that the labels are of."""
    found = _GROUP.search(labels)
    assert found, labels
    return found[1]


def _own_metrics(monitoring: Monitoring) -> Mapping[str, Mapping[str, float]]:
    """Read Prometheus's own page: name, labels, value."""
    _, body = http_get(f"{monitoring.prometheus.url}/metrics", timeout=30)
    told: dict[str, dict[str, float]] = {}
    for name, labels, value in _SAMPLE.findall(body.decode()):
        told.setdefault(name, {})[labels] = float(value)
    return told


@final
class _Fleet(Loopback):
    """One server with every node's page, compressed once."""

    def __init__(self, *, zeros: bool) -> None:
        self._zeros = zeros
        self._pages: dict[str, bytes] = {}
        self.show(0)
        super().__init__(self._answer)

    def show(self, taken_each: int) -> None:
        """Write all pages anew, one of so many nodes in conflict."""
        now = time.time()
        alike: dict[Place, str] = {}  # pages of nodes that differ in nothing but the cluster's name
        for place in places(taken_each):
            model = place._replace(cluster=_ANY)
            if model not in alike:
                alike[model] = page(model, now, zeros=self._zeros)
            text = alike[model].replace(_ANY, place.cluster)
            self._pages[place.name] = gzip.compress(text.encode(), 1)

    def targets(self) -> list[Target]:
        """Return every node as a target, to be asked as an exporter is for such a page."""
        asked = {} if self._zeros else {"__param_zeros": "omit"}
        return [
            Target(
                self.address,
                {"cluster": place.cluster, "instance": f"{place.name}:19836", **asked},
                f"/{place.name}",
            )
            for place in places()
        ]

    def _answer(self, path: str, _: bytes) -> Answer:
        return Answer(200, self._pages[path.strip("/")], {**TEXT, "Content-Encoding": "gzip"})
