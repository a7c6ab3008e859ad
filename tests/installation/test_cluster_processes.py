"""Finding the environment of the cluster's processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.installation.cluster_processes import ClusterProcesses
from tests.support.trees import UID, FakeProc


@pytest.fixture
def proc(tmp_path: Path) -> FakeProc:
    """An empty proc file system."""
    return FakeProc(tmp_path / "proc")


def test_the_longest_living_program_is_asked_and_its_newest_process(proc: FakeProc) -> None:
    """om_monitor goes before the others, whatever their numbers."""
    proc.add(10, "gaussdb", 900, GAUSSHOME="/gaussdb")
    proc.add(20, "om_monitor", 100, GAUSSHOME="/old")
    proc.add(15, "om_monitor", 200, GAUSSHOME="/new")
    proc.add(30, "bash", 300, GAUSSHOME="/shell")
    found = ClusterProcesses(proc.root).find(UID)
    assert found is not None
    assert (found.pid, found.program, found.variables) == (15, "om_monitor", {"GAUSSHOME": "/new"})


def test_a_process_without_gausshome_or_of_another_installation_does_not_count(
    proc: FakeProc,
) -> None:
    """The wanted installation's process is found behind others of the same user."""
    proc.add(10, "om_monitor", 200, GAUSSHOME="/one/app")
    proc.add(11, "cm_agent", 100, GAUSSHOME="/two/app/")
    proc.add(12, "om_monitor", 300, LANG="C")
    processes = ClusterProcesses(proc.root)
    found = processes.find(UID, "/two/app")
    assert found is not None
    assert found.pid == 11
    assert processes.find(UID, "/three/app") is None


def test_other_users_processes_do_not_count(proc: FakeProc) -> None:
    """Another cluster's om_monitor on the same host is nobody's here."""
    proc.add(10, "om_monitor", GAUSSHOME="/app")
    assert ClusterProcesses(proc.root).find(UID + 1) is None


def test_a_process_that_ended_no_longer_lives(proc: FakeProc) -> None:
    """The end is seen, and that nothing is left to be found."""
    proc.add(10, "cm_agent", GAUSSHOME="/app")
    processes = ClusterProcesses(proc.root)
    found = processes.find(UID)
    assert found is not None
    assert processes.lives(found)
    proc.end(10)
    assert not processes.lives(found)
    assert processes.find(UID) is None


def test_half_gone_processes_are_passed_over(proc: FakeProc) -> None:
    """A process may end between any two looks."""
    (proc.root / "7").mkdir()
    (proc.root / "8").mkdir()
    (proc.root / "8" / "comm").write_text("om_monitor\n")
    (proc.root / "uptime").write_text("1 1\n")
    assert ClusterProcesses(proc.root).find(UID) is None
    assert ClusterProcesses(proc.root / "none").find(UID) is None


def test_a_real_process_is_found() -> None:
    """In the real /proc a process with the program's name and environment is found."""
    name = "import ctypes,sys;ctypes.CDLL(None).prctl(15,b'om_monitor',0,0,0);print(flush=True)"
    child = subprocess.Popen(
        [sys.executable, "-c", f"{name};sys.stdin.read()"],
        env={"GAUSSHOME": "/made/app", "GAUSSLOG": "/made/log"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        found = ClusterProcesses().find(os.getuid(), "/made/app")
        child.stdin.close()
    assert found is not None
    assert found.pid == child.pid
    assert found.variables == {"GAUSSHOME": "/made/app", "GAUSSLOG": "/made/log"}
    assert not ClusterProcesses().lives(found)
