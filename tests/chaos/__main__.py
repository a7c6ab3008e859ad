"""``python -m tests.chaos [WORD…]``: what may go wrong, what was expected, what was seen.

With words only the trials whose name holds one of them. Needs root, for some faults are the
host's. Exit status 1 when something was not as expected.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from typing import Callable

from tests.bench.table import Row, machine, render
from tests.chaos import crash, host, logs, manager, restarts, rules, soak, web

TRIALS: dict[str, Callable[[], Iterator[Row]]] = {
    "web": web.rows,
    "pair": host.high_availability_pair,
    "kill": restarts.kill_and_restart,
    "clock": restarts.clock_jumps,
    "disk": restarts.full_disk,
    "descriptors": host.few_descriptors,
    "hidepid": host.hidepid,
    "sigstop": host.stopped_cm_ctl,
    "processes": host.crowded_host,
    "namespaces": host.namespaces,
    "soak": soak.rows,
    "crash": crash.rows,
    "logs": logs.rows,
    "manager": manager.rows,
    "rules": rules.rows,
}


def main(words: Sequence[str]) -> int:
    """Run what was asked for and print the table of all of it."""
    rows: list[Row] = []
    for name, trial in TRIALS.items():
        if not words or any(word in name for word in words):
            rows += _run(name, trial)
    sys.stdout.write(f"{machine()}\n{render(rows, ('trial', 'seen', 'expected', ''))}\n")
    return int(any(row.holds is False for row in rows))


def _run(name: str, trial: Callable[[], Iterator[Row]]) -> list[Row]:
    """Run one trial; the head of its rows tells how long it took, and in what load."""
    found: list[Row] = []
    began = time.monotonic()
    try:
        found += trial()
    except Exception:  # noqa: BLE001 -- what fails costs itself alone, and is told
        traceback.print_exc()
        found.append(Row("the trial itself", "failed", "an outcome", holds=False))
    took = f"{time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.1f}"
    sys.stderr.write(f"{name}: {took}\n")
    return [Row(name.upper(), took), *(indented(row) for row in found)]


def indented(row: Row) -> Row:
    """Put a row below the head of its trial."""
    return Row(f"  {row.what}", row.measured, row.bar, row.holds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
