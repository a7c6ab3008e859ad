"""Keeps one application in force, and replaces it when a new configuration holds."""

from __future__ import annotations

from typing import Callable, Protocol

import structlog

from exporter.errors import ExporterError
from exporter.model.exporter import ReloadStatus
from exporter.registry import Registry


class Application(Protocol):
    """The collectors of one configuration and what works in the background for them."""

    @property
    def registry(self) -> Registry:
        """The collectors."""

    def start(self) -> None:
        """Start the background work; what fails there shows in its collector."""

    def stop(self) -> None:
        """End the background work, in bounded time."""


class ReloadRecord:
    """How the last reading of the configuration went; outlives the applications."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._status = ReloadStatus(loaded_at=wall())

    def status(self) -> ReloadStatus:
        """Return the facts for the metrics."""
        return self._status

    def succeeded(self) -> None:
        """Note that the configuration read last is in force."""
        self._status = ReloadStatus(loaded_at=self._wall())

    def failed(self, problem: str) -> None:
        """Note that the configuration read last is not in force, and why."""
        self._status = ReloadStatus(self._status.loaded_at, problem)


class Reloader:
    """Holds the application in force. ``rebuild`` reads the configuration and builds a new one.

    ``rebuild`` must not start anything: when it raises, the old application goes on untouched.
    The old one is stopped before the new one starts, as both would want the same files.
    """

    def __init__(
        self, first: Application, rebuild: Callable[[], Application], record: ReloadRecord
    ) -> None:
        self._current = first
        self._rebuild = rebuild
        self._record = record

    @property
    def current(self) -> Application:
        """The application in force."""
        return self._current

    def reload(self) -> str:
        """Put a new application in force; returns why that failed, empty when it did not."""
        log = structlog.get_logger()
        try:
            fresh = self._rebuild()
        except Exception as error:  # a new configuration must never end the exporter
            known = isinstance(error, ExporterError)
            problem = str(error) if known else f"{type(error).__name__}: {error}"
            self._record.failed(problem)
            log.error(  # noqa: TRY400 -- a configuration's problems need no traceback
                "reload failed, the old configuration stays in force",
                problem=problem,
                exc_info=None if known else error,
            )
            return problem
        self._replace(fresh)
        log.info("configuration reloaded")
        return ""

    def stop(self) -> None:
        """End the application in force."""
        _attempt("stop", self._current.stop)

    def _replace(self, fresh: Application) -> None:
        self.stop()
        self._current = fresh
        self._record.succeeded()
        _attempt("start", fresh.start)


def _attempt(what: str, action: Callable[[], None]) -> None:
    """Do it; past this point there is no old configuration to go back to, so a bug is only told."""
    try:
        action()
    except Exception:  # noqa: BLE001 -- whatever it is, the new configuration is in force
        structlog.get_logger().exception(f"background work did not {what}")
