"""``python -m tests.chaos [WORD…]``: what may go wrong, what was expected, what was seen.

With words only the trials whose name holds one of them. Needs root, for some faults are the
host's.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Callable

from tests.bench.table import Row, machine, render
from tests.chaos import crash, host, logs, restarts, rules, web

TRIALS: dict[str, Callable[[], Iterator[Row]]] = {
    "crash": crash.rows,
    "web": web.rows,
    "kill": restarts.kill_and_restart,
    "clock": restarts.clock_jumps,
    "disk": restarts.full_disk,
    "hidepid": host.hidepid,
    "sigstop": host.stopped_cm_ctl,
    "processes": host.crowded_host,
    "descriptors": host.few_descriptors,
    "namespaces": host.namespaces,
    "pair": host.high_availability_pair,
    "soak": host.soak,
    "logs": logs.rows,
    "rules": rules.rows,
}


def main(words: Sequence[str]) -> int:
    """Run what was asked for and print the table; 1 when something was not as expected."""
    rows: list[Row] = []
    for name, trial in TRIALS.items():
        if not words or any(word in name for word in words):
            rows += trial()
    sys.stdout.write(f"{machine()}\n{render(rows)}\n")
    return int(any(row.holds is False for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
