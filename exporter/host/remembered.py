"""Answers that are good for a while, where to ask is dear or would differ within one look."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Callable, Generic, TypeVar

T = TypeVar("T")


class RememberedAnswers(Generic[T]):
    """Answers for ``seconds`` what ``ask`` answered to the same arguments.

    An error is raised as it comes and not kept. ``monotonic`` is in seconds. Several threads that
    ask at once may each ask anew.
    """

    def __init__(
        self, ask: Callable[..., T], seconds: float, monotonic: Callable[[], float]
    ) -> None:
        self._ask = ask
        self._seconds = seconds
        self._monotonic = monotonic
        self._known: dict[tuple[Hashable, ...], tuple[float, T]] = {}

    def __call__(self, *about: Hashable) -> T:
        """Return what is known, or ask."""
        now = self._monotonic()
        known = self._known.get(about)
        if known is None or now - known[0] >= self._seconds:
            known = self._known[about] = (now, self._ask(*about))
        return known[1]
