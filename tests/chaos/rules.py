"""Rules with one thing wrong: each of them must make a rule test fail."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.bench.table import Row
from tests.support.rule_mutants import Mutant, mutants, survives

AT_ONCE = 2


def rows() -> Iterator[Row]:
    """Try every mutant of every rule file; those that no test notices are named."""
    every = list(mutants())
    with ThreadPoolExecutor(AT_ONCE) as pool:
        survivors = [m for m, alive in zip(every, pool.map(_alive, every)) if alive]
    seen = "; ".join(f"{m.path.name}: {m.change}" for m in survivors) or "none"
    what = f"{len(every)} rules with one thing wrong: those that no rule test notices"
    yield Row(what, seen, "none", not survivors)


def _alive(mutant: Mutant) -> bool:
    with tempfile.TemporaryDirectory(prefix="rules-") as directory:
        return survives(mutant, Path(directory))
