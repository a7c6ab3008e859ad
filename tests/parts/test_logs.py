"""The whole way from an installation's logs to the page, with the recorded logs of the real CM."""

from __future__ import annotations

import gzip
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from types import MappingProxyType

import pytest

from exporter.config.schema import Logs, LogSource
from exporter.installation.facts import Installation, StopMarker
from exporter.logs.plan import horizon
from exporter.parts import LogParts, LogSurroundings, log_parts, shipped
from tests.support.facts import endpoint
from tests.support.recorded_logs import CM_SOURCES, recorded

NOTHING = Installation("omm", 1000, "node1")


def _installation(log: Path) -> Installation:
    return replace(NOTHING, variables=MappingProxyType({"GAUSSLOG": str(log), "TZ": "UTC"}))


class Node:
    """A node's log directory, and an exporter's log parts on it."""

    def __init__(self, base: Path, config: Logs = Logs()) -> None:  # noqa: B008 -- frozen
        self.log = base / "gausslog"
        self.config = replace(config, state_file=str(base / "state" / "positions.json"))
        self.markers: list[StopMarker] = []
        for source in CM_SOURCES:
            self.directory(source).mkdir(parents=True, exist_ok=True)
        self.parts = self.start()

    def directory(self, source: str) -> Path:
        """Where a source's logs are."""
        component = "cm_agent" if source == "system_call" else source
        return self.log / "cm" / component

    def start(self) -> LogParts:
        """Make the parts anew, as a start of the exporter does, without the thread."""
        installation = _installation(self.log)
        around = LogSurroundings(
            lambda: installation, lambda: (endpoint("cm_server"),), lambda: self.markers
        )
        self.parts = log_parts(self.config, around, environ={})
        self.parts.service.open()
        return self.parts

    def read(self) -> None:
        """Read all there is."""
        while self.parts.service.step():
            pass

    def restart(self) -> None:
        """End and start again."""
        self.parts.service.close()
        self.start()

    def value(self, name: str) -> Mapping[tuple[str, ...], float]:
        """Return a family's samples as the collector shows them."""
        (family,) = (f for each in self.parts.collectors for f in each.collect() if f.name == name)
        return {tuple(s.labels.values()): s.value for s in family.samples}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """Give a node whose logs are empty and have been looked at."""
    made = Node(tmp_path)
    made.read()
    yield made
    made.parts.service.close()


def _feed(node: Node, source: str, path: Path) -> None:
    """Append a recording to a live file in odd pieces, and have it read in between."""
    live = node.directory(source) / f"{source}-2026-11-22_120000-current.log"
    live.unlink(missing_ok=True)
    data, pos, step = path.read_bytes(), 0, 1
    while pos < len(data):
        step = step * 7 % 150_013 + 1
        with live.open("ab") as file:
            file.write(data[pos : pos + step])
        pos += step
        node.read()


def _grep_run(arguments: list[str]) -> list[str]:
    run = subprocess.run(
        ["grep", "-a", *arguments],
        capture_output=True,
        check=False,
        env={"LC_ALL": "C"},
    )
    return run.stdout.decode("latin-1").splitlines()


def _grep_counts(pattern: str, paths: list[Path]) -> dict[Path, int]:
    lines = _grep_run(["-c", "-H", "-P", pattern, *map(str, paths)])
    counts = (line.rsplit(":", 1) for line in lines)
    return {Path(path): int(count) for path, count in counts}


@pytest.mark.parametrize("source", CM_SOURCES)
def test_recordings_in_odd_pieces_count_as_grep_does(node: Node, source: str) -> None:
    """Per file, each signature counts what grep -c does, and has the last line's own time."""
    wanted = [s for s in shipped() if source in s.sources]
    expected = {s.id: _grep_counts(s.pattern, recorded(source)) for s in wanted}
    youngest = dict.fromkeys((s.id for s in wanted), 0.0)
    for path in recorded(source):
        before = dict(node.value("opengauss_log_signature_matches"))
        _feed(node, source, path)
        after = node.value("opengauss_log_signature_matches")
        counted = {s.id: after[(s.id, source)] - before[(s.id, source)] for s in wanted}
        assert counted == {s.id: expected[s.id][path] for s in wanted}, path
        for signature in wanted:
            if counted[signature.id]:
                last = _time_of(_grep_run(["-P", signature.pattern, str(path)])[-1])
                youngest[signature.id] = max(last, youngest[signature.id])
        last_match = node.value("opengauss_log_signature_last_match_timestamp_seconds")
        assert {s.id: last_match[(s.id, source)] for s in wanted} == youngest, path


def test_recorded_port_conflict_is_reported_with_its_holder(node: Node) -> None:
    """The record's own lines tell port, address and owner of the socket."""
    (path,) = (p for p in recorded("cm_agent") if "b1_cmport_0.0.0.0_node2/node2" in str(p))
    _feed(node, "cm_agent", path)
    last = node.value("opengauss_log_signature_last_match_timestamp_seconds")
    reports = node.value("opengauss_log_port_report_timestamp_seconds")
    in_use = last[("port_in_use", "cm_agent")]
    assert reports[("port_in_use", "15300")] == in_use > 0
    (report,) = node.parts.service.snapshot.port_reports
    assert (report.port, report.address, report.uid) == (15300, "0.0.0.0", "0")  # noqa: S104 -- as recorded


def _time_of(line: str) -> float:
    local = datetime.strptime(line.lstrip(" .")[:23], "%Y-%m-%d %H:%M:%S.%f")  # noqa: DTZ007 -- UTC follows
    return local.replace(tzinfo=timezone.utc).timestamp()


def _now_line(text: str, ago: float = 0.0) -> str:
    moment = datetime.fromtimestamp(time.time() - ago, timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + f" tid=7 StartAndStop LOG: {text}\n"


LIMIT = (
    "res(dms_res) inst(6001) is offline, but restart times (3) >= limit (3), can't do restart"
    " again, will do manually stop."
)
BIND = (
    "could not bind IPv4 socket: Is another instance already running on port 15300?  If not, wait"
)


def test_first_look_sets_times_and_no_counters(tmp_path: Path) -> None:
    """Evidence of the last quarter of an hour is known at once, without moving a counter."""
    node = Node(tmp_path)
    live = node.directory("cm_agent") / "cm_agent-2026-11-22_120000-current.log"
    live.write_text(_now_line("CM_SERVER START system(command:x", 1000) + _now_line(LIMIT, 60))
    node.read()
    key = ("resource_restart_limit", "cm_agent")
    assert node.value("opengauss_log_signature_matches")[key] == 0
    last = node.value("opengauss_log_signature_last_match_timestamp_seconds")
    assert last[key] == pytest.approx(time.time() - 60, abs=5)
    assert last[("cm_server_start", "cm_agent")] == 0
    with live.open("a") as file:
        file.write(_now_line(LIMIT))
    node.read()
    assert node.value("opengauss_log_signature_matches")[key] == 1


def test_first_look_reads_archives_as_far_as_it_goes_back(tmp_path: Path) -> None:
    """What was rotated and compressed lately is evidence; older archives are not even opened."""
    node = Node(tmp_path)
    young, old = (node.directory("cm_agent") / f"cm_agent-{n}.log.gz" for n in (2, 1))
    young.write_bytes(gzip.compress((_now_line(LIMIT, 1800) + _now_line(LIMIT, 60)).encode()))
    old.write_bytes(b"no archive at all")
    os.utime(old, (time.time() - 1000, time.time() - 1000))
    node.read()
    key = ("resource_restart_limit", "cm_agent")
    assert node.value("opengauss_log_signature_matches")[key] == 0
    last = node.value("opengauss_log_signature_last_match_timestamp_seconds")
    assert last[key] == pytest.approx(time.time() - 60, abs=5)
    assert not any(node.parts.service.snapshot.activity["cm_agent"].errors.values())


def test_what_was_known_is_known_after_a_restart(tmp_path: Path) -> None:
    """Last matches, counters, port reports and stop origins are what they were."""
    node = Node(tmp_path)
    node.read()
    live = node.directory("cm_agent") / "cm_agent-2026-11-22_120000-current.log"
    live.write_text(_now_line(LIMIT, 5))
    (node.directory("cm_server") / "cm_server-x-current.log").write_text(_now_line(BIND))
    node.read()
    before = node.parts.service.snapshot
    live.write_text(live.read_text() + _now_line(LIMIT))
    node.restart()
    restored = node.parts.service.snapshot
    for name in ("matches", "last_match", "port_reports", "restart_limit_times", "covered_since"):
        assert getattr(restored, name) == getattr(before, name)
    node.read()
    matches = node.value("opengauss_log_signature_matches")
    assert matches[("resource_restart_limit", "cm_agent")] == 2


def test_stop_origin_is_known_after_a_restart(tmp_path: Path) -> None:
    """Who stopped what does not change with the exporter's life, in whatever order things come."""
    node = Node(tmp_path)
    node.read()
    live = node.directory("cm_agent") / "cm_agent-2026-11-22_120000-current.log"
    live.write_text(_now_line(LIMIT, 5))
    now = time.time()
    node.markers = [
        StopMarker("instance_manual_start", "6001", now),
        StopMarker("instance_manual_start", "6002", now + 300),
    ]
    node.read()
    before = node.value("opengauss_stop_origin")
    assert (before[("6001", "restart_limit")], before[("6002", "operator")]) == (1, 1)
    live.unlink()
    for _ in range(2):
        node.restart()
        assert node.value("opengauss_stop_origin") == before
        node.read()
        assert node.value("opengauss_stop_origin") == before


def test_bind_failure_age_comes_from_the_logs(node: Node) -> None:
    """The ports learn how long ago a bind failed."""
    assert node.parts.bind_failure_age(15300) is None
    live = node.directory("cm_server") / "cm_server-x-current.log"
    live.write_text(_now_line(BIND))
    node.read()
    age = node.parts.bind_failure_age(15300)
    assert age is not None
    assert 0 <= age < 30
    assert node.parts.bind_failure_age(15400) is None


def test_configured_sources_replace_the_found_ones(tmp_path: Path) -> None:
    """A source with paths of its own is read there, and with the user's signatures."""
    signature = replace(shipped()[0], id="mine", pattern="MINE", contains=(), details=())
    sources = (LogSource("cm_agent", (str(tmp_path / "elsewhere" / "*.log"),)),)
    node = Node(tmp_path, Logs(sources=sources, signatures=(signature,)))
    node.read()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.log").write_text(_now_line("MINE"))
    (node.directory("cm_agent") / "cm_agent-x.log").write_text(_now_line("MINE"))
    node.read()
    assert node.value("opengauss_log_signature_matches")[("mine", "cm_agent")] == 1


def test_three_scrapers_see_the_same_counters(node: Node) -> None:
    """Reading the page changes nothing."""
    live = node.directory("cm_server") / "cm_server-x-current.log"
    live.write_text(_now_line(BIND))
    node.read()
    pages = [node.value("opengauss_log_signature_matches") for _ in range(3)]
    assert pages[0] == pages[1] == pages[2]


@pytest.mark.parametrize(
    ("ages", "expected"),
    [([], 900), ([60], 900), ([3600], 3720), ([3600, 7200], 7320), ([10**6], 86400)],
)
def test_look_back_reaches_the_oldest_marker(ages: list[float], expected: float) -> None:
    """A quarter of an hour, or two minutes before the oldest marker, a day at most."""
    now = time.time()
    markers = [StopMarker("instance_manual_start", "1", now - age) for age in ages]
    assert now - horizon(900, lambda: markers, now) == pytest.approx(expected)


def test_thread_starts_reads_and_stops(tmp_path: Path) -> None:
    """The service follows by itself, says when it has looked once, and ends in bounded time."""
    node = Node(tmp_path)
    node.parts.service.close()
    installation = _installation(node.log)
    around = LogSurroundings(lambda: installation, tuple, tuple)
    parts = log_parts(node.config, around, environ={})
    parts.service.start()
    parts.service.wait_for_first(30)
    (node.directory("cm_server") / "cm_server-x-current.log").write_text(_now_line(BIND))
    parts.service.stop()
    assert parts.service.snapshot.matches[("cm_server_bind_failed", "cm_server")] == 1
    assert Path(node.config.state_file or "").exists()
