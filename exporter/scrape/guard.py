"""The guard around one collector.

A collector may raise, hang, or yield families that it must not. The guard has at most one run of it
in flight, in whatever thread that is. Whoever asks while a run is in flight joins that run and sees
the same result. A run that hangs keeps its place: no other is started, nobody waits for it again,
and its collector reads as failed until the run ends by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Callable, Optional, Protocol

import structlog

from exporter.errors import CatalogueError, ExporterError
from exporter.host.clock import Clock
from exporter.scrape.base import Family
from exporter.scrape.turns import Call

DEFAULT_PATIENCE_SECONDS = 9.5
"""How long a run is waited for at least: Prometheus's default scrape timeout, less our offset."""


class Collector(Protocol):
    """Turns facts into families of samples; raises when it cannot tell them."""

    @property
    def name(self) -> str:
        """The value of the label ``collector``."""

    def collect(self) -> Iterable[Family]:
        """Return families that nobody changes; never called by two threads at once."""


@dataclass(frozen=True)
class Outcome:
    """What a finished run gave: its families, or the error that it ended in."""

    families: tuple[Family, ...] = ()
    error: Optional[BaseException] = None


@dataclass(frozen=True)
class Run:
    """One run of a collector, in flight or done; nobody new waits for it after ``overdue_at``."""

    started: float
    overdue_at: float
    done: Future[Outcome] = field(default_factory=Future)

    def __post_init__(self) -> None:
        self.done.set_running_or_notify_cancel()  # who stops waiting must not cancel it for others


class Guard:
    """Runs one collector, and remembers how its runs went.

    ``duration`` is that of the last finished run in seconds, ``last_success`` the end of the last
    one that succeeded since the epoch; both are 0 before the first. ``last_finish`` is monotonic.
    ``latest`` is the outcome of the last finished run, None before the first.
    """

    def __init__(
        self,
        collector: Collector,
        declared: frozenset[str],
        clock: Clock,
        patience: float = DEFAULT_PATIENCE_SECONDS,
    ) -> None:
        self.name = collector.name
        self.duration = 0.0
        self.last_success = 0.0
        self.last_finish: Optional[float] = None
        self.latest: Optional[Outcome] = None
        self._collector = collector
        self._declared = declared
        self._clock = clock
        self._patience = patience
        self._lock = threading.Lock()  # held for assignments only, never while a collector runs
        self._run: Optional[Run] = None
        self._problem: Optional[str] = None
        self._log = structlog.get_logger().bind(collector=collector.name)

    def join(self, budget: float, hand_over: Callable[[Call], None]) -> Run:
        """Return the run in flight, or start one that its starter gives ``budget`` seconds.

        That one counts as in flight from now on; the call that is handed over makes it.
        """
        with self._lock:
            if self._run is None or self._run.done.done():
                now = self._clock.monotonic()
                run = Run(now, now + max(budget, self._patience))
                self._run = run
                hand_over(lambda: self._execute(run))
            return self._run

    def in_flight_since(self) -> Optional[float]:
        """Return the monotonic start of the run in flight, None without one."""
        run = self._run
        return None if run is None or run.done.done() else run.started

    def result(self, run: Run) -> Optional[tuple[Family, ...]]:
        """Return the run's families, or None, and log, once a change, why there are none."""
        if not run.done.done():
            self._note("timeout", f"still running after {self._age(run):.1f} s")
            return None
        outcome = run.done.result()
        if outcome.error is not None:
            self._note(_reason(outcome.error), str(outcome.error), outcome.error)
            return None
        self._note(None, "")
        return outcome.families

    def reject(self, error: CatalogueError) -> None:
        """Log, once a change, that the result was no use to the page."""
        self._note(error.reason, str(error))

    def _age(self, run: Run) -> float:
        return self._clock.monotonic() - run.started

    def _execute(self, run: Run) -> None:
        started = self._clock.monotonic()
        outcome = self._collect()
        self.last_finish = self._clock.monotonic()
        self.duration = self.last_finish - started
        if outcome.error is None:
            self.last_success = self._clock.wall()
        self.latest = outcome
        run.done.set_result(outcome)

    def _collect(self) -> Outcome:
        try:
            families = tuple(self._collector.collect())
            check_declared(families, self._declared)
        except BaseException as error:  # noqa: BLE001 -- whatever it is, it costs this one only
            return Outcome(error=error)
        return Outcome(families)

    def _note(
        self, problem: Optional[str], text: str, error: Optional[BaseException] = None
    ) -> None:
        with self._lock:
            changed, self._problem = self._problem != problem, problem
        if not changed:
            return
        if problem is None:
            self._log.info("collector recovered")
            return
        unforeseen = error is not None and not isinstance(error, ExporterError)
        self._log.warning(
            "collector failed", reason=problem, error=text, exc_info=error if unforeseen else None
        )


def _reason(error: BaseException) -> str:
    return error.reason if isinstance(error, ExporterError) else type(error).__name__


def check_declared(families: Iterable[Family], declared: frozenset[str]) -> None:
    """Raise CatalogueError for a family that is not declared, or that comes twice."""
    seen: set[str] = set()
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if name not in declared:
            raise CatalogueError(f"{name} is not in the catalogue")
        if name in seen:
            raise CatalogueError(f"{name} comes twice")
        seen.add(name)
