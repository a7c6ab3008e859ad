"""TODO."""

from __future__ import annotations

import sys

from exporter.commands.look import look
from exporter.config import Config
from exporter.options import Options, Values
from exporter.output import write_out
from exporter.scrape.exposition import Format, render
from exporter.scrape.metrics import COLLECTOR_SUCCESS
from exporter.wiring.application import build, make_runtime

ONCE_BUDGET_SECONDS = 60.0


def run(options: Options, config: Config, _values: Values) -> int:
    """Write one page to stdout; 1 when a collector failed (the page tells which), else 0."""
    families = look(build(options, config, make_runtime()), ONCE_BUDGET_SECONDS)
    write_out(render(families, Format.TEXT), sys.stdout.buffer)
    outcome = next(family for family in families if family.name == COLLECTOR_SUCCESS.name)
    return int(any(not sample.value for sample in outcome.samples))
