"""What the exporter tells about itself."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Callable

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from exporter import __version__
from exporter.scrape import metrics as catalogue
from exporter.scrape.base import Family
from exporter.scrape.metrics import Refusal


@dataclass(frozen=True)
class ReloadStatus:
    """How the last reading of the configuration went.

    ``loaded_at`` is when the one in force was read, in seconds since the epoch; ``problem`` says
    why the one that was read last is not in force, empty when it is.
    """

    loaded_at: float
    problem: str = ""


class SelfCollector:
    """Version, the last reload, and what the web server turned away."""

    name = "exporter"

    def __init__(
        self,
        reload_status: Callable[[], ReloadStatus],
        refusals: Callable[[], Mapping[Refusal, int]],
    ) -> None:
        self._reload_status = reload_status
        self._refusals = refusals

    def collect(self) -> Iterator[Family]:
        """Build the families from what is in memory."""
        status = self._reload_status()
        yield catalogue.BUILD_INFO.family([((__version__, platform.python_version()), 1)])
        yield catalogue.CONFIG_RELOAD_SUCCESSFUL.single(not status.problem)
        yield catalogue.CONFIG_RELOAD_TIMESTAMP.single(status.loaded_at)
        yield catalogue.WEB_REFUSALS.family(
            ((reason.value,), count) for reason, count in self._refusals().items()
        )


class ProcessCollectors:
    """The client library's ``process_*`` and ``python_*``: of this process, by its own /proc.

    In a registry of ours, not the library's global one, where any import may add metrics.
    """

    name = "process"

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def collect(self) -> Iterator[Family]:
        """Ask the library's collectors."""
        for metric in self._registry.collect():
            family = Family(metric.name, metric.documentation, metric.type)
            family.samples = metric.samples
            yield family
