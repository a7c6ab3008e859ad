"""Records that have a signature → what is known from the logs, and what follows from it.

No file and no clock: what is read is handed in with the moment of reading. All of it can be
written down and restored, so that an exporter that starts again knows what it knew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from ipaddress import IPv4Address
from typing import Any, Callable, NamedTuple, Optional

from exporter.config.schema import Signature
from exporter.errors import ParseError
from exporter.installation.facts import StopMarker
from exporter.logs.facts import LogSnapshot, PortReport, RecordPrefix, StartStatus, StopOrigin
from exporter.logs.matcher import RecordGroup
from exporter.logs.records import epoch, stamp_of

RESTART_LIMIT = "resource_restart_limit"
START_EXCEEDS = "start_exceeds_2min"
START_FAILED = "start_failed"
BIND_FAILURES = frozenset({"cm_server_bind_failed", "db_bind_failed", "dms_bind_failed"})
RESTART_LIMIT_SECONDS = 120.0
EADDRINUSE = "98"
_PAUSE = "cluster_manual_pause"
_NODE_STOP = "cluster_manual_start"
_CM_AGENT = "cm_agent"
_FUTURE = 120.0  # seconds that a record may be ahead of our clock (another host's disk, rounding)
_CLOCKS_DIFFER = 2.0  # seconds between a record's own time and its file's mtime
_MOST_REPORTS = 256
_MOST_RESTART_LIMITS = 64
_HIGHEST_PORT = 65535


class Reading(NamedTuple):
    """When a chunk was read, and what of it is news; times are in seconds since the epoch.

    ``written`` is the file's mtime. Records before ``not_before`` are of no interest. With
    ``count_since`` only records are counted that have that time or a later one of their own.
    """

    now: float
    written: float
    not_before: float = 0.0
    count_since: Optional[float] = None


class LogEvidence:
    """What is known from the logs. For one thread.

    ``zone`` gives the time zone that programs on this host write in. ``future_times`` counts by
    source the records that were ahead of our clock.
    """

    def __init__(self, signatures: Sequence[Signature], zone: Callable[[], tzinfo]) -> None:
        pairs = [(s.id, source) for s in signatures for source in s.sources]
        self.matches: dict[tuple[str, str], int] = dict.fromkeys(pairs, 0)
        self.last_match: dict[tuple[str, str], float] = dict.fromkeys(pairs, 0.0)
        self.reports: dict[tuple[str, int], PortReport] = {}
        self.start_status = StartStatus()
        self.start_failed_after = 0
        self.restart_limit_times: list[float] = []
        self.covered_since: dict[str, float] = {}
        self.future_times: Counter[str] = Counter()
        self._zone = zone

    def take(self, source: str, group: RecordGroup, reading: Reading) -> None:
        """Add the records of one group."""
        key = (group.signature.id, source)
        times = self._times(source, group, reading)
        if reading.count_since is None:
            self.matches[key] += group.counted
        else:
            since = reading.count_since
            own = [time for text, time in zip(group.times, times) if text]
            self.matches[key] += sum(time >= since for time in own)
        if not group.counted and not group.times[-1]:
            return  # an old record without a time of its own could have any
        if times[-1] < reading.not_before:
            return
        if group.signature.id == RESTART_LIMIT:
            limits = {*self.restart_limit_times, *times}
            self.restart_limit_times = sorted(limits)[-_MOST_RESTART_LIMITS:]
        self._note_port(group, times[-1], reading.now)
        if _is_newer(times[-1], self.last_match[key], reading.now):
            self.last_match[key] = times[-1]
            self._note_start(group)

    def cover(self, source: str, head: RecordPrefix, reading: Reading) -> None:
        """Know that the records of a source are seen from this one on."""
        time = self._time(source, head.time, head.zone, reading)
        self.cover_from(source, max(time, reading.not_before))

    def cover_from(self, source: str, time: float) -> None:
        """Know that the records of a source are seen from a time on, or from an earlier one."""
        self.covered_since[source] = min(time, self.covered_since.get(source, time))

    def _times(self, source: str, group: RecordGroup, reading: Reading) -> list[float]:
        """Tell when the records were written; only the last one's, if that is enough."""
        every = reading.count_since is not None or group.signature.id == RESTART_LIMIT
        wanted = group.times if every else group.times[-1:]
        return [self._time(source, text, group.zone, reading) for text in wanted]

    def _time(self, source: str, text: bytes, zone: bytes, reading: Reading) -> float:
        """Tell when a record was written; without a time of its own when it can be seen first."""
        unknown = min(reading.now, reading.written)
        stamp = stamp_of(text, zone)
        if stamp is None:
            return unknown
        time = epoch(stamp, self._zone(), unknown + _CLOCKS_DIFFER)
        if time > reading.now + _FUTURE:
            self.future_times[source] += 1
            return reading.now
        return time

    def _note_port(self, group: RecordGroup, time: float, now: float) -> None:
        fields = group.fields
        port = _port(fields.get("port", ""))
        if not port or fields.get("code", EADDRINUSE) != EADDRINUSE:
            return
        key = (group.signature.id, port)
        youngest = self.reports.get(key)
        if youngest and not _is_newer(time, youngest.time, now):
            return
        if youngest is None and len(self.reports) >= _MOST_REPORTS:
            del self.reports[min(self.reports, key=lambda key: self.reports[key].time)]
        address = _address(fields)
        self.reports[key] = PortReport(
            *key, time, address, fields.get("uid", ""), fields.get("inode", "")
        )

    def _note_start(self, group: RecordGroup) -> None:
        fields = group.fields
        if group.signature.id == START_EXCEEDS:
            numbers = self.start_status._asdict()
            self.start_status = StartStatus(
                **{scope: _number(fields.get(scope), numbers[scope]) for scope in numbers}
            )
        if group.signature.id == START_FAILED:
            self.start_failed_after = _number(fields.get("seconds"), self.start_failed_after)

    def snapshot(self) -> LogSnapshot:
        """Return what is known, as it is now, without what was done for the sources."""
        return LogSnapshot(
            matches=dict(self.matches),
            last_match=dict(self.last_match),
            port_reports=tuple(self.reports.values()),
            start_status=self.start_status,
            start_failed_after=self.start_failed_after,
            restart_limit_times=tuple(self.restart_limit_times),
            covered_since=dict(self.covered_since),
        )

    def dump(self) -> dict[str, Any]:
        """Write everything down in JSON's types."""
        return {
            "matches": [[*key, count] for key, count in self.matches.items() if count],
            "last_match": [[*key, time] for key, time in self.last_match.items() if time],
            "port_reports": [list(report) for report in self.reports.values()],
            "start_status": list(self.start_status),
            "start_failed_after": self.start_failed_after,
            "restart_limit_times": self.restart_limit_times,
            "covered_since": self.covered_since,
        }

    def restore(self, dumped: Mapping[str, Any]) -> None:
        """Know what was written down, as far as its signatures still exist.

        Raises ParseError, and changes nothing, if it is not what ``dump`` writes.
        """
        try:
            matches = _pairs(dumped["matches"], int)
            last_match = _pairs(dumped["last_match"], float)
            reports = [_report(*report) for report in dumped["port_reports"]]
            start_status = StartStatus(*map(int, dumped["start_status"]))
            start_failed_after = int(dumped["start_failed_after"])
            limits = [float(time) for time in dumped["restart_limit_times"]]
            covered = {str(source): float(time) for source, time in dumped["covered_since"].items()}
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise ParseError(f"not what the logs' evidence looks like: {error!r}") from error
        self.matches.update({key: matches[key] for key in self.matches if key in matches})
        self.last_match.update(
            {key: last_match[key] for key in self.last_match if key in last_match}
        )
        self.reports = {(r.signature, r.port): r for r in reports[-_MOST_REPORTS:]}
        self.start_status = start_status
        self.start_failed_after = start_failed_after
        self.restart_limit_times = limits[-_MOST_RESTART_LIMITS:]
        self.covered_since = covered


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


def stop_origins(
    snapshot: LogSnapshot, instance_ids: Iterable[str], markers: Iterable[StopMarker]
) -> dict[str, StopOrigin]:
    """Tell who stopped the node, which is the empty id, and each instance.

    What has no marker is not stopped. A pause of the cluster stops nothing.
    """
    origins = dict.fromkeys(["", *instance_ids], StopOrigin.NONE)
    for marker in markers:
        if marker.marker != _PAUSE:
            origins[marker.instance_id] = stop_origin(marker, snapshot)
    return origins


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


def _is_newer(time: float, youngest: float, now: float) -> bool:
    """Whether a time replaces the youngest one so far.

    One that is ahead of our clock was taken before the clock was put back, and is replaced.
    """
    return time >= youngest or youngest > now


def _port(text: str) -> int:
    """Read a port; 0 if it is none."""
    port = _number(text, 0)
    return port if 0 < port <= _HIGHEST_PORT else 0


def _number(text: Optional[str], otherwise: int) -> int:
    return int(text) if text and text.lstrip("-").isdecimal() and len(text) < 12 else otherwise  # noqa: PLR2004 -- what fits any gauge


def _address(fields: Mapping[str, str]) -> str:
    """Take the address that the record names, or the kernel's little-endian hexadecimal one."""
    if "hex_address" in fields:
        return str(IPv4Address(bytes.fromhex(fields["hex_address"])[::-1]))
    return fields.get("address", "")


def _pairs(rows: Iterable[Sequence[Any]], kind: Callable[[Any], Any]) -> dict[tuple[str, str], Any]:
    return {(str(signature), str(source)): kind(value) for signature, source, value in rows}


def _report(signature: Any, port: Any, time: Any, *texts: Any) -> PortReport:  # noqa: ANN401 -- of JSON
    address, uid, inode = map(str, texts)
    return PortReport(str(signature), int(port), float(time), address, uid, inode)
