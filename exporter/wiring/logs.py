"""The logs' part of the composition root: from the installation to what its logs tell."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

from exporter.config.schema import Logs, Signature
from exporter.config.words import LOG_SOURCES
from exporter.errors import SourceError
from exporter.host.files import HostFiles
from exporter.installation.facts import Installation, StopMarker
from exporter.logs.collector import LogsCollector, StopOriginCollector, bind_failure_age
from exporter.logs.evidence import LogEvidence
from exporter.logs.facts import LogSnapshot
from exporter.logs.follower import LogFollower
from exporter.logs.host import LogHost
from exporter.logs.listing import Pattern
from exporter.logs.local_zone import LocalZone
from exporter.logs.matcher import LogMatcher
from exporter.logs.paths import log_line_prefixes, log_patterns
from exporter.logs.records import DEFAULT_LOG_LINE_PREFIX, Grammar, grammars_of
from exporter.logs.service import LogService
from exporter.logs.state import StateFile, default_state_file
from exporter.ports.facts import Endpoint
from exporter.wiring.settings import shipped

LONGEST_LOOK_BACK_SECONDS = 86400.0
BEFORE_MARKER_SECONDS = 120.0
# Programs that do not know of each other write into these, so that a bare line belongs to nobody.
_SHARED_FILES = ("system_call", "dbstart")


@dataclass(frozen=True)
class LogParts:
    """The thread that follows, the collectors that show, and the evidence for the ports."""

    service: LogService
    collectors: tuple[LogsCollector, StopOriginCollector]
    bind_failure_age: Callable[[int], Optional[float]]


@dataclass(frozen=True)
class LogSurroundings:
    """Where the logs are, and what else is known; all of it may change, and is asked anew.

    ``markers`` may raise SourceError.
    """

    installation: Callable[[], Installation]
    endpoints: Callable[[], tuple[Endpoint, ...]]
    markers: Callable[[], Sequence[StopMarker]]
    rootfs: Path = Path("/")
    host_name: str = ""


def log_parts(
    config: Logs,
    around: LogSurroundings,
    environ: Mapping[str, str] = os.environ,
    *,
    keeps_state: bool = True,
) -> LogParts:
    """Put the parts together; nothing is read before the service is started."""
    files = HostFiles(around.rootfs)
    signatures = (*shipped(), *config.signatures)
    plan = _Plan(config, around.installation, signatures)
    evidence = LogEvidence(signatures, lambda _source: zone())
    zone = _zone(config, around.installation, files)

    follower = LogFollower(
        plan.patterns,
        plan.matchers,
        evidence,
        lambda: _horizon(config.look_back, around.markers, time.time()),
        host=LogHost(around.rootfs),
    )
    path = Path(config.state_file) if config.state_file else default_state_file(environ)
    wanted = path if keeps_state else None
    state = StateFile(wanted, host_id(files) or around.host_name) if wanted else None
    service = LogService(follower, evidence, state, time.time, time.monotonic)

    def snapshot() -> LogSnapshot:
        return service.snapshot

    collectors = (
        LogsCollector(snapshot, signatures, around.endpoints),
        StopOriginCollector(snapshot, around.endpoints, around.markers),
    )
    return LogParts(
        service, collectors, lambda port: bind_failure_age(snapshot(), port, time.time())
    )


class _Plan:
    """Which files are followed, and with which matchers, as the installation is now."""

    def __init__(
        self,
        config: Logs,
        installation: Callable[[], Installation],
        signatures: Sequence[Signature],
    ) -> None:
        self._configured = {each.source: each.paths for each in config.sources}
        self._installation = installation
        self._prefixes: tuple[str, ...] = ()
        self._seen: Optional[Installation] = None
        self._patterns: tuple[Pattern, ...] = ()
        self.matchers = {
            source: LogMatcher(
                [each for each in signatures if source in each.sources],
                grammars_of(source),
                inherits=source not in _SHARED_FILES,
            )
            for source in LOG_SOURCES
        }

    def patterns(self) -> tuple[Pattern, ...]:
        """List what to follow; called by the thread that follows."""
        installation = self._installation()
        if installation is not self._seen:
            self._seen = installation
            self._patterns = log_patterns(installation, self._configured)
            self._use_prefixes(log_line_prefixes(installation))
        return self._patterns

    def _use_prefixes(self, prefixes: tuple[str, ...]) -> None:
        if prefixes == self._prefixes:
            return
        self._prefixes = prefixes
        for source in ("datanode", *_SHARED_FILES):
            self.matchers[source].use(_grammars(source, prefixes))


def _grammars(source: str, prefixes: Sequence[str]) -> tuple[Grammar, ...]:
    each = [grammars_of(source, prefix) for prefix in prefixes or (DEFAULT_LOG_LINE_PREFIX,)]
    return tuple(dict.fromkeys(grammar for grammars in each for grammar in grammars))


def _zone(config: Logs, installation: Callable[[], Installation], files: HostFiles) -> LocalZone:
    def told() -> str:
        return config.timezone or installation().variables.get("TZ", "")

    return LocalZone(files, told, time.monotonic)


def _horizon(look_back: float, markers: Callable[[], Sequence[StopMarker]], now: float) -> float:
    """Tell how far a first look goes back: to the oldest marker, a day at most."""
    try:
        oldest = min((marker.mtime for marker in markers()), default=now)
    except SourceError:
        oldest = now
    wanted = min(now - look_back, oldest - BEFORE_MARKER_SECONDS)
    return max(wanted, now - LONGEST_LOOK_BACK_SECONDS)


def host_id(files: HostFiles) -> str:
    """Return what no other host has; empty if this one has no such thing."""
    try:
        return files.text("/etc/machine-id", 64).strip()
    except SourceError:
        return ""
