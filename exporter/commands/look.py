"""TODO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable

from exporter.scrape.base import Family
from exporter.wiring.application import Application

MOST_LOOKS = 5


def look(
    application: Application,
    budget: float,
    enough: Callable[[Sequence[Family]], bool] = lambda _: True,
) -> tuple[Family, ...]:
    """Start, look, end; some times more until ``enough`` says that there is no more to see.

    Waits for the first results of the background work, then for the collectors, ``budget`` seconds
    at most for each.
    """
    application.start()
    try:
        application.wait_for_first(budget)
        families = application.registry.scrape(budget)
        looks = 1
        while looks < MOST_LOOKS and not enough(families):
            families = application.registry.scrape(budget)
            looks += 1
        return families
    finally:
        application.stop()
