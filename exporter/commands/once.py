"""One page on stdout, and the one look that ``diagnose`` takes as well."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Callable

from exporter.build import Application, build, make_runtime
from exporter.commands.output import write_out
from exporter.config import Config
from exporter.options import Options, Values
from exporter.scrape.base import Family
from exporter.scrape.exposition import Format, render
from exporter.scrape.metrics import COLLECTOR_SUCCESS

BUDGET_SECONDS = 60.0
MOST_LOOKS = 5


def run(options: Options, config: Config, _values: Values) -> int:
    """Write one page to stdout; 1 when a collector failed (the page tells which), else 0."""
    families = look(build(options, config, make_runtime()), BUDGET_SECONDS)
    write_out(render(families, Format.TEXT), sys.stdout.buffer)
    outcome = next(family for family in families if family.name == COLLECTOR_SUCCESS.name)
    return int(any(not sample.value for sample in outcome.samples))


def look(
    application: Application,
    budget: float,
    enough: Callable[[Sequence[Family]], bool] = lambda _: True,
) -> tuple[Family, ...]:
    """Start, scrape, end; scrape again, a few times, until ``enough`` takes the families.

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
