"""What the exporter tells about itself."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from typing import Callable

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from exporter import __version__
from exporter.scrape import metrics as catalogue
from exporter.scrape.base import Family
from exporter.scrape.metrics import Refusal


class ReloadRecord:
    """How the last reading of each configuration file went; outlives the applications.

    ``loaded_at`` is when one was last put in force, in seconds since the epoch.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self.loaded_at = wall()
        self._wall = wall
        self._problems: dict[str, str] = {}

    @property
    def problem(self) -> str:
        """Why a file that was read last is not in force, empty when all are."""
        return "\n".join(problem for problem in tuple(self._problems.values()) if problem)

    def note(self, file: str, problem: str) -> None:
        """Note that what was read last of a file is in force, or why it is not."""
        self._problems[file] = problem
        if not problem:
            self.loaded_at = self._wall()


class SelfCollector:
    """Version, the last reload, and what the web server turned away."""

    name = "exporter"

    def __init__(
        self, reloads: ReloadRecord, refusals: Callable[[], Mapping[Refusal, int]]
    ) -> None:
        self._reloads = reloads
        self._refusals = refusals

    def collect(self) -> Iterator[Family]:
        """Build the families from what is in memory."""
        yield catalogue.BUILD_INFO.family([((__version__, platform.python_version()), 1)])
        yield catalogue.CONFIG_RELOAD_SUCCESSFUL.single(not self._reloads.problem)
        yield catalogue.CONFIG_RELOAD_TIMESTAMP.single(self._reloads.loaded_at)
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
