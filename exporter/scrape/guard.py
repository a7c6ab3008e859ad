"""The guard around one collector.

A collector may raise, hang, or yield families that it must not. The guard has at most one run of it
in flight. Whoever asks while a run is in flight joins that run and sees the same result. A run that
hangs keeps its place: no other is started, nobody waits for it again, and its collector reads as
failed until the run ends by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Optional, Protocol

import structlog

from exporter.errors import CatalogueError, ExporterError
from exporter.host.clock import Clock
from exporter.host.worker import Worker
from exporter.scrape.base import Family

DEFAULT_PATIENCE_SECONDS = 9.5
"""How long a run is waited for at least: Prometheus's default scrape timeout, less our offset."""


class Collector(Protocol):
    """Turns facts into families of samples; raises when it cannot get them."""

    @property
    def name(self) -> str:
        """The value of the label ``collector``."""

    def collect(self) -> Iterable[Family]:
        """Return families that nobody changes; never called by two threads at once."""


@dataclass(frozen=True)
class Run:
    """One run of a collector: its families or what it raised, once it is ``done``.

    ``started`` and ``overdue_at`` are monotonic; nobody new waits for it after the latter.
    """

    started: float
    overdue_at: float
    done: Future[tuple[Family, ...]]


class Guard:
    """Runs one collector in the worker's thread, and remembers how its runs went.

    ``duration`` is that of the last finished run in seconds, ``last_success`` the end of the last
    one that succeeded since the epoch; both are 0 before the first. ``last_finish`` is monotonic.
    ``latest`` has the families of the last finished run, None when it failed or there was none.
    """

    def __init__(
        self,
        collector: Collector,
        declared: frozenset[str],
        worker: Worker,
        clock: Clock,
        patience: float,
    ) -> None:
        self.name = collector.name
        self.duration = 0.0
        self.last_success = 0.0
        self.last_finish: Optional[float] = None
        self.latest: Optional[tuple[Family, ...]] = None
        self._collector = collector
        self._declared = declared
        self._worker = worker
        self._clock = clock
        self._patience = patience
        self._lock = threading.Lock()  # held for assignments only, never while a collector runs
        self._run: Optional[Run] = None
        self._problem: Optional[str] = None
        self._log = structlog.get_logger().bind(collector=collector.name)

    def join(self, budget: float) -> Run:
        """Return the run in flight, or submit one that its starter gives ``budget`` seconds."""
        with self._lock:
            if self._run is None or self._run.done.done():
                now = self._clock.monotonic()
                done = self._worker.submit(self._execute)
                self._run = Run(now, now + max(budget, self._patience), done)
            return self._run

    def in_flight_since(self) -> Optional[float]:
        """Return the monotonic start of the run in flight, None without one."""
        run = self._run
        return None if run is None or run.done.done() else run.started

    def result(self, run: Run, taken: set[str]) -> Optional[tuple[Family, ...]]:
        """Return the run's families, or None, and log, once a change, why there are none.

        ``taken`` are the names of the families that other collectors have on this page.
        """
        if not run.done.done():
            age = self._clock.monotonic() - run.started
            self._note("timeout", f"still running after {age:.1f} s")
            return None
        error = run.done.exception()
        if error is None:
            families = run.done.result()
            twice = taken & {family.name for family in families}
            if not twice:
                self._note(None, "")
                return families
            error = CatalogueError(f"{', '.join(sorted(twice))} comes from another collector, too")
        self._note(_reason(error), str(error), error)
        return None

    def _execute(self) -> tuple[Family, ...]:
        started = self._clock.monotonic()
        try:
            families = tuple(self._collector.collect())
            check_declared(families, self._declared)
        except BaseException:
            self.latest = None
            raise
        finally:
            self.last_finish = self._clock.monotonic()
            self.duration = self.last_finish - started
        self.last_success = self._clock.wall()
        self.latest = families
        return families

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
