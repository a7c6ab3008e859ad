"""A thread that may be left behind: it never keeps the process from ending."""

from __future__ import annotations

import queue
import threading
from typing import Callable, Optional


class Worker:
    """Runs what it is given in one daemon thread, one call after the other.

    The thread starts with the first call. A call that hangs blocks only the calls behind it and
    dies with the process, which a thread of ``concurrent.futures`` would keep alive. A call must
    not raise.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: queue.SimpleQueue[Optional[Callable[[], None]]] = queue.SimpleQueue()
        self._thread: Optional[threading.Thread] = None

    def submit(self, call: Callable[[], None]) -> None:
        """Have the thread run this after what it was given before."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._calls.put(call)

    def stop(self) -> None:
        """Let the thread end after what it was given; returns at once."""
        self._calls.put(None)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
