"""The contents of services, read from made control groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.host.cgroup import MOST_PROCESSES, UnitReader
from exporter.host.facts import UnitContents
from exporter.host.procfs import Procfs


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """An empty host."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    return tmp_path


def reader(host: Path) -> UnitReader:
    """Read this host."""
    return UnitReader(host / "sys", Procfs(host / "proc"))


def group(host: Path, path: str, processes: dict[int, str]) -> None:
    """Make a control group with processes in it."""
    directory = host / "sys/fs/cgroup" / path
    directory.mkdir(parents=True)
    (directory / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in processes))
    for pid, name in processes.items():
        (host / "proc" / str(pid)).mkdir()
        (host / "proc" / str(pid) / "comm").write_text(name + "\n")


@pytest.mark.parametrize(
    "path",
    [
        "system.slice/web.service",
        "system.slice/system-web.slice/web.service",
        "unified/system.slice/web.service",
        "systemd/system.slice/web.service",
    ],
)
def test_a_service_is_found_in_every_hierarchy(host: Path, path: str) -> None:
    """Cgroup v2, the hybrid form and v1's hierarchy of systemd tell the same."""
    group(host, path, {11: "nginx", 12: "nginx", 13: "cache"})
    expected = UnitContents(frozenset((11, 12, 13)), frozenset(("nginx", "cache")))
    assert reader(host).contents("web.service") == expected


@pytest.mark.parametrize(
    "path",
    [
        "user.slice/user-1.slice/web.service",
        "system.slice/other.service/web.service",
        "system.slice/my.slice/web.service",
        "web.service",
    ],
)
def test_a_group_that_is_named_like_a_service_is_none(host: Path, path: str) -> None:
    """Below a user, a service or a slice of another kind anybody may have made it."""
    group(host, path, {11: "nginx"})
    assert reader(host).contents("web.service") is None


def test_a_path_is_no_unit(host: Path) -> None:
    """A name with a slash leads nowhere."""
    group(host, "system.slice/other.service/web.service", {11: "nginx"})
    assert reader(host).contents("other.service/web.service") is None


def test_groups_below_are_noticed(host: Path) -> None:
    """A service that was given a part of the tree to manage is not about one program."""
    group(host, "system.slice/web.service", {11: "nginx"})
    group(host, "system.slice/web.service/worker", {12: "nginx"})
    found = reader(host).contents("web.service")
    assert found is not None
    assert found.divided


def test_a_process_whose_name_is_hidden_leaves_the_contents_unknown(host: Path) -> None:
    """With hidepid, or when a process goes meanwhile, nothing is claimed."""
    group(host, "system.slice/web.service", {11: "nginx", 12: "nginx"})
    (host / "proc/12/comm").unlink()
    assert reader(host).contents("web.service") is None


def test_a_crowded_service_is_not_looked_through(host: Path) -> None:
    """The work of a look is bounded."""
    group(host, "system.slice/web.service", {})
    procs = host / "sys/fs/cgroup/system.slice/web.service/cgroup.procs"
    procs.write_text("".join(f"{pid}\n" for pid in range(MOST_PROCESSES + 1)))
    assert reader(host).contents("web.service") is None


def test_what_is_no_list_of_pids_leaves_the_contents_unknown(host: Path) -> None:
    """A group that cannot be listed says nothing."""
    group(host, "system.slice/web.service", {})
    (host / "sys/fs/cgroup/system.slice/web.service/cgroup.procs").write_text("?\n")
    assert reader(host).contents("web.service") is None
