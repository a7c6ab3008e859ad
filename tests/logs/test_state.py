"""The state file: one writer, all or nothing, and rubbish is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from exporter.errors import ParseError
from exporter.logs.state import VERSION, StateError, StateFile, default_state_file

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
