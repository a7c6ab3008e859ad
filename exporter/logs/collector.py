"""The logs collector: what the records tell, and how the reading gets on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Callable, Optional

from exporter.config.schema import Signature
from exporter.installation.facts import StopMarker
from exporter.logs import metrics as catalogue
from exporter.logs.facts import LogErrorReason, LogSnapshot, SourceActivity, StopOrigin
from exporter.ports.facts import Endpoint
from exporter.scrape.base import Family, FamilyCache, Sample

OTHER_PORT = "other"
BIND_FAILURES = frozenset({"cm_server_bind_failed", "db_bind_failed", "dms_bind_failed"})
RESTART_LIMIT_SECONDS = 120.0
_PAUSE = "cluster_manual_pause"
_NODE_STOP = "cluster_manual_start"
_CM_AGENT = "cm_agent"


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
        told = replace(snapshot, activity={}, service_errors={}, covered_since={})
        return (
            *self._records(told, self._signatures, self._endpoints()),
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
        told = LogSnapshot(
            restart_limit_times=snapshot.restart_limit_times, covered_since=snapshot.covered_since
        )
        return self._cache(told, self._endpoints(), self._markers())


def _origin_families(
    snapshot: LogSnapshot, endpoints: Sequence[Endpoint], markers: Sequence[StopMarker]
) -> Iterator[Family]:
    yield catalogue.STOP_ORIGIN.family(_stop_origins(snapshot, endpoints, markers))


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


def _reading_families(
    activity: Mapping[str, SourceActivity], own_errors: Mapping[LogErrorReason, int]
) -> Iterator[Family]:
    """Show how the reading gets on."""
    yield from _activity(activity)
    yield catalogue.LOG_ERRORS.family(_errors(activity, own_errors))


def bind_failure_age(snapshot: LogSnapshot, port: int, now: float) -> Optional[float]:
    """Tell how many seconds ago a bind on the port failed last, as the logs say; None if never.

    ``now`` is since the epoch. Only failures with EADDRINUSE become port reports.
    """
    times = [
        report.time
        for report in snapshot.port_reports
        if report.port == port and report.signature in BIND_FAILURES
    ]
    return max(0.0, now - max(times)) if times else None


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


def _stop_origins(
    snapshot: LogSnapshot, endpoints: Sequence[Endpoint], markers: Sequence[StopMarker]
) -> Iterator[Sample]:
    """Show one origin for the node and for each instance, of those that have no marker none."""
    origins = {"": StopOrigin.NONE}
    origins.update({e.instance_id: StopOrigin.NONE for e in endpoints if e.instance_id})
    for marker in markers:
        if marker.marker != _PAUSE:
            origins[marker.instance_id] = stop_origin(marker, snapshot)
    for instance_id, actual in sorted(origins.items()):
        for origin in StopOrigin:
            yield (instance_id, origin.value), origin is actual


def stop_origin(marker: StopMarker, snapshot: LogSnapshot) -> StopOrigin:
    """Tell who made a marker that stops something.

    CM itself makes none for the whole node. One for an instance it makes when it gives a resource
    up, for all resources of the node, and says so less than two minutes before
    (CM cma_instance_management_res.cpp). Nothing is known of a time whose log was not seen.
    """
    if marker.marker == _NODE_STOP:
        return StopOrigin.OPERATOR
    begin = marker.mtime - RESTART_LIMIT_SECONDS
    # A record's time is that of its writing, a little before or after the marker's.
    if any(begin < time <= marker.mtime + 1 for time in snapshot.restart_limit_times):
        return StopOrigin.RESTART_LIMIT
    covered = snapshot.covered_since.get(_CM_AGENT)
    return StopOrigin.OPERATOR if covered is not None and covered <= begin else StopOrigin.UNKNOWN


def _activity(activity: Mapping[str, SourceActivity]) -> Iterator[Family]:
    rows = [((source,), done) for source, done in activity.items()]
    yield catalogue.LOG_LINES.family((labels, done.lines) for labels, done in rows)
    yield catalogue.LOG_BYTES.family((labels, done.bytes) for labels, done in rows)
    yield catalogue.LOG_ROTATIONS.family((labels, done.rotations) for labels, done in rows)
    yield catalogue.LOG_TRUNCATIONS.family((labels, done.truncations) for labels, done in rows)
    yield catalogue.LOG_FILES.family((labels, done.files) for labels, done in rows)
    yield catalogue.LOG_LAG.family((labels, done.lag) for labels, done in rows)


def _errors(
    activity: Mapping[str, SourceActivity], own_errors: Mapping[LogErrorReason, int]
) -> Iterator[Sample]:
    own = (LogErrorReason.STATE_FILE, LogErrorReason.INTERNAL)
    for reason in own:
        yield ("", reason.value), own_errors.get(reason, 0)
    for source, done in activity.items():
        for reason in LogErrorReason:
            if reason not in own:
                yield (source, reason.value), done.errors.get(reason, 0)
