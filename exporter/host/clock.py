"""Where the time comes from."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Callable


@dataclass(frozen=True)
class Clock:
    """All in seconds.

    ``monotonic`` is for durations, ``wall`` counts since the epoch, ``cpu`` is the processor time
    of the calling thread.
    """

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    cpu: Callable[[], float] = time.thread_time


def boot_time() -> float:
    """Return the moment of boot in seconds since the epoch; it moves when the clock is set."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
