"""Runs calls one after the other, and goes on without a call that is slow.

Threads that ask the kernel for many small things do not run side by side in Python: each answer
waits until another thread lets go of the interpreter, and ten of them take three times as long
together as one after the other. To wake a thread costs more than many a call that it is woken for
(docs/adr/0032).
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Callable, Optional

import structlog

Call = Callable[[], None]

PATIENCE_SECONDS = 0.02
_MOST_IDLE = 2  # one that is on duty when there is work, and its deputy


class Turns:
    """Runs calls in the order of their coming, in one thread as long as none is slow.

    That thread is on duty. A call that takes longer than ``patience`` seconds keeps its thread and
    loses the duty: the calls behind it go on in another one. So a call that hangs holds up the
    others once, and no call that comes later.

    While calls wait behind the one on duty, a deputy watches that one. Nobody tells the deputy that
    they are done, which would cost a scrape more than the one look at the end of its patience.
    After that no thread wakes until something is submitted.

    A thread is started when none is idle, and ends when two others are: there are never more, but
    for a moment, than calls in flight and two. They are daemons: a call that hangs dies with the
    process. A call should not raise; one that does is logged. Nor should it submit while it has put
    privileges down: a new thread has those of the thread that starts it.
    """

    def __init__(
        self,
        name: str,
        patience: float = PATIENCE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
        condition: Callable[[], threading.Condition] = threading.Condition,
        thread: Callable[..., threading.Thread] = threading.Thread,
    ) -> None:
        self._patience = patience
        self._monotonic = monotonic
        self._change = condition()  # held for everything below, never while a call runs
        self._thread = thread
        self._names = (f"{name}-{number}" for number in itertools.count(1))
        self._calls: deque[Call] = deque()
        self._on_duty: Optional[int] = None
        self._overdue_at = 0.0
        self._watched = False
        self._idle = 0  # threads without a call, those included that are on their way to look
        self._refused = False
        self._stopped = False

    def submit(self, calls: Iterable[Call]) -> None:
        """Have these run after all that was submitted before; returns at once.

        Where the host gives no thread for it they wait for what is submitted next.
        """
        with self._change:
            self._calls.extend(calls)
            if self._calls and (self._on_duty is None or not self._watched):
                self._send_for_one()

    def stop(self) -> None:
        """Let the threads end after what was submitted; returns at once."""
        with self._change:
            self._stopped = True
            self._change.notify_all()

    def _work(self) -> None:
        with self._change:
            call = self._next()
        while call is not None:
            try:
                call()
            except BaseException:  # noqa: BLE001 -- whatever it is, the others' turn must come
                structlog.get_logger().exception("a call raised")
            with self._change:
                self._idle += 1
                call = self._next()

    def _next(self) -> Optional[Call]:
        """Wait for a call that may begin now; None when this thread may end."""
        me = threading.get_ident()
        if self._on_duty == me:
            self._on_duty = None
        while not (self._calls and self._duty_is_free()):
            watches = bool(self._calls) and not self._watched
            if not watches and (self._stopped or self._idle > _MOST_IDLE):
                self._end()
                return None
            self._rest(watches=watches)
        self._idle -= 1
        self._on_duty, self._overdue_at = me, self._monotonic() + self._patience
        call = self._calls.popleft()
        if self._calls and not self._watched:
            self._send_for_one()
        return call

    def _end(self) -> None:
        self._idle -= 1
        if self._stopped:  # a deputy may watch who has nothing to do any more
            self._change.notify_all()

    def _duty_is_free(self) -> bool:
        return self._on_duty is None or self._monotonic() >= self._overdue_at

    def _rest(self, *, watches: bool) -> None:
        if not watches:
            self._change.wait()
            return
        self._watched = True
        self._change.wait(self._overdue_at - self._monotonic())
        self._watched = False

    def _send_for_one(self) -> None:
        """Have an idle thread look at what there is to do, a new one when there is none."""
        if self._idle:
            self._change.notify()
            return
        thread = self._thread(target=self._work, name=next(self._names), daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the user's limit of processes, or the end of this one
            if not self._refused:
                structlog.get_logger().warning("no thread to be had", error=str(error))
            self._refused = True
            return
        self._refused = False
        self._idle += 1
