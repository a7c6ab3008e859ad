"""All collectors together: one scrape asks each of them, and none can cost another's metrics."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, wait
from typing import Any, Callable, NamedTuple

from exporter.host.clock import Clock
from exporter.host.worker import Worker
from exporter.scrape.base import Family, Metric
from exporter.scrape.guard import DEFAULT_PATIENCE_SECONDS, Collector, Guard
from exporter.scrape.metrics import COLLECTOR_DURATION, COLLECTOR_LAST_SUCCESS, COLLECTOR_SUCCESS


class Scrape:
    """One look at all collectors, under way since it was made.

    ``done`` is so when all runs are that are waited for. Whoever waits for it calls ``next_wait``
    before each wait, for that is what takes a collector that hangs out of the others' way.
    """

    def __init__(
        self, guards: Sequence[Guard], worker: Worker, clock: Clock, budget: float
    ) -> None:
        now = clock.monotonic()
        self._worker = worker
        self._clock = clock
        self._deadline = now + budget
        self._runs = [(guard, guard.join(budget)) for guard in guards]
        self.done: Future[None] = Future()
        self.done.set_running_or_notify_cancel()  # who stops waiting cannot cancel it
        waited_for = [run.done for _, run in self._runs if run.overdue_at > now]
        _after(waited_for, lambda: self.done.set_result(None))

    def next_wait(self) -> float:
        """Return for how many seconds to wait for ``done`` before this is called again, 0 to end.

        A run that is slow is left to its thread, and those behind it go on in another.
        """
        if self.done.done():
            return 0.0
        remaining = max(0.0, self._deadline - self._clock.monotonic())
        return min(remaining, self._worker.relieve())

    def families(self) -> tuple[Family, ...]:
        """Return what is there now; a collector whose run is not done counts as failed."""
        page: list[Family] = []
        names: set[str] = set()
        success: list[tuple[tuple[str], float]] = []
        for guard, run in self._runs:
            families = guard.result(run, names)
            success.append(((guard.name,), float(families is not None)))
            page.extend(families or ())
            names.update(family.name for family in families or ())
        guards = [guard for guard, _ in self._runs]
        return (
            *page,
            COLLECTOR_SUCCESS.family(success),
            COLLECTOR_DURATION.family(((guard.name,), guard.duration) for guard in guards),
            COLLECTOR_LAST_SUCCESS.family(((guard.name,), guard.last_success) for guard in guards),
        )


def _after(futures: Sequence[Future[Any]], call: Callable[[], None]) -> None:
    """Have ``call`` made when all are done, by the thread of the last one."""
    if futures:
        futures[0].add_done_callback(lambda _: _after(futures[1:], call))
    else:
        call()


class Latest(NamedTuple):
    """What the last finished runs gave; ``taken_at`` is when the oldest of it was, since the epoch.

    0 before anything succeeded.
    """

    families: tuple[Family, ...]
    taken_at: float


class Registry:
    """The collectors in the order of their page, each behind its guard.

    ``catalogue`` says which names may be shown: any other makes its collector fail.
    ``patience`` is how many seconds a run may take before nobody new waits for it.
    """

    def __init__(
        self,
        collectors: Sequence[Collector],
        catalogue: Sequence[Metric],
        clock: Clock = Clock(),  # noqa: B008 -- frozen
        patience: float = DEFAULT_PATIENCE_SECONDS,
    ) -> None:
        names = [collector.name for collector in collectors]
        if len(set(names)) < len(names):
            raise ValueError(f"two collectors of one name: {names}")
        declared = frozenset(entry.name for entry in catalogue)
        self._clock = clock
        self._worker = Worker("collectors")
        self._guards = [
            Guard(collector, declared, self._worker, clock, patience) for collector in collectors
        ]

    def begin(self, budget: float) -> Scrape:
        """Ask every collector, giving them ``budget`` seconds; returns at once."""
        return Scrape(self._guards, self._worker, self._clock, budget)

    def scrape(self, budget: float) -> tuple[Family, ...]:
        """Ask every collector and wait, ``budget`` seconds at most."""
        scrape = self.begin(budget)
        while seconds := scrape.next_wait():
            wait([scrape.done], timeout=seconds)
        return scrape.families()

    def latest(self) -> Latest:
        """Return what is known from the last finished runs; starts none."""
        good = [(guard, guard.latest) for guard in self._guards if guard.latest is not None]
        succeeded = {guard.name for guard, _ in good}
        success = COLLECTOR_SUCCESS.family(
            ((guard.name,), float(guard.name in succeeded)) for guard in self._guards
        )
        families = tuple(family for _, latest in good for family in latest)
        return Latest(
            (*families, success), min((guard.last_success for guard, _ in good), default=0.0)
        )

    @property
    def not_ready(self) -> tuple[str, ...]:
        """Names of the collectors that have not succeeded yet."""
        return tuple(guard.name for guard in self._guards if not guard.last_success)

    def stalled_for(self) -> float:
        """Return for how many seconds runs have been in flight without any run coming to an end.

        0 while nothing is in flight. This is what a watchdog may ask: one collector that hangs
        does not stall the others; all of them hanging does.
        """
        waiting = [guard.in_flight_since() for guard in self._guards]
        starts = [start for start in waiting if start is not None]
        if not starts:
            return 0.0
        ends = [guard.last_finish for guard in self._guards if guard.last_finish is not None]
        return max(0.0, self._clock.monotonic() - max([min(starts), *ends]))

    def close(self) -> None:
        """Let the collectors' thread end; a run in flight is left alone."""
        self._worker.stop()
