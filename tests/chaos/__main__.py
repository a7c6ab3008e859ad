"""``python -m tests.chaos``: what may go wrong, what was expected, what was seen."""

from __future__ import annotations

import sys

from tests.bench.table import Row, machine, render
from tests.chaos import crash, logs, rules, web


def main() -> int:
    """Run all of it and print the table; 1 when something was not as expected."""
    rows: list[Row] = [*crash.rows(), *web.rows(), *logs.rows(), *rules.rows()]
    sys.stdout.write(f"{machine()}\n{render(rows)}\n")
    return int(any(row.holds is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
