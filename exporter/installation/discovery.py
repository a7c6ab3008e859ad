"""Keeps what is known of the installation current, in a thread of its own.

Looking may run bash on an environment file, so it is never done for a scrape; a scrape takes
what is known, and only the first one waits, for a bounded time, until something is.
"""

from __future__ import annotations

import threading
from typing import Callable, NamedTuple, Optional

import structlog

from exporter.installation.facts import Finding, Installation
from exporter.ports.facts import Endpoint

_STOP_SECONDS = 3.0


class Pace(NamedTuple):
    """In seconds: between two looks, and how long anybody waits for the first.

    ``searching`` is between two looks that found nothing: each asks every process of the host.
    """

    interval: float = 10.0
    searching: float = 15.0
    first_look: float = 8.0

    def after(self, found: Installation) -> float:
        """Say how long to wait after a look that gave this."""
        known = found.gausshome or found.static is not None
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
        self._cancel = cancel
        self._pace = pace
        self._known = (nothing, derive(nothing))
        self._told: frozenset[Finding] = frozenset()
        self._looked = threading.Event()
        self._stopping = threading.Event()
        self._thread: Optional[threading.Thread] = None

    def start(self) -> None:
        """Begin to look."""
        self._thread = threading.Thread(target=self._run, name="discovery", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; a program in flight is ended first."""
        self._stopping.set()
        self._cancel()
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)

    def wait_for_first(self, timeout: float) -> bool:
        """Wait until the first look has ended; ``timeout`` is in seconds."""
        return self._looked.wait(timeout)

    def installation(self) -> Installation:
        """Return what is known."""
        return self._current()[0]

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the endpoints of what is known."""
        return self._current()[1]

    def look(self) -> None:
        """Look once, and tell what is new."""
        found = self._refresh()
        if found is not self._known[0]:
            self._known = (found, self._derive(found))
            self._tell(found)
        self._looked.set()

    def _current(self) -> tuple[Installation, tuple[Endpoint, ...]]:
        if self._thread is not None:
            self._looked.wait(self._pace.first_look)
        return self._known

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.look()
            except Exception:  # noqa: BLE001 -- a look that fails must not be the last one
                structlog.get_logger().exception("looking for the installation failed")
            self._looked.set()
            self._stopping.wait(self._pace.after(self._known[0]))

    def _tell(self, found: Installation) -> None:
        """Log every problem once, and that it is gone once."""
        log = structlog.get_logger()
        problems = frozenset(found.problems)
        for finding in found.problems:
            if finding not in self._told:
                log.warning(
                    "not found", fact=finding.fact, origin=finding.origin, problem=finding.detail
                )
        if not problems and (self._told or found.static is not None):
            log.info("installation known", gausshome=found.gausshome, node=found.node_name)
        self._told = problems
