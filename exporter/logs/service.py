"""The service that follows the logs, remembers what it saw, and publishes what is known.

Positions and evidence are written into one state file, so that neither is ahead of the other. It is
replaced by renaming, and locked by a file beside it for as long as the exporter runs. A state that
cannot be used is ignored, and the exporter says so: it goes on without memory.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

import structlog

from exporter.errors import ExporterError, ParseError, SourceError
from exporter.host.background import Background
from exporter.host.clock import Clock
from exporter.host.files import HostFiles
from exporter.logs.evidence import LogEvidence
from exporter.logs.facts import LogErrorReason, LogSnapshot
from exporter.logs.follower import LogFollower

POLL_SECONDS = 1.0
QUIET_POLL_SECONDS = 5.0  # a look costs 1 ms; a record that counts as present is 10 s old at most
_QUIET_AFTER_SECONDS = 60.0
SAVE_SECONDS = 30.0
VERSION = 1
_LARGEST = 64 << 20  # bytes


class LogService:
    """Follows logs in a thread of its own, from ``start`` to ``stop``.

    What is found is shown only once it has been written down, together with the positions behind
    it: whenever the process is killed, no record is counted twice or missed. Where no state can be
    kept, that holds until the end only.
    """

    def __init__(
        self,
        follower: LogFollower,
        evidence: LogEvidence,
        state: Optional[StateFile],
        clock: Clock,
    ) -> None:
        self._follower = follower
        self._evidence = evidence
        self._state = state
        self._clock = clock
        self._snapshot = LogSnapshot()
        self._found_at = clock.monotonic()
        self._save_at = 0.0
        self._errors: Counter[LogErrorReason] = Counter()
        self._log = structlog.get_logger()
        self._background = Background(
            "logs", self._step_and_pause, finish=self._end, failed=self._count_failure
        )
        self._publish()

    @property
    def snapshot(self) -> LogSnapshot:
        """What is known from the logs; for any thread."""
        return self._snapshot

    def wait_for_first(self, timeout: float) -> bool:
        """Wait until everything was read once; whether it was. ``timeout`` is in seconds."""
        return self._background.wait_for_first(timeout)

    def start(self) -> None:
        """Restore what was known, and begin to follow."""
        self.open()
        self._background.start()

    def stop(self) -> None:
        """Read on once more, write down what is known, and end in bounded time."""
        self._background.stop()

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
            self._evidence.restore(state.get("evidence", {}))
            self._follower.restore(state.get("positions", {}), self._clock.monotonic())

    def _do_without(self, what: str, error: Exception) -> None:
        self._log.warning(what, error=str(error))
        self._errors[LogErrorReason.STATE_FILE] += 1

    def step(self, *, last: bool = False) -> bool:
        """Look once, write down and show what was found; whether more is there to be read."""
        poll = self._follower.poll(self._clock.wall(), self._clock.monotonic(), last=last)
        due = self._clock.monotonic() >= self._save_at
        if poll.found:
            self._found_at = self._clock.monotonic()
        if poll.found or due:
            self._save(durable=due)
        self._publish()
        if not poll.more:
            self._background.ready.set()
        return poll.more

    def _save(self, *, durable: bool) -> None:
        if durable:
            self._save_at = self._clock.monotonic() + SAVE_SECONDS
        if self._state is None:
            return
        state = {"positions": self._follower.dump(), "evidence": self._evidence.dump()}
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

    def _step_and_pause(self) -> float:
        return 0.0 if self.step() else self.pause()

    def pause(self) -> float:
        """Return for how many seconds not to look: longer where no record has come for a while."""
        quiet = self._clock.monotonic() - self._found_at >= _QUIET_AFTER_SECONDS
        return QUIET_POLL_SECONDS if quiet else POLL_SECONDS

    def _count_failure(self) -> None:
        self._errors[LogErrorReason.INTERNAL] += 1

    def _end(self) -> None:
        try:
            self.step(last=True)
        except Exception:  # noqa: BLE001 -- what is known must be written down all the same
            self._log.exception("the last look at the logs failed")
        self.close()

    def _publish(self) -> None:
        snapshot, looks_back = self._evidence.snapshot(), self._follower.looks_back()
        covered = snapshot.covered_since.items()
        self._snapshot = replace(
            snapshot,
            covered_since={source: t for source, t in covered if source not in looks_back},
            activity=self._follower.progress(),
            service_errors=dict(self._errors),
        )


def host_id(files: HostFiles) -> str:
    """Return what no other host has; empty if this one has no such thing."""
    try:
        return files.text("/etc/machine-id", 64).strip()
    except SourceError:
        return ""


class StateError(SourceError):
    """The state file cannot be read, written or locked."""

    reason = "state_file"


def default_state_file(environment: Mapping[str, str]) -> Optional[Path]:
    """Choose where the state goes: systemd's directory, else the user's; None without a home."""
    given = environment.get("STATE_DIRECTORY", "").split(":")[0]
    if given:
        return Path(given) / "positions.json"
    home = environment.get("XDG_STATE_HOME") or (
        f"{environment['HOME']}/.local/state" if environment.get("HOME") else ""
    )
    return Path(home) / "opengauss-cm-exporter" / "positions.json" if home else None


class StateFile:
    """One state file of this host. ``host`` is a name that no other host has."""

    def __init__(self, path: Path, host: str) -> None:
        self._path = path
        self._host = host
        self._lock: Optional[int] = None

    def lock(self) -> None:
        """Keep other exporters from using it; raises StateError if one does already."""
        lock = self._path.with_name(self._path.name + ".lock")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.unlock()
            raise StateError(f"{lock}: cannot be locked: {error.strerror}") from error

    def unlock(self) -> None:
        """Let others use it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def load(self) -> Optional[dict[str, Any]]:
        """Read what was written last; None if nothing was.

        Raises StateError or ParseError with why it cannot be used.
        """
        try:
            with self._path.open("rb") as file:
                data = file.read(_LARGEST + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"{self._path}: {error.strerror}") from error
        return self._parse(data)

    def _parse(self, data: bytes) -> dict[str, Any]:
        try:
            state = json.loads(data, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise ParseError(f"{self._path}: not JSON") from error
        if not isinstance(state, dict) or state.get("version") != VERSION:
            raise ParseError(f"{self._path}: not a state of version {VERSION}")
        if state.get("host") != self._host:
            raise ParseError(f"{self._path}: the state of another host")
        return state

    def save(self, state: Mapping[str, Any], *, durable: bool) -> None:
        """Replace what was written; ``durable`` also survives a power failure.

        Raises StateError. A killed process leaves either the old state or the new one.
        """
        data = json.dumps({"version": VERSION, "host": self._host, **state}).encode()
        temporary = self._path.with_name(self._path.name + ".new")
        try:
            with open(temporary, "wb", opener=_private) as file:
                file.write(data)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            temporary.replace(self._path)
        except OSError as error:
            raise StateError(f"{self._path}: {error.strerror}") from error


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _refuse(constant: str) -> float:
    raise ValueError(constant)
