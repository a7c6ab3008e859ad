"""Throws damaged inputs at a target and keeps what it should not have done."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.fuzz.mutation import Mutator
from tests.fuzz.targets import Target

CPU_SECONDS = 2.0
"""No input of this size needs a thousandth of it; more is a hang."""


class HangError(BaseException):
    """An input took too long. Not an Exception, so that no target swallows it."""


@dataclass
class Result:
    """What came of a target; ``slowest`` in seconds of CPU, ``found`` by kind of failure."""

    inputs: int = 0
    slowest: float = 0.0
    found: dict[str, bytes] = field(default_factory=dict)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise HangError inside, once the CPU time is used up; for the main thread."""

    def ring(*_: object) -> None:
        raise HangError(f"more than {seconds} s of CPU")

    before = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def failure(target: Target, data: bytes, cpu_seconds: float = CPU_SECONDS) -> str:
    """Run one input; returns what went wrong, empty when nothing did."""
    try:
        with time_limit(cpu_seconds):
            target.run(data)
    except target.declared:
        return ""
    except (Exception, HangError) as error:  # noqa: BLE001 -- whatever it is, it is what we look for
        return f"{type(error).__name__}: {str(error)[:80]}"
    return ""


def fuzz(target: Target, seed: int, *, seconds: float, most: int) -> Result:
    """Run until the time or the number of inputs is over."""
    mutator, result = Mutator(target.seeds(), seed), Result()
    end = time.monotonic() + seconds
    while result.inputs < most and time.monotonic() < end:
        data = mutator.make()
        began = time.thread_time()
        kind = failure(target, data)
        result.slowest = max(result.slowest, time.thread_time() - began)
        result.inputs += 1
        if kind:
            result.found.setdefault(kind, data)
    return result
