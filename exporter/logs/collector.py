"""The logs collector: what the records tell, and how the reading gets on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Callable

from exporter.config.schema import Signature
from exporter.installation.facts import StopMarker
from exporter.logs import metrics as catalogue
from exporter.logs.evidence import stop_origins
from exporter.logs.facts import LogErrorReason, LogSnapshot, SourceActivity, StopOrigin
from exporter.ports.facts import Endpoint
from exporter.scrape.base import Family, FamilyCache, Sample

OTHER_PORT = "other"
_OWN_ERRORS = (LogErrorReason.STATE_FILE, LogErrorReason.INTERNAL)


class LogsCollector:
    """Shows what is known from the logs; it reads none itself.

    ``signatures`` are all that are looked for, so that each has its series from the start.
    """

    name = "logs"

    def __init__(
        self,
        snapshot: Callable[[], LogSnapshot],
        signatures: Sequence[Signature],
        endpoints: Callable[[], tuple[Endpoint, ...]],
    ) -> None:
        self._snapshot = snapshot
        self._signatures = tuple(signatures)
        self._endpoints = endpoints
        self._records = FamilyCache(_record_families)
        self._reading = FamilyCache(_reading_families)

    def collect(self) -> Iterable[Family]:
        """Take the snapshot as it is now.

        What is read changes all the time, what the records tell seldom.
        """
        snapshot = self._snapshot()
        logged = replace(snapshot, activity={}, service_errors={}, covered_since={})
        return (
            *self._records(logged, self._signatures, self._endpoints()),
            *self._reading(snapshot.activity, snapshot.service_errors),
        )


class StopOriginCollector:
    """Shows who made the markers that keep something stopped; ``markers`` may raise SourceError.

    It stands apart from what else the logs tell, which does not depend on the markers.
    """

    name = "stop_origin"

    def __init__(
        self,
        snapshot: Callable[[], LogSnapshot],
        endpoints: Callable[[], tuple[Endpoint, ...]],
        markers: Callable[[], Sequence[StopMarker]],
    ) -> None:
        self._snapshot = snapshot
        self._endpoints = endpoints
        self._markers = markers
        self._cache = FamilyCache(_origin_families)

    def collect(self) -> Iterable[Family]:
        """Look at the markers as they are now."""
        snapshot = self._snapshot()
        logged = LogSnapshot(
            restart_limit_times=snapshot.restart_limit_times, covered_since=snapshot.covered_since
        )
        return self._cache(logged, self._endpoints(), self._markers())


def _origin_families(
    snapshot: LogSnapshot, endpoints: Sequence[Endpoint], markers: Sequence[StopMarker]
) -> Iterator[Family]:
    instance_ids = {endpoint.instance_id for endpoint in endpoints if endpoint.instance_id}
    yield catalogue.STOP_ORIGIN.family(
        ((instance_id, origin.value), origin is actual)
        for instance_id, actual in sorted(stop_origins(snapshot, instance_ids, markers).items())
        for origin in StopOrigin
    )


def _record_families(
    snapshot: LogSnapshot, signatures: Sequence[Signature], endpoints: Sequence[Endpoint]
) -> Iterator[Family]:
    """Show what the records tell."""
    pairs = [(s.id, source) for s in signatures for source in s.sources]
    yield catalogue.SIGNATURE_MATCHES.family((p, snapshot.matches.get(p, 0)) for p in pairs)
    yield catalogue.SIGNATURE_LAST_MATCH.family((p, snapshot.last_match.get(p, 0)) for p in pairs)
    ports = sorted({endpoint.port for endpoint in endpoints})
    yield catalogue.PORT_REPORT.family(_port_reports(snapshot, signatures, ports))
    yield catalogue.START_STATUS.family(
        ((scope,), number) for scope, number in snapshot.start_status._asdict().items()
    )
    yield catalogue.START_FAILED_AFTER.single(snapshot.start_failed_after)


def _port_reports(
    snapshot: LogSnapshot, signatures: Sequence[Signature], ports: Sequence[int]
) -> Iterator[Sample]:
    youngest: dict[tuple[str, str], float] = {}
    for report in snapshot.port_reports:
        key = (report.signature, str(report.port) if report.port in ports else OTHER_PORT)
        youngest[key] = max(report.time, youngest.get(key, 0.0))
    for signature in signatures:
        if signature.reports_port:
            for port in (*map(str, ports), OTHER_PORT):
                yield (signature.id, port), youngest.get((signature.id, port), 0.0)


def _reading_families(
    activity: Mapping[str, SourceActivity], own_errors: Mapping[LogErrorReason, int]
) -> Iterator[Family]:
    """Show how the reading gets on."""
    rows = [((source,), done) for source, done in activity.items()]
    yield catalogue.LOG_LINES.family((labels, done.lines) for labels, done in rows)
    yield catalogue.LOG_BYTES.family((labels, done.bytes) for labels, done in rows)
    yield catalogue.LOG_ROTATIONS.family((labels, done.rotations) for labels, done in rows)
    yield catalogue.LOG_TRUNCATIONS.family((labels, done.truncations) for labels, done in rows)
    yield catalogue.LOG_FILES.family((labels, done.files) for labels, done in rows)
    yield catalogue.LOG_LAG.family((labels, done.lag) for labels, done in rows)
    own = [(("", reason.value), own_errors.get(reason, 0)) for reason in _OWN_ERRORS]
    yield catalogue.LOG_ERRORS.family(
        own
        + [
            ((source, reason.value), done.errors.get(reason, 0))
            for source, done in activity.items()
            for reason in LogErrorReason
            if reason not in _OWN_ERRORS
        ]
    )
