"""Rules with one thing wrong: each of them must make a rule test fail.

As a program: `python -m tests.chaos.rules [NAME]`, for the rules whose name holds NAME.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.bench.table import Row, render
from tests.support.rule_mutants import Mutant, mutants, survives

AT_ONCE = 2


def rows(name: str = "") -> Iterator[Row]:
    """Try every mutant, or those of some rules; those that no test notices are named."""
    every = [mutant for mutant in mutants() if name in mutant.change]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        survivors = [m for m, alive in zip(every, pool.map(_alive, every)) if alive]
    seen = "; ".join(f"{m.path.name}: {m.change}" for m in survivors) or "none"
    what = f"{len(every)} rules with one thing wrong: those that no rule test notices"
    yield Row(what, seen, "none", bool(every) and not survivors)


def _alive(mutant: Mutant) -> bool:
    with tempfile.TemporaryDirectory(prefix="rules-") as directory:
        return survives(mutant, Path(directory))


if __name__ == "__main__":
    table = list(rows(*sys.argv[1:]))
    sys.stdout.write(f"{render(table, ('trial', 'seen', 'expected', ''))}\n")
    sys.exit(int(any(row.holds is False for row in table)))
