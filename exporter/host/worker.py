"""A thread that may be left behind: it never keeps the process from ending."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from concurrent.futures import Future
from typing import Callable, Optional, TypeVar

import structlog

T = TypeVar("T")

SLOW_SECONDS = 0.02


class Worker:
    """Runs what it is given in one daemon thread, one call after the other.

    The thread starts with the first call. A call that hangs keeps its thread and dies with the
    process, which a thread of ``concurrent.futures`` would keep alive. The calls behind it wait
    until somebody who waits for them calls ``relieve``: they go on in a new thread, and the old one
    ends with its call. So there are never more threads than calls that hang, and one.

    A new thread has the privileges of the one that starts it. Calls may put theirs down for a
    moment, so no call may submit or relieve.
    """

    def __init__(
        self,
        name: str,
        slow: float = SLOW_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
        thread: Callable[..., threading.Thread] = threading.Thread,
    ) -> None:
        self._name = name
        self._slow = slow
        self._monotonic = monotonic
        self._make_thread = thread
        self._change = threading.Condition()  # held for everything below, never while a call runs
        self._calls: deque[Callable[[], None]] = deque()
        self._thread: Optional[threading.Thread] = None  # the one that takes the next call
        self._began: Optional[float] = None  # when its call began, None between two calls
        self._refused = False
        self._stopped = False

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Have this run after all that was submitted before; returns at once.

        The future gets what the call returns or raises. A call whose future is cancelled before its
        turn is not made. Where the host gives no thread for it, it waits for the next one.
        """
        future: Future[T] = Future()
        with self._change:
            self._calls.append(lambda: _make(call, future))
            if self._thread is None:
                self._start()
            self._change.notify()
        return future

    def relieve(self) -> float:
        """Go on in a new thread if the call at work has been slow and others wait behind it.

        Returns after how many seconds it may be so next, infinity when no call waits.
        """
        with self._change:
            if not self._calls:
                return math.inf
            if self._began is None:
                return self._slow
            remaining = self._began + self._slow - self._monotonic()
            if remaining > 0.0:
                return remaining
            self._start()
            return self._slow

    def stop(self) -> None:
        """Let the thread end after what was submitted; returns at once."""
        with self._change:
            self._stopped = True
            self._change.notify()

    def _start(self) -> None:
        thread = self._make_thread(target=self._work, name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the user's limit of processes, or the end of this one
            if not self._refused:
                structlog.get_logger().warning("no thread to be had", error=str(error))
            self._refused = True
            return
        self._refused = False
        self._thread, self._began = thread, None

    def _work(self) -> None:
        while (call := self._next()) is not None:
            call()

    def _next(self) -> Optional[Callable[[], None]]:
        """Wait for the next call; None when this thread was relieved or is not needed any more."""
        with self._change:
            if self._thread is not threading.current_thread():
                return None
            self._began = None
            while not self._calls:
                if self._stopped:
                    self._thread = None
                    return None
                self._change.wait()
            self._began = self._monotonic()
            return self._calls.popleft()


def _make(call: Callable[[], T], future: Future[T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 -- whatever it is, it is the asker's
        future.set_exception(error)
    else:
        future.set_result(result)
