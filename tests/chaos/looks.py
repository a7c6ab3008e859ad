"""What the trials look at: pages of a running exporter."""

from __future__ import annotations

import http.client
import os
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Callable

from tests.bench.table import Row
from tests.support.exporter_process import ExporterProcess

PATIENCE_SECONDS = 60.0
BETWEEN_LOOKS = 0.05


def failed_collectors(page: str) -> list[str]:
    """Name the collectors that a page says failed."""
    return re.findall(
        r'^opengauss_exporter_collector_success{collector="(\w+)"} 0.0', page, re.MULTILINE
    )


def value(page: str, name: str) -> float:
    """Read one sample; NaN when it is not there."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE)
    return float(found[1]) if found else float("nan")


def wait_until(look: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> bool:
    """Look again and again until it is so; False when it never was."""
    end = time.monotonic() + seconds
    while not look():
        if time.monotonic() > end:
            return False
        time.sleep(BETWEEN_LOOKS)
    return True


def bad_pages(exporter: ExporterProcess, number: int) -> list[str]:
    """Scrape so many times; tell what was wrong with each page that was not whole."""
    found = []
    for _ in range(number):
        try:
            failed = failed_collectors(exporter.metrics())
        except (AssertionError, OSError, http.client.HTTPException) as error:
            failed = [repr(error)[:60]]
        found += failed
    return found


def as_expected(what: str, seen: object, expected: object) -> Row:
    """Make the row of a trial whose outcome is one thing."""
    return Row(what, str(seen), str(expected), seen == expected)


def nothing(what: str, seen: Sequence[object], expected: str) -> Row:
    """Make the row of a trial that should find nothing."""
    return Row(what, "; ".join(map(str, seen))[:100] or "none", expected, not seen)


def unless_busy(row: Row) -> Row:
    """Take the verdict from a figure of the wall clock that others may have spoilt.

    What holds in any load, holds. What is missed while more wants to run than there are processors
    says nothing of the exporter: it is told with the load, and not judged.
    """
    load = os.getloadavg()[0]
    if row.holds or load <= (os.cpu_count() or 1):
        return row
    return replace(row, measured=f"{row.measured}, not judged in load {load:.0f}", holds=None)
