"""``python -m tests.fuzz [SECONDS] [NAME…]``: damaged inputs for everything that takes bytes.

SECONDS is for each target, 5 when not given; with NAMEs only those whose name holds one of them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence

from tests.fuzz.running import Result, fuzz
from tests.fuzz.server import fuzz_server
from tests.fuzz.targets import TARGETS

NO_LIMIT = sys.maxsize
SERVERS = {"HTTP server": False, "HTTPS server": True}


def results(seconds: float, names: Sequence[str], seed: int) -> Iterator[tuple[str, Result]]:
    """Fuzz each target that was asked for."""

    def wanted(name: str) -> bool:
        return not names or any(word in name for word in names)

    for name, tls in SERVERS.items():
        if wanted(name):
            yield name, fuzz_server(seed, tls=tls, seconds=seconds, most=NO_LIMIT)
    for target in TARGETS:
        if wanted(target.name):
            yield target.name, fuzz(target, seed, seconds=seconds, most=NO_LIMIT)


def main(words: Sequence[str]) -> int:
    """Print a line for each target; 1 when anything was found."""
    seconds = float(words[0]) if words else 5.0
    seed, failed = time.time_ns() % 1_000_000, False
    sys.stdout.write(f"seed {seed}, {seconds:g} s each\n")
    for name, result in results(seconds, words[1:], seed):
        slowest = f"slowest {result.slowest * 1000:.0f} ms" if result.slowest else ""
        outcome = f"{len(result.found)} FOUND" if result.found else "ok"
        sys.stdout.write(f"{name:32} {result.inputs:9} inputs  {outcome:9} {slowest}\n")
        for kind, data in result.found.items():
            sys.stdout.write(f"    {kind}\n        {data[:2000]!r}\n")
        sys.stdout.flush()
        failed = failed or bool(result.found)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
