"""Counts what was turned away, and says so in the log once a minute for each reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Callable

import structlog

from exporter.scrape.metrics import Refusal

LOG_INTERVAL_SECONDS = 60.0


class Refusals:
    """Counters by reason, all of them there from the start. For the server's thread only.

    A client that is refused a thousand times a second must not fill the log.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._counts = dict.fromkeys(Refusal, 0)
        self._logged_at: dict[Refusal, float] = {}
        self._log = structlog.get_logger()

    @property
    def counts(self) -> Mapping[Refusal, int]:
        """Return how many there were for each reason; every reason is present."""
        return dict(self._counts)

    def add(self, reason: Refusal, peer: str, detail: str = "") -> None:
        """Count one, and log it unless one of its kind was logged a moment ago."""
        self._counts[reason] += 1
        now = self._monotonic()
        last = self._logged_at.get(reason)
        if last is not None and now - last < LOG_INTERVAL_SECONDS:
            return
        self._logged_at[reason] = now
        self._log.warning(
            "client refused",
            reason=reason.value,
            peer=peer,
            detail=detail,
            total=self._counts[reason],
        )
