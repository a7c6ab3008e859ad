"""Stop markers and pid files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from exporter.host.files import HostFiles
from exporter.installation.facts import StopMarker
from exporter.installation.markers import MAX_MARKERS, read_identity, read_markers
from exporter.ports.facts import PidFile
from tests.support.installations import installation
from tests.support.trees import APP, CM, DATA, Tree

BIN = f"{APP}/bin"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """An installation."""
    return Tree(tmp_path)


def _touch(tree: Tree, path: str, mtime: float, content: str = "") -> None:
    real = tree.path(path.replace(APP, "/opt/huawei/install/app_1"))
    real.write_text(content)
    os.utime(real, (mtime, mtime))


def test_markers_are_found_with_their_times(tree: Tree) -> None:
    """Each by its word, its instance and its mtime; what only resembles one is none."""
    _touch(tree, f"{BIN}/cluster_manual_start", 100.5)
    _touch(tree, f"{BIN}/instance_manual_start_6001", 200)
    _touch(tree, f"{BIN}/cluster_manual_pause", 300)
    for name in ("cluster_manual_starting", "instance_manual_start", "instance_manual_start_x"):
        _touch(tree, f"{BIN}/{name}", 1)
    for name in ("cluster_manual_start_1", "etcd_manual_start", "instance_manual_start_6001.bak"):
        _touch(tree, f"{BIN}/{name}", 1)
    assert read_markers(HostFiles(tree.root), APP) == (
        StopMarker("cluster_manual_pause", "", 300),
        StopMarker("cluster_manual_start", "", 100.5),
        StopMarker("instance_manual_start", "6001", 200),
    )


def test_without_markers_there_are_none(tree: Tree) -> None:
    """Also without an installation, and where its directory is not there (yet)."""
    files = HostFiles(tree.root)
    assert read_markers(files, APP) == ()
    assert read_markers(files, "") == ()
    assert read_markers(files, "/none") == ()


def test_the_number_of_markers_is_bounded(tree: Tree) -> None:
    """Nobody can fill the page by touching files."""
    for number in range(100):
        _touch(tree, f"{BIN}/instance_manual_start_{number}", 1)
    assert len(read_markers(HostFiles(tree.root), APP)) == MAX_MARKERS


def test_pid_files_tell_who_started_last(tree: Tree) -> None:
    """CM's two and the database's, with their times; a broken or missing one is left out."""
    _touch(tree, f"{CM}/cm_server/cm_server.pid", 100, f"73\n{CM}/cm_server\n0\n")
    _touch(tree, f"{DATA}/postmaster.pid", 200, f"94\n{DATA}\n1\n15400\n")
    _touch(tree, f"{CM}/cm_agent/cm_agent.pid", 300, "")
    known = installation(variables={"GAUSSHOME": APP}, app_dirs=("/opt/huawei/install/app_1",))
    identity = read_identity(HostFiles(tree.root), known)
    assert identity.pid_files == (
        PidFile("cm_server", "1", 73, 100),
        PidFile("datanode", "6001", 94, 200),
    )
    assert (identity.uid, identity.user, identity.gausshome) == (1000, "omm", APP)
    assert identity.app_dirs == ("/opt/huawei/install/app_1",)
