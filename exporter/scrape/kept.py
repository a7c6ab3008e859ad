"""Families that stay as they are while nothing changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Callable, Optional

from exporter.scrape.base import Family


class Kept:
    """Builds families anew only when the facts that they show are others than last time.

    Most facts of a node are the same from scrape to scrape, and to build and write their families
    is most of a page's cost. Facts are frozen and compared by value. For one thread at a time.
    """

    def __init__(self, build: Callable[..., Iterable[Family]]) -> None:
        self._build = build
        self._facts: Optional[tuple[object, ...]] = None
        self._families: tuple[Family, ...] = ()

    def __call__(self, *facts: object) -> tuple[Family, ...]:
        """Return the families of these facts; the same objects as before if nothing changed."""
        if facts != self._facts:
            self._families = tuple(self._build(*facts))
            self._facts = facts
        return self._families
