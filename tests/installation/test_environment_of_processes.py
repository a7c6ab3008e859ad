"""The environment of the cluster's own processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Optional

import pytest

from exporter.config.schema import InstallationHints
from exporter.host.command import Account
from exporter.host.files import HostFiles
from exporter.host.processes import ProcessReader
from exporter.host.procfs import Procfs
from exporter.host.users import UserNames
from exporter.installation.environment import Environment, EnvironmentSearch
from tests.support.trees import UID, FakeProc


@pytest.fixture
def proc(tmp_path: Path) -> FakeProc:
    """An empty proc file system."""
    return FakeProc(tmp_path / "proc")


def _find(
    processes: ProcessReader, uid: int = UID, gausshome: Optional[str] = None
) -> Optional[Environment]:
    """Look once where nothing but the processes can tell; None when none of them does."""
    files = HostFiles(Path("/nonexistent"))
    account = Account("omm", uid, uid, (uid,), "/home/omm")
    search = EnvironmentSearch(files, processes, None, {})
    environment = search.find(InstallationHints(gausshome=gausshome), account)
    return environment if environment.variables else None


def test_the_longest_living_program_is_asked_and_its_newest_process(proc: FakeProc) -> None:
    """om_monitor goes before the others, whatever their numbers."""
    proc.add(10, "gaussdb", 900, GAUSSHOME="/gaussdb")
    proc.add(20, "om_monitor", 100, GAUSSHOME="/old")
    proc.add(15, "om_monitor", 200, GAUSSHOME="/new")
    proc.add(30, "bash", 300, GAUSSHOME="/shell")
    found = _find(proc.reader())
    assert found is not None
    assert (found.origin, found.variables) == ("process 15 (om_monitor)", {"GAUSSHOME": "/new"})


def test_a_process_without_gausshome_or_of_another_installation_does_not_count(
    proc: FakeProc,
) -> None:
    """The wanted installation's process is found behind others of the same user."""
    proc.add(10, "om_monitor", 200, GAUSSHOME="/one/app")
    proc.add(11, "cm_agent", 100, GAUSSHOME="/two/app/")
    proc.add(12, "om_monitor", 300, LANG="C")
    found = _find(proc.reader(), gausshome="/two/app")
    assert found is not None
    assert found.origin == "process 11 (cm_agent)"
    assert _find(proc.reader(), gausshome="/three/app") is None


def test_other_users_processes_do_not_count(proc: FakeProc) -> None:
    """Another cluster's om_monitor on the same host is nobody's here."""
    proc.add(10, "om_monitor", GAUSSHOME="/app")
    assert _find(proc.reader(), UID + 1) is None


def test_a_process_that_ended_no_longer_lives(proc: FakeProc) -> None:
    """The end is seen, and that nothing is left to be found."""
    proc.add(10, "cm_agent", GAUSSHOME="/app")
    assert _find(proc.reader()) is not None
    proc.end(10)
    assert _find(proc.reader()) is None


def test_half_gone_processes_are_passed_over(proc: FakeProc) -> None:
    """A process may end between any two looks."""
    (proc.root / "7").mkdir()
    (proc.root / "8").mkdir()
    (proc.root / "8" / "comm").write_text("om_monitor\n")
    (proc.root / "uptime").write_text("1 1\n")
    assert _find(proc.reader()) is None
    assert _find(FakeProc(proc.root / "empty").reader()) is None
    nowhere = Procfs(proc.root / "none")
    assert _find(ProcessReader(nowhere, UserNames(Path("/"), time.monotonic), time.time)) is None


def test_a_real_process_is_found() -> None:
    """In the real /proc a process with the program's name and environment is found."""
    name = "import ctypes,sys;ctypes.CDLL(None).prctl(15,b'om_monitor',0,0,0);print(flush=True)"
    child = subprocess.Popen(
        [sys.executable, "-c", f"{name};sys.stdin.read()"],
        env={"GAUSSHOME": "/made/app", "GAUSSLOG": "/made/log"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    users = UserNames(Path("/"), time.monotonic)
    processes = ProcessReader(Procfs(Path("/proc")), users, lambda: 0.0)
    with child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        found = _find(processes, os.getuid(), "/made/app")
        child.stdin.close()
    assert found is not None
    assert found.origin == f"process {child.pid} (om_monitor)"
    assert found.variables == {"GAUSSHOME": "/made/app", "GAUSSLOG": "/made/log"}
    assert _find(processes, os.getuid(), "/made/app") is None
