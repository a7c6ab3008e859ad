"""Asks for the cluster's state on a cadence of its own, never on a scrape, and keeps the answer.

The nodes of a cluster ask one after the other, not all at once: each has its phase within the
interval. A change of state is looked at again soon, because CM passes through states that do not
last; failures are retried slowly, because a query costs the cluster something. The time until
which the last answer counts grows with the time until the next one.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Callable, Optional

import structlog

from exporter.cluster.facts import (
    ClusterSnapshot,
    ClusterView,
    Field,
    QueryOutcome,
    QueryReport,
    UnknownToken,
)

_GOLDEN = 0.618033988749895  # its multiples spread evenly over a circle, however many there are
_STOP_SECONDS = 5.0
_TOLD_TOKENS = 10


@dataclass(frozen=True)
class Cadence:
    """When to ask; everything in seconds.

    ``quick_in_a_row`` bounds the early looks at a cluster that changes all the time.
    """

    interval: float = 15.0
    phase: float = 0.0
    failures_before_slow: int = 3
    slow_interval: float = 60.0
    after_change: float = 3.0
    quick_in_a_row: int = 3
    while_not_asking: float = 5.0

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


@dataclass(frozen=True)
class Clocks:
    """Where the time comes from: ``monotonic`` for durations, ``wall`` since the epoch."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time


@dataclass(frozen=True)
class _Known:
    """What is published; ``until`` is when it turns stale, in monotonic time."""

    snapshot: ClusterSnapshot = field(default_factory=ClusterSnapshot)
    until: float = 0.0


class QueryPoller:
    """Runs ``query`` in a thread of its own; ``snapshot`` never waits for it.

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
        clocks: Clocks = Clocks(),
    ) -> None:
        self._query = query
        self._cadence = cadence
        self._max_age = max_age
        self._suspended = suspended
        self._cancel = cancel
        self._clocks = clocks
        self._log = structlog.get_logger()
        self._known = _Known()
        self._failures = 0
        self._quick = 0
        self._tokens: Counter[Field] = Counter()
        self._told: tuple[UnknownToken, ...] = ()
        self._due = 0.0
        self._stopping = threading.Event()
        self._asked = threading.Event()
        self._thread: Optional[threading.Thread] = None

    def start(self) -> None:
        """Begin to ask, at once for the first time."""
        self._due = self._clocks.monotonic()
        self._thread = threading.Thread(target=self._run, name="cm-query", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End within seconds, whatever the query in flight does."""
        self._stopping.set()
        self._cancel()
        if self._thread:
            self._thread.join(_STOP_SECONDS)

    def wait_for_first(self, timeout: float) -> bool:
        """Wait until the first query is over, or the reason not to ask is known."""
        return self._asked.wait(timeout)

    def snapshot(self) -> ClusterSnapshot:
        """Give what is known now."""
        known = self._known
        stale = not known.snapshot.finished_at or self._clocks.monotonic() > known.until
        return replace(known.snapshot, stale=stale)

    def step(self) -> float:
        """Ask if it is time to; give the seconds until the next call is worth making."""
        cadence = self._cadence()
        remaining = self._due - self._clocks.monotonic()
        if remaining > 0:
            return remaining
        if self._suspended():
            self._asked.set()
            return cadence.while_not_asking
        self._ask(cadence)
        self._asked.set()
        return max(0.0, self._due - self._clocks.monotonic())

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._stopping.wait(self.step())

    def _ask(self, cadence: Cadence) -> None:
        started = self._clocks.wall()
        report = self._guarded_query()
        before = self._known.snapshot
        changed = _changed(before, report)
        delay = self._delay(cadence, started, report, changed=changed)
        now = self._clocks.monotonic()
        self._due = now + delay
        late = max(0.0, delay - cadence.interval)
        self._publish(report, now + self._max_age() + late)
        self._tell(report, before.outcome)

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
            return cadence.while_not_asking
        self._failures = 0 if report.outcome is QueryOutcome.OK else self._failures + 1
        regular = cadence.until_next(started, self._clocks.wall())
        self._quick = self._quick + 1 if changed else 0
        if changed and self._quick <= cadence.quick_in_a_row:
            return min(cadence.after_change, regular)
        if self._failures >= cadence.failures_before_slow:
            return max(cadence.slow_interval, regular)
        return regular

    def _publish(self, report: QueryReport, until: float) -> None:
        known = self._known
        snapshot = replace(known.snapshot, outcome=report.outcome, duration=report.duration)
        if report.view is not None:
            self._tokens.update(token.field for token in report.view.unknown)
            snapshot = replace(
                snapshot,
                finished_at=self._clocks.wall(),
                view=report.view,
                answers=report.answers,
                unknown_tokens=tuple(self._tokens.items()),
            )
        self._known = _Known(snapshot, until if report.view is not None else known.until)

    def _tell(self, report: QueryReport, before: Optional[QueryOutcome]) -> None:
        """Log what is new: a change of the outcome, and words that are not known."""
        if report.outcome is not before:
            tell = self._log.info if report.outcome is QueryOutcome.OK else self._log.warning
            tell("cm_ctl query", outcome=report.outcome.value, message=report.message)
        tokens = report.view.unknown if report.view else ()
        if tokens and tokens != self._told:
            words = [f"{token.field.value}: {token.text}" for token in tokens[:_TOLD_TOKENS]]
            self._log.warning("cm_ctl query said words that are not known", words=words)
            self._told = tokens


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
