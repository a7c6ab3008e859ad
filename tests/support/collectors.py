"""Collectors that do what a test tells them."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Optional

from exporter.scrape.base import Family, Metric

PATIENCE_SECONDS = 30.0


def gauge(name: str, value: float = 1.0, **labels: str) -> Family:
    """Build a family with one sample."""
    entry = Metric(name, "A test's metric.", tuple(labels))
    return entry.family([(tuple(labels.values()), value)])


def catalogue(*names: str) -> tuple[Metric, ...]:
    """Declare gauges of these names."""
    return tuple(Metric(name, "A test's metric.") for name in names)


class Fixed:
    """Gives the same families at each run, or raises; counts its runs."""

    def __init__(self, name: str, *families: Family, error: Optional[BaseException] = None) -> None:
        self.name = name
        self.families = families
        self.error = error
        self.runs = 0

    def collect(self) -> Iterable[Family]:
        """Count the run, then do as told."""
        self.runs += 1
        if self.error is not None:
            raise self.error
        return self.families


class Hanging(Fixed):
    """Tells with ``entered`` that a run began, and ends it only once ``release`` is set."""

    def __init__(self, name: str, *families: Family) -> None:
        super().__init__(name, *families)
        self.entered = threading.Event()
        self.release = threading.Event()

    def collect(self) -> Iterable[Family]:
        """Wait for the test."""
        self.entered.set()
        assert self.release.wait(PATIENCE_SECONDS)
        return super().collect()
