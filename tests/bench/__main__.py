"""Prints the table of all benchmarks; exit status 1 when a bar was missed.

``python -m tests.bench [NAME...]`` runs those named only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence

from tests.bench import alert, fleet, logs, memory, page, ports
from tests.bench.table import Row, machine, render

BENCHMARKS: dict[str, Callable[[], Iterable[Row]]] = {
    "ports": ports.rows,
    "page": page.rows,
    "logs": logs.rows,
    "memory": memory.rows,
    "alert": alert.rows,
    "fleet": fleet.rows,
}


def main(names: Sequence[str]) -> int:
    """Run the benchmarks of these names, all without any."""
    unknown = sorted(set(names) - BENCHMARKS.keys())
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}")
        return 64
    found = [row for name in names or BENCHMARKS for row in BENCHMARKS[name]()]
    print(machine())
    print(render(found))
    return int(any(row.holds is False for row in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
