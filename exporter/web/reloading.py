"""Keeps one application in force, and replaces it when a new configuration holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable, Protocol

import structlog

from exporter.errors import ExporterError
from exporter.scrape.facts import ReloadStatus
from exporter.scrape.registry import Registry

_OWN = "configuration"


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
    """How the last reading of each configuration file went; outlives the applications."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self._wall = wall
        self._loaded_at = wall()
        self._problems: dict[str, str] = {}

    def status(self) -> ReloadStatus:
        """Return the facts for the metrics; one bad file is enough for a problem."""
        problems = (problem for problem in tuple(self._problems.values()) if problem)
        return ReloadStatus(self._loaded_at, "\n".join(problems))

    def note(self, file: str, problem: str) -> None:
        """Note that what was read last of a file is in force, or why it is not."""
        self._problems[file] = problem
        if not problem:
            self._loaded_at = self._wall()


class Reloader:
    """Holds the application in force. ``rebuild`` reads the configuration and builds a new one.

    ``others`` read a file of their own anew if it has changed; each returns what is wrong with
    it. One that is bad keeps nobody else's new configuration from being put in force.

    ``rebuild`` must not start anything: when it raises, the old application goes on untouched.
    The old one is stopped before the new one starts, as both would want the same files.
    """

    def __init__(
        self,
        first: Application,
        rebuild: Callable[[], Application],
        record: ReloadRecord,
        others: Sequence[Callable[[], str]] = (),
    ) -> None:
        self._current = first
        self._rebuild = rebuild
        self._record = record
        self._others = others

    @property
    def current(self) -> Application:
        """The application in force."""
        return self._current

    @property
    def watches_files(self) -> bool:
        """Whether there is anything to ``look`` at."""
        return bool(self._others)

    def reload(self) -> str:
        """Read all anew and put it in force; returns why something is not, empty when all is."""
        problems = (self._reload_application(), self.look())
        return "\n".join(problem for problem in problems if problem)

    def look(self) -> str:
        """Have the others look at their files; returns what is wrong with those."""
        problems = [other() for other in self._others]
        return "\n".join(problem for problem in problems if problem)

    def _reload_application(self) -> str:
        log = structlog.get_logger()
        try:
            fresh = self._rebuild()
        except Exception as error:  # a new configuration must never end the exporter
            known = isinstance(error, ExporterError)
            problem = str(error) if known else f"{type(error).__name__}: {error}"
            self._record.note(_OWN, problem)
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
        self._record.note(_OWN, "")
        _attempt("start", fresh.start)


def _attempt(what: str, action: Callable[[], None]) -> None:
    """Do it; past this point there is no old configuration to go back to, so a bug is only told."""
    try:
        action()
    except Exception:  # noqa: BLE001 -- whatever it is, the new configuration is in force
        structlog.get_logger().exception(f"background work did not {what}")
