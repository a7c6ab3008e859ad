"""Asks for the cluster's state on a cadence of its own, never on a scrape, and keeps the answer.

The nodes of a cluster ask one after the other, not all at once: each has its phase within the
interval. A change of state is looked at again soon, because CM passes through states that do not
last; failures are retried slowly, because a query costs the cluster something. The time until
which the last answer counts grows with the time until the next one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Callable, NamedTuple, Optional

import structlog

from exporter.cluster.facts import (
    ClusterSnapshot,
    ClusterView,
    Field,
    QueryOutcome,
    QueryReport,
    UnknownToken,
)
from exporter.errors import SourceError
from exporter.host.background import Background
from exporter.host.clock import Clock
from exporter.installation.facts import StopMarker

_GOLDEN = 0.618033988749895  # its multiples spread evenly over a circle, however many there are
_FAILURES_BEFORE_SLOW = 3
_SLOW_SECONDS = 60.0
_AFTER_CHANGE_SECONDS = 3.0
_EARLY_IN_A_ROW = 3  # bounds the early looks at a cluster that changes all the time
WHILE_NOT_ASKING_SECONDS = 5.0
_LOGGED_TOKENS = 10
_NODE_STOP = "cluster_manual_start"


class Cadence(NamedTuple):
    """When to ask: once in ``interval``, ``phase`` after its begin; both in seconds."""

    interval: float = 15.0
    phase: float = 0.0

    @classmethod
    def of_node(cls, interval: float, node_id: int) -> Cadence:
        """Give the node its phase within the interval."""
        return cls(interval, phase=interval * (node_id * _GOLDEN % 1.0))

    def until_next(self, started: float, now: float) -> float:
        """Say how long it is to the node's next turn, at least half an interval after the last.

        Both are times since the epoch, which all nodes share.
        """
        earliest = max(now, started + self.interval / 2)
        return earliest + (self.phase - earliest) % self.interval - now


def is_stopped(markers: Callable[[], Iterable[StopMarker]]) -> bool:
    """Tell whether somebody stopped CM on this node; markers that cannot be read say no."""
    try:
        return any(marker.marker == _NODE_STOP for marker in markers())
    except SourceError:
        return False


class QueryPoller:
    """Runs ``query`` in the thread ``background``; ``snapshot`` never waits for it.

    ``max_age`` is how many seconds an answer counts at the usual cadence. While ``suspended``
    says so nothing is asked. ``cancel`` ends a query in flight.
    """

    def __init__(
        self,
        query: Callable[[], QueryReport],
        cadence: Callable[[], Cadence],
        max_age: Callable[[], float],
        suspended: Callable[[], bool] = lambda: False,
        cancel: Callable[[], None] = lambda: None,
        clock: Clock = Clock(),  # noqa: B008 -- frozen
    ) -> None:
        self.background = Background("cm-query", self.step, cancel=cancel)
        self._query = query
        self._cadence = cadence
        self._max_age = max_age
        self._suspended = suspended
        self._clock = clock
        self._log = structlog.get_logger()
        self._published = (ClusterSnapshot(), 0.0)  # and when it turns stale, in monotonic time
        self._failures = 0
        self._early = 0
        self._tokens: Counter[Field] = Counter()
        self._logged: tuple[UnknownToken, ...] = ()
        self._due = 0.0

    def snapshot(self) -> ClusterSnapshot:
        """Give what is known now."""
        snapshot, until = self._published
        stale = not snapshot.finished_at or self._clock.monotonic() > until
        return replace(snapshot, stale=stale)

    def step(self) -> float:
        """Ask if it is time to; give the seconds until the next call is worth making."""
        remaining = self._due - self._clock.monotonic()
        if remaining > 0:
            return remaining
        suspended = self._suspended()
        if not suspended:
            self._ask(self._cadence())
        self.background.ready.set()
        if suspended:
            return WHILE_NOT_ASKING_SECONDS
        return max(0.0, self._due - self._clock.monotonic())

    def _ask(self, cadence: Cadence) -> None:
        started = self._clock.wall()
        report = self._guarded_query()
        before, _ = self._published
        delay = self._delay(cadence, started, report, changed=_changed(before, report))
        now = self._clock.monotonic()
        self._due = now + delay
        late = max(0.0, delay - cadence.interval)
        self._publish(report, now + self._max_age() + late)
        self._log_news(report, before.outcome)

    def _guarded_query(self) -> QueryReport:
        try:
            return self._query()
        except Exception as error:  # noqa: BLE001 - one query's fate must not end all later ones
            self._log.exception("the query failed in a way that it should not")
            return QueryReport(QueryOutcome.NOT_UNDERSTOOD, message=repr(error))

    def _delay(
        self, cadence: Cadence, started: float, report: QueryReport, *, changed: bool
    ) -> float:
        if not report.asked:  # looking again whether there is anything to ask costs nothing
            return WHILE_NOT_ASKING_SECONDS
        self._failures = 0 if report.outcome is QueryOutcome.OK else self._failures + 1
        regular = cadence.until_next(started, self._clock.wall())
        self._early = self._early + 1 if changed else 0
        if changed and self._early <= _EARLY_IN_A_ROW:
            return min(_AFTER_CHANGE_SECONDS, regular)
        if self._failures >= _FAILURES_BEFORE_SLOW:
            return max(_SLOW_SECONDS, regular)
        return regular

    def _publish(self, report: QueryReport, until: float) -> None:
        snapshot, stale_from = self._published
        snapshot = replace(snapshot, outcome=report.outcome, duration=report.duration)
        if report.view is not None:
            stale_from = until
            self._tokens.update(token.field for token in report.view.unknown)
            snapshot = replace(
                snapshot,
                finished_at=self._clock.wall(),
                view=report.view,
                answers=report.answers,
                unknown_tokens=tuple(self._tokens.items()),
            )
        self._published = (snapshot, stale_from)

    def _log_news(self, report: QueryReport, before: Optional[QueryOutcome]) -> None:
        """Log what is new: a change of the outcome, and words that are not known."""
        if report.outcome is not before:
            log = self._log.info if report.outcome is QueryOutcome.OK else self._log.warning
            log("cm_ctl query", outcome=report.outcome.value, message=report.message)
        tokens = report.view.unknown if report.view else ()
        if tokens and tokens != self._logged:
            words = [f"{token.field.value}: {token.text}" for token in tokens[:_LOGGED_TOKENS]]
            self._log.warning("cm_ctl query said words that are not known", words=words)
            self._logged = tokens


def _changed(before: ClusterSnapshot, report: QueryReport) -> bool:
    """Tell whether there is a new state to look at again; the first answer is none."""
    if before.outcome is None:
        return False
    now = report.view or before.view
    return report.outcome is not before.outcome or _states(now) != _states(before.view)


def _states(view: ClusterView) -> tuple[object, ...]:
    """Take the states out of a view; a build's percentage changes all the time and is none."""
    return (
        view.cluster_state,
        view.paused,
        {(row.key, row.state) for row in view.cm_servers},
        {(row.key, row.role, row.state) for row in view.datanodes},
        {(row.key, row.state) for row in view.resources},
    )
