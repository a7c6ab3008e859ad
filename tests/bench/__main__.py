"""Prints the table of all benchmarks; exit status 1 when a bar was missed.

``python -m tests.bench [NAME...]`` runs those named only.
"""

from __future__ import annotations

import sys
import traceback
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
    print(machine())
    held = [_run(name) for name in names or BENCHMARKS]
    return int(not all(held))


def _run(name: str) -> bool:
    """Print one benchmark's table as soon as it is there; tell whether all of it holds."""
    found: list[Row] = []
    try:
        found.extend(BENCHMARKS[name]())
    except Exception:  # noqa: BLE001 -- what fails costs itself alone, and is told
        traceback.print_exc()
        found.append(Row(name, "failed", holds=False))
    print(f"\n{name}\n{render(found)}", flush=True)
    return all(row.holds is not False for row in found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
