"""The thread that follows the logs, remembers what it saw, and publishes what is known."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any, Callable, Optional, Protocol

import structlog

from exporter.errors import ExporterError
from exporter.logs.facts import LogErrorReason, LogSnapshot, SourceActivity
from exporter.logs.follower import Evidence, LogFollower, Standing
from exporter.logs.state import StateFile

POLL_SECONDS = 1.0
QUIET_POLL_SECONDS = 5.0  # a look costs 1 ms; a record that counts as present is 10 s old at most
_QUIET_AFTER_SECONDS = 60.0
SAVE_SECONDS = 30.0
_LONGEST_DELAY = 60.0
_STOP_SECONDS = 5.0


class Knowledge(Evidence, Protocol):
    """Evidence that can be shown, written down and restored.

    ``future_times`` counts by source the records that were ahead of our clock.
    """

    future_times: Counter[str]

    def snapshot(self) -> LogSnapshot:
        """Return what is known, as it is now."""

    def dump(self) -> dict[str, Any]:
        """Write everything down in JSON's types."""

    def restore(self, dumped: Mapping[str, Any]) -> None:
        """Know what was written down; raises ParseError, and changes nothing, if it is not that."""


class LogService:
    """Follows logs in a thread of its own, from ``start`` to ``stop``.

    ``wall`` and ``monotonic`` are clocks in seconds. Findings are shown only once they have been
    written down, together with the positions behind them: whenever the process is killed, no
    record is counted twice or missed. Where no state can be kept, that holds until the end only.
    """

    def __init__(
        self,
        follower: LogFollower,
        knowledge: Knowledge,
        state: Optional[StateFile],
        wall: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._follower = follower
        self._knowledge = knowledge
        self._state = state
        self._wall = wall
        self._monotonic = monotonic
        self._snapshot = LogSnapshot()
        self._found_at = monotonic()
        self._save_at = 0.0
        self._service_errors: dict[LogErrorReason, int] = {}
        self._stopping = threading.Event()
        self._looked = threading.Event()
        self._thread: Optional[threading.Thread] = None
        self._log = structlog.get_logger()
        self._publish()

    @property
    def snapshot(self) -> LogSnapshot:
        """What is known from the logs; for any thread."""
        return self._snapshot

    def wait_for_first(self, timeout: float) -> bool:
        """Wait until everything was read once; whether it was."""
        return self._looked.wait(timeout)

    def start(self) -> None:
        """Restore what was known, and begin to follow."""
        self.open()
        self._thread = threading.Thread(target=self._run, name="logs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Read on once more, write down what is known, and end in bounded time."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)

    def open(self) -> None:
        """Lock and read the state; without one that can be used, say so and do without."""
        if self._state is not None:
            try:
                self._state.lock()
            except ExporterError as error:
                self._do_without("no state is kept", error)
                self._state = None
        if self._state is not None:
            try:
                self._restore(self._state.load())
            except ExporterError as error:
                self._do_without("the state is ignored", error)
        self._publish()

    def _restore(self, state: Optional[Mapping[str, Any]]) -> None:
        if state is not None:
            self._knowledge.restore(state.get("evidence", {}))
            self._follower.restore(state.get("positions", {}), self._monotonic())

    def _do_without(self, what: str, error: Exception) -> None:
        self._log.warning(what, error=str(error))
        reason = LogErrorReason.STATE_FILE
        self._service_errors[reason] = self._service_errors.get(reason, 0) + 1

    def step(self, *, last: bool = False) -> bool:
        """Look once, write down and show what was found; whether more is there to be read."""
        poll = self._follower.poll(self._wall(), self._monotonic(), last=last)
        due = self._monotonic() >= self._save_at
        if poll.found:
            self._found_at = self._monotonic()
        if poll.found or due:
            self._save(durable=due)
        self._publish()
        if not poll.more:
            self._looked.set()
        return poll.more

    def _save(self, *, durable: bool) -> None:
        if durable:
            self._save_at = self._monotonic() + SAVE_SECONDS
        if self._state is None:
            return
        state = {"positions": self._follower.dump(), "evidence": self._knowledge.dump()}
        try:
            self._state.save(state, durable=durable)
        except ExporterError as error:
            self._do_without("the state cannot be written", error)

    def close(self) -> None:
        """Write everything down and let go of all files."""
        self._save(durable=True)
        self._follower.close()
        if self._state is not None:
            self._state.unlock()

    def _run(self) -> None:
        delay = POLL_SECONDS
        while not self._stopping.is_set():
            try:
                more = self.step()
                delay = 0.0 if more else self.pause()
            except Exception:  # noqa: BLE001 -- the thread must outlive what nobody thought of
                self._log.exception("following the logs failed")
                reason = LogErrorReason.INTERNAL
                self._service_errors[reason] = self._service_errors.get(reason, 0) + 1
                delay = min(max(delay * 2, POLL_SECONDS), _LONGEST_DELAY)
            self._stopping.wait(delay)
        self._end()

    def pause(self) -> float:
        """Return for how many seconds not to look: longer where no record has come for a while."""
        quiet = self._monotonic() - self._found_at >= _QUIET_AFTER_SECONDS
        return QUIET_POLL_SECONDS if quiet else POLL_SECONDS

    def _end(self) -> None:
        try:
            self.step(last=True)
        except Exception:  # noqa: BLE001 -- what is known must be written down all the same
            self._log.exception("following the logs failed")
        self.close()

    def _publish(self) -> None:
        known = self._knowledge.snapshot()
        standings = self._follower.standings()
        pending = {source for source, standing in standings.items() if standing.looks_back}
        self._snapshot = LogSnapshot(
            matches=known.matches,
            last_match=known.last_match,
            port_reports=known.port_reports,
            start_status=known.start_status,
            start_failed_after=known.start_failed_after,
            restart_limit_times=known.restart_limit_times,
            covered_since={s: t for s, t in known.covered_since.items() if s not in pending},
            activity={s: self._activity(s, standing) for s, standing in standings.items()},
            service_errors=dict(self._service_errors),
        )

    def _activity(self, source: str, standing: Standing) -> SourceActivity:
        done = self._follower.activity[source]
        return SourceActivity(
            files=standing.files,
            lag=standing.lag,
            lines=done.lines,
            bytes=done.bytes,
            rotations=done.rotations,
            truncations=done.truncations,
            errors={
                **done.errors,
                LogErrorReason.FUTURE_TIME: self._knowledge.future_times[source],
            },
        )
