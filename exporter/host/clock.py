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
