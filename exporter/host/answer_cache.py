"""Answers that are kept for a while: to ask again is slow, or would differ within one look."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Callable, Generic, TypeVar

T = TypeVar("T")


class AnswerCache(Generic[T]):
    """Keeps what ``ask`` answers, for ``seconds`` and by its arguments.

    An error is raised as it comes and not kept. ``monotonic`` is in seconds. Several threads that
    ask at once may each ask anew.
    """

    def __init__(
        self, ask: Callable[..., T], seconds: float, monotonic: Callable[[], float]
    ) -> None:
        self._ask = ask
        self._seconds = seconds
        self._monotonic = monotonic
        self._answers: dict[tuple[Hashable, ...], tuple[float, T]] = {}

    def __call__(self, *about: Hashable) -> T:
        """Return the answer that is kept, or ask."""
        now = self._monotonic()
        answer = self._answers.get(about)
        if answer is None or now - answer[0] >= self._seconds:
            answer = self._answers[about] = (now, self._ask(*about))
        return answer[1]
