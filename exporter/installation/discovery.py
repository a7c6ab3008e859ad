"""Keeps what is known of the installation current, in a thread of its own.

Looking may run bash on an environment file, so it is never done for a scrape; a scrape takes
what is known, and only the first one waits, for a bounded time, until something is.
"""

from __future__ import annotations

from typing import Callable, NamedTuple

import structlog

from exporter.host.background import Background
from exporter.installation.facts import Installation, Lookup
from exporter.ports.facts import Endpoint

_STOP_SECONDS = 3.0


class Pace(NamedTuple):
    """In seconds: between two looks, and how long anybody waits for the first.

    ``searching`` is between two looks that found nothing: each asks every process of the host.
    """

    interval: float = 10.0
    searching: float = 15.0
    first_look: float = 8.0

    def after(self, installation: Installation) -> float:
        """Say how long to wait after a look that gave this."""
        known = installation.gausshome or installation.static is not None
        return self.interval if known else self.searching


class Discovery:
    """Asks ``refresh`` again and again; ``derive`` makes the endpoints of what it gives.

    ``nothing`` is what holds before the first look has ended; ``cancel`` ends one in flight.
    """

    def __init__(
        self,
        refresh: Callable[[], Installation],
        derive: Callable[[Installation], tuple[Endpoint, ...]],
        nothing: Installation,
        cancel: Callable[[], None] = lambda: None,
        pace: Pace = Pace(),  # noqa: B008 -- frozen
    ) -> None:
        self._refresh = refresh
        self._derive = derive
        self._pace = pace
        self._known = (nothing, derive(nothing))
        self._logged: frozenset[Lookup] = frozenset()
        self._background = Background(
            "discovery",
            self.look,
            cancel=cancel,
            failed=self._look_failed,
            stop_seconds=_STOP_SECONDS,
        )

    def start(self) -> None:
        """Begin to look."""
        self._background.start()

    def stop(self) -> None:
        """End; a program in flight is ended first."""
        self._background.stop()

    def wait_for_first(self, timeout: float) -> bool:
        """Wait until the first look has ended; ``timeout`` is in seconds."""
        return self._background.wait_for_first(timeout)

    def installation(self) -> Installation:
        """Return what is known."""
        return self._current()[0]

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the endpoints of what is known."""
        return self._current()[1]

    def look(self) -> float:
        """Look once and log what is new; return how many seconds to wait before the next look."""
        installation = self._refresh()
        if installation is not self._known[0]:
            self._known = (installation, self._derive(installation))
            self._log(installation)
        self._background.ready.set()
        return self._pace.after(installation)

    def _look_failed(self) -> None:
        self._background.ready.set()

    def _current(self) -> tuple[Installation, tuple[Endpoint, ...]]:
        if self._background.started:
            self._background.wait_for_first(self._pace.first_look)
        return self._known

    def _log(self, installation: Installation) -> None:
        """Log every problem once, and that it is gone once."""
        log = structlog.get_logger()
        problems = frozenset(installation.problems)
        for problem in installation.problems:
            if problem not in self._logged:
                log.warning(
                    "not found", fact=problem.fact, origin=problem.origin, problem=problem.detail
                )
        if not problems and (self._logged or installation.static is not None):
            log.info(
                "installation known",
                gausshome=installation.gausshome,
                node=installation.node_name,
            )
        self._logged = problems
