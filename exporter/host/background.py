"""Work beside the scrapes: a service that repeats a step, and one call in a thread of its own."""

from __future__ import annotations

import threading
from typing import Callable, Optional, TypeVar

import structlog

T = TypeVar("T")

_FIRST_RETRY_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 60.0


class Background:
    """Calls ``step`` again and again in a daemon thread, from ``start`` to ``stop``.

    ``step`` returns how many seconds to wait before the next one, and sets ``ready`` once there
    is something to show. A step that raises is logged and tried again, after a second at first
    and a minute at most. ``cancel`` ends a step that waits for a program. ``finish`` runs in the
    same thread after the last step. ``failed`` is told of each step that raised.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], float],
        *,
        cancel: Callable[[], None] = lambda: None,
        finish: Callable[[], None] = lambda: None,
        failed: Callable[[], None] = lambda: None,
        stop_seconds: float = 5.0,
    ) -> None:
        self.ready = threading.Event()
        self._name = name
        self._step = step
        self._cancel = cancel
        self._finish = finish
        self._failed = failed
        self._stop_seconds = stop_seconds
        self._stopping = threading.Event()
        self._thread: Optional[threading.Thread] = None

    def start(self) -> None:
        """Begin with the first step."""
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End within ``stop_seconds``; a thread that hangs is left behind."""
        self._stopping.set()
        self._cancel()
        if self._thread is not None:
            self._thread.join(self._stop_seconds)

    @property
    def started(self) -> bool:
        """Whether the thread was started."""
        return self._thread is not None

    def wait_for_first(self, timeout: float) -> bool:
        """Wait until there is something to show; ``timeout`` is in seconds."""
        return self.ready.wait(timeout)

    def _run(self) -> None:
        retry = _FIRST_RETRY_SECONDS
        while not self._stopping.is_set():
            try:
                pause, retry = self._step(), _FIRST_RETRY_SECONDS
            except Exception:  # noqa: BLE001 -- the thread must outlive what nobody thought of
                structlog.get_logger().exception("a step failed", service=self._name)
                self._failed()
                pause, retry = retry, min(retry * 2, _LONGEST_RETRY_SECONDS)
            self._stopping.wait(pause)
        self._finish()


def in_thread(name: str, action: Callable[[], T]) -> T:
    """Run one action in a thread that ends with it, and return or raise what it does.

    For what changes the thread that does it: its network namespace, its privileges.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(action())
        except BaseException as error:  # noqa: BLE001 -- raised again below, whatever it is
            errors.append(error)

    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
