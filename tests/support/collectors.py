"""Collectors that do what a test tells them."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Optional

from prometheus_client.core import GaugeMetricFamily, Metric

from exporter.scrape.base import Metric as Entry

PATIENCE_SECONDS = 30.0


def gauge(name: str, value: float = 1.0, **labels: str) -> GaugeMetricFamily:
    """Build a family with one sample."""
    family = GaugeMetricFamily(name, "A test's metric.", labels=tuple(labels))
    family.add_metric(tuple(labels.values()), value)
    return family


def catalogue(*names: str) -> tuple[Entry, ...]:
    """Declare gauges of these names."""
    return tuple(Entry(name, "A test's metric.") for name in names)


class Fixed:
    """Gives the same families at each run, or raises; counts its runs."""

    def __init__(self, name: str, *families: Metric, error: Optional[BaseException] = None) -> None:
        self.name = name
        self.families = families
        self.error = error
        self.runs = 0

    def collect(self) -> Iterable[Metric]:
        """Count the run, then do as told."""
        self.runs += 1
        if self.error is not None:
            raise self.error
        return self.families


class Hanging(Fixed):
    """Tells with ``entered`` that a run began, and ends it only once ``release`` is set."""

    def __init__(self, name: str, *families: Metric) -> None:
        super().__init__(name, *families)
        self.entered = threading.Event()
        self.release = threading.Event()

    def collect(self) -> Iterable[Metric]:
        """Wait for the test."""
        self.entered.set()
        assert self.release.wait(PATIENCE_SECONDS)
        return super().collect()
