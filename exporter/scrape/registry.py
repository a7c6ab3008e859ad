"""All collectors together: one scrape asks each of them, and none can cost another's metrics."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, wait
from typing import Callable, NamedTuple, Optional

from exporter.errors import CatalogueError
from exporter.host.clock import Clock
from exporter.scrape.base import Family
from exporter.scrape.base import Metric as Entry
from exporter.scrape.guard import DEFAULT_PATIENCE_SECONDS, Collector, Guard, Outcome, Run
from exporter.scrape.metrics import COLLECTOR_DURATION, COLLECTOR_LAST_SUCCESS, COLLECTOR_SUCCESS
from exporter.scrape.turns import Call, Turns


class Scrape:
    """One look at all collectors, under way since it was made."""

    def __init__(self, guards: Sequence[Guard], turns: Turns, clock: Clock, budget: float) -> None:
        now = clock.monotonic()
        self._clock = clock
        self._deadline = now + budget
        calls: list[Call] = []
        self._runs = [(guard, guard.join(budget, calls.append)) for guard in guards]
        turns.submit(calls)  # all in one go: a thread is woken once
        self.pending: tuple[Future[Outcome], ...] = tuple(
            run.done for _, run in self._runs if run.overdue_at > now
        )

    @property
    def remaining(self) -> float:
        """Seconds for which ``pending`` may still be waited for."""
        return max(0.0, self._deadline - self._clock.monotonic())

    def when_done(self, call: Callable[[], None]) -> None:
        """Have ``call`` made when all of ``pending`` are done, by the thread of the last one."""
        _after(self.pending, call)

    def families(self) -> tuple[Family, ...]:
        """Return what is there now; a collector whose run is not done counts as failed."""
        page: list[Family] = []
        names: set[str] = set()
        success: list[tuple[tuple[str], float]] = []
        for guard, run in self._runs:
            families = self._unique(guard, run, names)
            success.append(((guard.name,), float(families is not None)))
            page.extend(families or ())
        return (*page, *self._self_metrics(success))

    @staticmethod
    def _unique(guard: Guard, run: Run, names: set[str]) -> Optional[tuple[Family, ...]]:
        families = guard.result(run)
        if families is None:
            return None
        own = {family.name for family in families}
        if own & names:
            twice = ", ".join(sorted(own & names))
            guard.reject(CatalogueError(f"{twice} comes from another collector, too"))
            return None
        names |= own
        return families

    def _self_metrics(self, success: list[tuple[tuple[str], float]]) -> tuple[Family, ...]:
        guards = [guard for guard, _ in self._runs]
        return (
            COLLECTOR_SUCCESS.family(success),
            COLLECTOR_DURATION.family(((guard.name,), guard.duration) for guard in guards),
            COLLECTOR_LAST_SUCCESS.family(((guard.name,), guard.last_success) for guard in guards),
        )


def _after(runs: Sequence[Future[Outcome]], call: Callable[[], None]) -> None:
    if runs:
        runs[0].add_done_callback(lambda _: _after(runs[1:], call))
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
        catalogue: Sequence[Entry],
        clock: Clock = Clock(),  # noqa: B008 -- frozen
        patience: float = DEFAULT_PATIENCE_SECONDS,
    ) -> None:
        names = [collector.name for collector in collectors]
        if len(set(names)) < len(names):
            raise ValueError(f"two collectors of one name: {names}")
        declared = frozenset(entry.name for entry in catalogue)
        self._clock = clock
        self._turns = Turns("collectors")
        self._guards = [Guard(each, declared, clock, patience) for each in collectors]

    def begin(self, budget: float) -> Scrape:
        """Ask every collector, giving them ``budget`` seconds; returns at once."""
        return Scrape(self._guards, self._turns, self._clock, budget)

    def scrape(self, budget: float) -> tuple[Family, ...]:
        """Ask every collector and wait, ``budget`` seconds at most."""
        scrape = self.begin(budget)
        wait(scrape.pending, timeout=scrape.remaining)
        return scrape.families()

    def latest(self) -> Latest:
        """Return what is known from the last finished runs; starts none."""
        good = [(g, g.latest.families) for g in self._guards if g.latest and not g.latest.error]
        succeeded = {guard.name for guard, _ in good}
        success = COLLECTOR_SUCCESS.family(
            ((guard.name,), float(guard.name in succeeded)) for guard in self._guards
        )
        families = tuple(family for _, some in good for family in some)
        return Latest((*families, success), min((g.last_success for g, _ in good), default=0.0))

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
        """Let the collectors' threads end; a run in flight is left alone."""
        self._turns.stop()
