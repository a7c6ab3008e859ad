"""The service behind the logs: what it shows, what it writes down, and what it survives."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from datetime import timezone
from pathlib import Path
from typing import Any, Callable

import pytest
import structlog

from exporter.config.schema import Signature
from exporter.errors import ParseError
from exporter.host.clock import Clock
from exporter.logs.evidence import LogEvidence
from exporter.logs.facts import LogErrorReason, LogSnapshot
from exporter.logs.follower import LogFollower
from exporter.logs.listing import LogHost, Pattern
from exporter.logs.matcher import LogMatcher
from exporter.logs.records import CM
from exporter.logs.service import (
    POLL_SECONDS,
    QUIET_POLL_SECONDS,
    SAVE_SECONDS,
    VERSION,
    LogService,
    StateError,
    StateFile,
    default_state_file,
)

SIGNATURE = Signature("record", ("cm_agent",), r"REC \d+ END")
KEY = ("record", "cm_agent")
HOST = "this host"


class WatchedState(StateFile):
    """A state file that remembers its saves, and fails when told to."""

    def __init__(self, path: Path, shown: Callable[[], LogSnapshot]) -> None:
        super().__init__(path, HOST)
        self.saves: list[tuple[int, bool]] = []
        self.broken = False
        self._shown = shown

    def save(self, state: Mapping[str, Any], *, durable: bool) -> None:
        """Note what is shown at that moment, and whether a power failure is survived."""
        if self.broken:
            raise StateError("no space left")
        self.saves.append((self._shown().matches.get(KEY, 0), durable))
        super().save(state, durable=durable)


class Stage:
    """A service on an empty directory, with its clocks; ``fail`` breaks its look at the host."""

    def __init__(self, base: Path) -> None:
        self.directory = base / "log"
        self.directory.mkdir(exist_ok=True)
        self.path = base / "state.json"
        self.monotonic = 1000.0
        self.fail = False
        self.failed = threading.Event()
        self.state = WatchedState(self.path, lambda: self.service.snapshot)
        follower = LogFollower(
            self._patterns,
            {"cm_agent": LogMatcher([SIGNATURE], (CM,))},
            evidence := LogEvidence([SIGNATURE], lambda: timezone.utc),
            horizon=lambda _: 0.0,
            host=LogHost(),
        )
        self.service = LogService(
            follower, evidence, self.state, Clock(lambda: self.monotonic, lambda: 1e9)
        )

    def _patterns(self) -> list[Pattern]:
        if self.fail:
            self.failed.set()
            raise RuntimeError("nobody thought of this")
        return [Pattern("cm_agent", str(self.directory / "*.log"))]

    def write(self, number: int) -> None:
        """Write a record."""
        with (self.directory / "a.log").open("a") as file:
            file.write(f"2001-09-09 01:46:{number:02}.000 tid=7 main LOG: REC {number} END\n")

    @property
    def matches(self) -> int:
        """How many records are shown."""
        return self.service.snapshot.matches[KEY]

    def errors(self, reason: LogErrorReason) -> int:
        """How many errors of the service itself are shown."""
        return self.service.snapshot.service_errors.get(reason, 0)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Give a service that is open and has looked once."""
    made = Stage(tmp_path)
    made.service.open()
    made.service.step()
    yield made
    made.service.close()


def test_findings_are_shown_when_they_are_written_down(stage: Stage) -> None:
    """Whoever kills the exporter while it writes loses nothing that anybody has seen."""
    stage.write(1)
    stage.state.saves.clear()
    stage.service.step()
    assert stage.state.saves == [(0, False)]
    assert stage.matches == 1


def test_logs_without_records_are_looked_at_less_often(stage: Stage) -> None:
    """After a quiet minute a look comes every five seconds, and every second with a record."""
    paces = []
    for seconds in (0, 59, 1):
        stage.monotonic += seconds
        stage.service.step()
        paces.append(stage.service.pause())
    stage.write(1)
    stage.service.step()
    assert [*paces, stage.service.pause()] == [
        POLL_SECONDS,
        POLL_SECONDS,
        QUIET_POLL_SECONDS,
        POLL_SECONDS,
    ]


def test_state_survives_a_power_failure_every_half_minute(stage: Stage) -> None:
    """In between nothing is written unless there is something new."""
    stage.state.saves.clear()
    for _ in range(int(2 * SAVE_SECONDS)):
        stage.monotonic += 1
        stage.service.step()
    assert [durable for _, durable in stage.state.saves] == [True, True]


def test_state_that_cannot_be_written_stops_nothing(stage: Stage) -> None:
    """It is said and counted; records count on."""
    stage.state.broken = True
    stage.write(1)
    with structlog.testing.capture_logs() as said:
        stage.service.step()
    assert [each["event"] for each in said] == ["the state cannot be written"]
    assert (stage.matches, stage.errors(LogErrorReason.STATE_FILE)) == (1, 1)


@pytest.mark.parametrize(
    "state",
    [
        b"\0garbage",
        b'{"version": 1, "host": "another", "positions": {}, "evidence": {}}',
        b'{"version": 1, "host": "this host"}',
        b'{"version": 1, "host": "this host", "positions": 7, "evidence": []}',
    ],
    ids=["garbage", "another host", "nothing in it", "something else in it"],
)
def test_state_that_is_none_is_ignored_and_said(tmp_path: Path, state: bytes) -> None:
    """The exporter goes on without memory, and writes a good state over the bad one."""
    stage = Stage(tmp_path)
    stage.path.write_bytes(state)
    with structlog.testing.capture_logs() as said:
        stage.service.open()
    assert [each["event"] for each in said] == ["the state is ignored"]
    assert stage.errors(LogErrorReason.STATE_FILE) == 1
    stage.service.step()
    stage.write(1)
    stage.service.step()
    stage.service.close()
    assert stage.matches == 1
    assert json.loads(stage.path.read_bytes())["host"] == HOST


def test_locked_state_is_left_alone_and_said(stage: Stage, tmp_path: Path) -> None:
    """A second exporter follows all the same, and never writes into the first one's state."""
    other = Stage(tmp_path)
    with structlog.testing.capture_logs() as said:
        other.service.open()
    assert [each["event"] for each in said] == ["no state is kept"]
    assert other.errors(LogErrorReason.STATE_FILE) == 1
    other.service.step()
    stage.write(1)
    other.service.step()
    other.service.close()
    assert (other.matches, other.state.saves) == (1, [])


def test_thread_outlives_what_nobody_thought_of(tmp_path: Path) -> None:
    """An error is logged and counted, and records are read all the same as soon as they can be."""
    stage = Stage(tmp_path)
    stage.service.open()
    stage.service.step()
    stage.service.close()
    stage.fail = True
    with structlog.testing.capture_logs() as said:
        stage.service.start()
        assert stage.failed.wait(30)
        stage.fail = False
        stage.write(1)
        stage.service.stop()
    assert [each["event"] for each in said] == ["a step failed"]
    assert (stage.matches, stage.errors(LogErrorReason.INTERNAL)) == (1, 1)


HOST = "this host"


@pytest.mark.parametrize(
    ("environment", "path"),
    [
        ({"STATE_DIRECTORY": "/var/lib/x:/y", "HOME": "/h"}, "/var/lib/x/positions.json"),
        ({"XDG_STATE_HOME": "/s", "HOME": "/h"}, "/s/opengauss-cm-exporter/positions.json"),
        ({"HOME": "/h"}, "/h/.local/state/opengauss-cm-exporter/positions.json"),
    ],
)
def test_place_of_the_state(environment: dict[str, str], path: str) -> None:
    """The directory that systemd gives goes before the user's."""
    assert default_state_file(environment) == Path(path)


def test_without_a_home_there_is_no_place() -> None:
    """Nothing is written where nobody said."""
    assert default_state_file({}) is None


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    """Whether or not it must survive a power failure."""
    state = StateFile(tmp_path / "deep" / "state.json", HOST)
    state.lock()
    assert state.load() is None
    for durable in (True, False):
        state.save({"positions": {"x": durable}}, durable=durable)
        loaded = state.load()
        assert loaded is not None
        assert loaded["positions"] == {"x": durable}
    state.unlock()


def test_file_and_directory_are_the_users_own(tmp_path: Path) -> None:
    """Nobody else may read where the logs are."""
    state = StateFile(tmp_path / "deep" / "state.json", HOST)
    state.lock()
    state.save({}, durable=False)
    state.unlock()
    assert (tmp_path / "deep").stat().st_mode & 0o777 == 0o700
    for path in (tmp_path / "deep").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600, path


def test_second_exporter_does_not_get_the_lock(tmp_path: Path) -> None:
    """Two exporters never write one state; the lock is free when the first has let go."""
    first, second = (StateFile(tmp_path / "state.json", HOST) for _ in range(2))
    first.lock()
    with pytest.raises(StateError, match="cannot be locked"):
        second.lock()
    first.unlock()
    second.lock()
    second.unlock()


def _state(**fields: object) -> bytes:
    return json.dumps({"version": VERSION, "host": HOST, **fields}).encode()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "not JSON"),
        (b"\xff\0rubbish", "not JSON"),
        (_state()[:-3], "not JSON"),
        (_state().replace(b"}", b', "x": NaN}'), "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a state"),
        (_state(version=VERSION + 1), "not a state of version"),
        (_state(host="another"), "another host"),
        (b'{"version": 1}', "another host"),
    ],
    ids=["empty", "binary", "half", "nan", "deep", "list", "version", "host", "no-host"],
)
def test_rubbish_is_refused(tmp_path: Path, data: bytes, problem: str) -> None:
    """What is no state of this host is an error that says so."""
    path = tmp_path / "state.json"
    path.write_bytes(data)
    with pytest.raises(ParseError, match=problem):
        StateFile(path, HOST).load()


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """A directory in the file's place is told."""
    (tmp_path / "state.json").mkdir()
    with pytest.raises(StateError, match="Is a directory"):
        StateFile(tmp_path / "state.json", HOST).load()


def test_what_cannot_be_written_leaves_the_old_state(tmp_path: Path) -> None:
    """A write that fails changes nothing."""
    state = StateFile(tmp_path / "state.json", HOST)
    state.save({"x": 1}, durable=True)
    (tmp_path / "state.json.new").mkdir()
    with pytest.raises(StateError):
        state.save({"x": 2}, durable=True)
    loaded = state.load()
    assert loaded is not None
    assert loaded["x"] == 1


def test_links_are_not_written_through(tmp_path: Path) -> None:
    """A link in the place of the new file does not lead the state into another file."""
    target = tmp_path / "precious"
    target.write_text("precious")
    (tmp_path / "state.json.new").symlink_to(target)
    with pytest.raises(StateError):
        StateFile(tmp_path / "state.json", HOST).save({}, durable=False)
    assert target.read_text() == "precious"
