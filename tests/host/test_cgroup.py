"""Units, containers and the contents of services, by control group."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.host.cgroup import (
    MOST_PROCESSES,
    CgroupTree,
    Placement,
    UnitReader,
    cgroup2_mounts,
    placement,
    placement_of_process,
)
from exporter.host.facts import UnitContents
from exporter.host.processes import ProcessReader
from exporter.host.procfs import Procfs
from exporter.host.users import UserNames
from exporter.ports.sock_diag import SockDiag
from tests.support.holders import LOOPBACK, Holder

ID = "3f2a" * 16
PROC = Procfs(Path("/proc"))
SYS = Path("/sys")
MOUNTS = [Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")]
JOIN = 'echo $$ > "$0/cgroup.procs" && exec "$@"'


class Clock:
    """A clock that stands still until told."""

    now = 1000.0

    def __call__(self) -> float:
        """Tell the time in seconds."""
        return self.now


@contextlib.contextmanager
def _group(*names: str) -> Iterator[Path]:
    """Make a group of the real tree, below a slice of its own; it is gone at the end."""
    top = next(mount for mount in MOUNTS if (mount / "cgroup.procs").exists())
    path = top / f"exportertest{os.getpid()}.slice"
    made = [path]
    path.mkdir()
    for name in names:
        path = path / name
        path.mkdir()
        made.append(path)
    try:
        yield path
    finally:
        for each in reversed(made):
            with contextlib.suppress(FileNotFoundError):
                each.rmdir()


def _cgroup_id(holder: Holder) -> int:
    (found,) = SockDiag().listening(frozenset({holder.port}))
    assert found.cgroup_id is not None
    return found.cgroup_id


def _holder_in(group: Path) -> Holder:
    return Holder(f"listen,{LOOPBACK},0", prefix=["sh", "-c", JOIN, str(group)])


@pytest.mark.privileged
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["nginx-test.service"], Placement("nginx-test.service", "")),
        ([f"docker-{ID}.scope"], Placement(f"docker-{ID}.scope", ID)),
        (["user@1000.service", "sshd.service"], Placement()),
    ],
)
def test_a_sockets_cgroup_names_its_unit(names: list[str], expected: Placement) -> None:
    """From the id that the kernel tells of a socket, and from its process, the same comes out."""
    with _group(*names) as group, _holder_in(group) as holder:
        tree = CgroupTree(SYS, PROC, time.monotonic)
        assert tree.placement(_cgroup_id(holder)) == expected
        process = ProcessReader(PROC, UserNames(Path("/"), time.monotonic), time.time).describe(
            str(holder.pid)
        )
        assert process is not None
        assert (process.unit, process.container) == expected


@pytest.mark.privileged
def test_a_group_that_is_gone_has_no_name() -> None:
    """A socket may outlive its group; then nothing is said, and not what stands there now."""
    tree = CgroupTree(SYS, PROC, Clock())
    with _group("gone-test.service") as group, _holder_in(group) as holder:
        cgroup_id = _cgroup_id(holder)
        assert tree.placement(cgroup_id).unit == "gone-test.service"
    with _group("gone-test.service"):
        assert tree.placement(cgroup_id) == Placement()


@pytest.mark.privileged
def test_an_id_that_was_not_found_is_searched_for_again_only_after_a_while() -> None:
    """A foreign id costs one walk in half a minute; a known one is answered all the while."""
    clock = Clock()
    tree = CgroupTree(SYS, PROC, clock)
    with _group("seen-test.service") as group, _holder_in(group) as holder:
        assert tree.placement(2**60) == Placement()
        assert tree.placement(_cgroup_id(holder)).unit == "seen-test.service"
        late = group.parent / "late-test.service"
        late.mkdir()
        try:
            tree._walk_not_before[late.stat().st_ino] = clock.now + 30
            assert tree.placement(late.stat().st_ino) == Placement()
            clock.now += 30
            assert tree.placement(late.stat().st_ino).unit == "late-test.service"
        finally:
            late.rmdir()


def test_without_cgroup_v2_nothing_is_said(tmp_path: Path) -> None:
    """On a v1-only host a socket's id means nothing: no unit, not a wrong one."""
    (tmp_path / "fs" / "cgroup" / "memory").mkdir(parents=True)
    tree = CgroupTree(tmp_path, Procfs(tmp_path), time.monotonic)
    assert tree.placement(1) == Placement()


def test_a_part_of_a_tree_is_not_taken_for_the_whole(tmp_path: Path) -> None:
    """A bind mount of some group shows names that anybody may have chosen."""
    unit = tmp_path / "fs" / "cgroup" / "sshd.service"
    unit.mkdir(parents=True)
    (unit.parent / "cgroup.procs").touch()
    tree = CgroupTree(tmp_path, Procfs(tmp_path), time.monotonic)
    assert tree.placement(unit.stat().st_ino) == Placement()


OTHER = "9b1c" * 16


@pytest.mark.parametrize(
    ("path", "unit", "container"),
    [
        ("/", "", ""),
        ("/system.slice/nginx.service", "nginx.service", ""),
        ("/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service", ""),
        ("/system.slice/nginx.service/worker/3", "nginx.service", ""),
        ("/user.slice/user-1000.slice/session-3.scope", "session-3.scope", ""),
        ("/machine.slice/machine-vm\\x2d1.scope", "machine-vm\\x2d1.scope", ""),
        ("/user.slice/user-1000.slice/user@1000.service", "user@1000.service", ""),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/sshd.service", "", ""),
        (f"/user.slice/user-1.slice/user@1.service/user.slice/libpod-{ID}.scope", "", ""),
        ("/not-systemd/nginx.service", "", ""),
        ("/system.slice/nginx.socket", "", ""),
        ("/system.slice/bad name.service", "", ""),
        (f"/system.slice/{'x' * 129}.service", "", ""),
        ("/system.slice/name\nnewline.service", "", ""),
        ("/../system.slice/nginx.service", "", ""),
        (f"/../../docker-{ID}.scope", "", ""),
        # docker: systemd and cgroupfs driver, and docker within docker
        (f"/system.slice/docker-{ID}.scope", f"docker-{ID}.scope", ID),
        (f"/docker/{ID}", "", ID),
        (f"/docker/{ID}/docker/{OTHER}", "", ID),
        (f"/docker/{ID}/system.slice/nginx.service", "", ID),
        # podman, and its monitor, which is not in the container
        (f"/machine.slice/libpod-{ID}.scope/container", f"libpod-{ID}.scope", ID),
        (f"/libpod_parent/libpod-{ID}", "", ID),
        (f"/machine.slice/libpod-conmon-{ID}.scope", f"libpod-conmon-{ID}.scope", ""),
        # Kubernetes: systemd driver of containerd and CRI-O, cgroupfs driver, runc's raw form
        (
            f"/kubepods.slice/kubepods-besteffort-pod1a_2b.slice/cri-containerd-{ID}.scope",
            f"cri-containerd-{ID}.scope",
            ID,
        ),
        (f"/kubepods.slice/kubepods-pod1a.slice/crio-{ID}.scope", f"crio-{ID}.scope", ID),
        (f"/kubepods/burstable/pod0a1b2c3d-0000-4444-8888-123456789abc/{ID}", "", ID),
        (f"/kubepods/besteffort/pod0a1b2c3d/{OTHER}/nested", "", OTHER),
        (
            f"/system.slice/containerd.service/kubepods-besteffort-pod1.slice:cri-containerd:{ID}",
            "containerd.service",
            ID,
        ),
        (f"/k8s.io/{ID}", "", ID),
        # what only looks like one
        (f"/process_api/{ID}", "", ""),
        ("/docker/0123456789ab", "", ""),
        ("/docker/not-a-container", "", ""),
        (f"/system.slice/docker-{ID.upper()}.scope", f"docker-{ID.upper()}.scope", ""),
    ],
)
def test_a_path_gives_what_the_hosts_manager_made(path: str, unit: str, container: str) -> None:
    """Units of the host's systemd and containers of the known runtimes, and nothing else."""
    assert placement(path) == (unit, container)


@given(
    st.lists(
        st.sampled_from(
            ["..", "user@1.service", "a.service", "x.slice", "docker", ID, f"docker-{ID}.scope"]
        )
        | st.text(max_size=20),
        max_size=6,
    )
)
@settings(deadline=None)
def test_no_path_gives_more_than_the_rules_allow(parts: list[str]) -> None:
    """Whatever strangers call their groups: the words that are shown have the allowed form."""
    found = placement("/" + "/".join(parts))
    assert re.fullmatch(r"([A-Za-z0-9:_.@\\-]{1,128}\.(service|scope))?", found.unit)
    assert re.fullmatch(r"([0-9a-f]{12,64})?", found.container)


def test_on_cgroup_v2_there_is_one_line() -> None:
    """The line without controllers tells unit and container."""
    data = f"0::/system.slice/docker-{ID}.scope\n".encode()
    assert placement_of_process(data) == (f"docker-{ID}.scope", ID)


def test_on_cgroup_v1_the_unit_is_systemds_own() -> None:
    """A unit is taken from systemd's hierarchy only, a container from any."""
    data = (
        f"5:memory:/docker/{ID}\n4:cpu,cpuacct:/system.slice/lie.service\n"
        "1:name=systemd:/system.slice/true.service\n"
    ).encode()
    assert placement_of_process(data) == ("true.service", ID)


def test_in_hybrid_mode_both_trees_count() -> None:
    """Where the v2 tree says nothing, systemd's v1 hierarchy does."""
    data = b"1:name=systemd:/system.slice/nginx.service\n0::/\n"
    assert placement_of_process(data) == ("nginx.service", "")


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_garbage_is_in_no_unit(data: bytes) -> None:
    """Bytes that are no such file give nothing, and no failure."""
    if b".service" not in data and b".scope" not in data:
        assert placement_of_process(data).unit == ""


def test_cgroup_v2_is_found_wherever_it_is_mounted() -> None:
    """The mount point is the fifth field, with its blanks restored; v1 is another type."""
    mountinfo = (
        b"30 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        b"31 25 0:27 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw\n"
        b"32 25 0:27 / /mnt/a\\040b rw - cgroup2 none rw\n"
        b"garbage\n"
    )
    assert cgroup2_mounts(mountinfo) == ["/sys/fs/cgroup/unified", "/mnt/a b"]


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
