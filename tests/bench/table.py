"""What a benchmark gives, and how the table of all of them is printed."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

HEAD = ("what", "measured", "bar", "")


@dataclass(frozen=True)
class Row:
    """One line of the table: what was measured, against which bar, and what came out.

    ``holds`` is None for a peer's figure, which has no bar of its own.
    """

    what: str
    measured: str
    bar: str = ""
    holds: Optional[bool] = None


def at_most(what: str, measured: float, bar: float, unit: str) -> Row:
    """Make the row of a figure that must not be above its bar."""
    return Row(what, f"{measured:.2f} {unit}", f"<= {bar:g} {unit}", measured <= bar)


def at_least(what: str, measured: float, bar: float, unit: str) -> Row:
    """Make the row of a figure that must not be below its bar."""
    return Row(what, f"{measured:.0f} {unit}", f">= {bar:g} {unit}", measured >= bar)


def milliseconds(action: Callable[[], object], runs: int) -> float:
    """Return the median duration of some runs in milliseconds, after one that does not count."""
    action()
    durations = []
    for _ in range(runs):
        start = time.perf_counter()
        action()
        durations.append(time.perf_counter() - start)
    return statistics.median(durations) * 1000


def machine() -> str:
    """Describe the machine in one line, with its speed now: that of a shared one varies."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    models = {
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    }
    return (
        f"{os.cpu_count()} CPUs ({', '.join(sorted(models)) or platform.machine()}), "
        f"{memory:.0f} GiB, Linux {platform.release()}, Python {platform.python_version()}, "
        f"{_million_additions():.0f} ms for a million additions in a loop"
    )


def _million_additions() -> float:
    """Measure how fast Python is here, in milliseconds."""

    def add() -> None:
        total = 0
        for number in range(1_000_000):
            total += number

    return milliseconds(add, 9)


def render(rows: Iterable[Row], head: tuple[str, str, str, str] = HEAD) -> str:
    """Lay the rows out in columns."""
    verdicts = {None: "", True: "holds", False: "MISSED"}
    cells = [head]
    cells += [(row.what, row.measured, row.bar, verdicts[row.holds]) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells
    )
