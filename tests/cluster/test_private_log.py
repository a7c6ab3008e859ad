"""The private log directory: fresh, bounded, gone afterwards, and nobody's way to our files."""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.cluster.private_log import (
    private_directory,
    read_below,
    remove_left_behind,
    runtime_directory,
)
from exporter.host.command import Account

OWN = Account("own", os.geteuid(), os.getegid(), (), "/")


def _cm_ctl_log(directory: Path, text: str, name: str = "cm_ctl-1-current.log") -> Path:
    path = directory / "cm" / "cm_ctl" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_each_query_has_a_directory_of_its_own_that_is_gone_afterwards(tmp_path: Path) -> None:
    """It is empty and ours alone at the start, and removed with what is in it, errors or not."""

    def failing_query() -> None:
        with private_directory(tmp_path, OWN) as directory:
            assert stat.S_IMODE(directory.stat().st_mode) == 0o700
            assert list(directory.iterdir()) == []
            _cm_ctl_log(directory, "text")
            raise KeyError

    with pytest.raises(KeyError):
        failing_query()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_no_obstacle(tmp_path: Path) -> None:
    """Without a directory there is a path that leads nowhere, and reading it gives nothing."""
    missing = tmp_path / "missing"
    with private_directory(missing, OWN) as directory:
        assert not directory.exists()
        assert read_below(directory) == ""


def test_what_was_logged_is_read_up_to_the_limit(tmp_path: Path) -> None:
    """All files below count together, in the order of their names."""
    _cm_ctl_log(tmp_path, "bbbb", "cm_ctl-2-current.log")
    _cm_ctl_log(tmp_path, "aaaa", "cm_ctl-1.log")
    assert read_below(tmp_path) == "aaaabbbb"
    assert read_below(tmp_path, limit=6) == "aaaabb"


def test_links_pipes_and_devices_are_not_read(tmp_path: Path) -> None:
    """Whatever the cluster user puts there, nothing outside is read and nothing blocks."""
    secret = tmp_path / "secret"
    secret.write_text("secret")
    directory = tmp_path / "log"
    _cm_ctl_log(directory, "text")
    (directory / "cm" / "a-link").symlink_to(secret)
    (directory / "cm" / "b-directory").symlink_to(tmp_path)
    os.mkfifo(directory / "cm" / "c-pipe")
    assert read_below(directory) == "text"


@pytest.mark.privileged
def test_as_root_the_directory_is_the_cluster_user_s(tmp_path: Path) -> None:
    """cm_ctl, which no longer is root, can write there, and others cannot."""
    with private_directory(tmp_path, Account("nobody", 65534, 65533, (), "/")) as directory:
        found = directory.stat()
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (65534, 65533, 0o700)


def test_systemd_s_directory_comes_first(tmp_path: Path) -> None:
    """RUNTIME_DIRECTORY, the user's own, or the directory of temporary files."""
    given, own = tmp_path / "given", tmp_path / "own"
    given.mkdir(mode=0o755)
    own.mkdir(mode=0o700)
    environ = {"RUNTIME_DIRECTORY": f"{given}:/other", "XDG_RUNTIME_DIR": str(own)}
    assert runtime_directory(environ, for_other_user=False) == given
    del environ["RUNTIME_DIRECTORY"]
    assert runtime_directory(environ, for_other_user=False) == own
    fallback = Path(tempfile.gettempdir())
    assert runtime_directory(environ, for_other_user=True) == fallback
    assert runtime_directory({"RUNTIME_DIRECTORY": "/nowhere"}, for_other_user=False) == fallback


def test_a_directory_that_the_other_user_cannot_pass_is_not_chosen(tmp_path: Path) -> None:
    """A root service's closed runtime directory would hide the log from cm_ctl."""
    tmp_path.chmod(0o700)
    environ = {"RUNTIME_DIRECTORY": str(tmp_path)}
    assert runtime_directory(environ, for_other_user=False) == tmp_path
    assert runtime_directory(environ, for_other_user=True) == Path(tempfile.gettempdir())


def test_what_a_killed_exporter_left_behind_is_removed_after_an_hour(tmp_path: Path) -> None:
    """Old directories of ours go; young ones, and anything else, stay."""
    old, other = tmp_path / "opengauss-cm-query-old", tmp_path / "other"
    for directory in (old, other):
        directory.mkdir()
    modified = old.stat().st_mtime
    remove_left_behind(tmp_path, modified + 3599)
    assert old.exists()
    remove_left_behind(tmp_path, modified + 3601)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """A place for a tree that Python's own rmtree cannot remove."""
    yield tmp_path
    subprocess.run(["rm", "-rf", str(tmp_path)], check=True)


def test_a_tree_without_a_floor_costs_nothing_but_its_place(deep: Path) -> None:
    """What lies deeper than cm_ctl writes is not read, and removing it never fails a query."""
    with private_directory(deep, OWN) as directory:
        _cm_ctl_log(directory, "text")
        _dig(directory / "cm", 2000)
        assert read_below(directory) == "text"
    remove_left_behind(deep, deep.stat().st_mtime + 3601)


def _dig(directory: Path, levels: int) -> None:
    """Make directories within directories, deeper than a path can name, with a file in the last."""
    here = os.open(directory, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("deep.log", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
