"""One after the other, as long as nobody is slow.

Threads that ask the kernel for many small things do not run side by side in Python: each answer
waits until another thread lets go of the interpreter, and ten of them take three times as long
together as one after the other (docs/adr/0032).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE_SECONDS = 0.02


class Turns:
    """Lets one thread work at a time; who waits for ``patience`` seconds goes ahead.

    So does everybody after that: a thread that hangs holds up the others once, not at every turn.
    """

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        self._change = threading.Lock()
        self._turn = threading.Lock()

    @contextmanager
    def take(self) -> Iterator[None]:
        """Wait for the turn, and have it."""
        turn = self._turn
        while not turn.acquire(timeout=self._patience):
            turn = self._instead_of(turn)
        try:
            yield
        finally:
            turn.release()

    def _instead_of(self, overdue: threading.Lock) -> threading.Lock:
        """Give the turn that is taken in place of an overdue one, the same to all who wait."""
        with self._change:
            if self._turn is overdue:
                self._turn = threading.Lock()
            return self._turn
