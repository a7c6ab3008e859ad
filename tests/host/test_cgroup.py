"""Units and containers by cgroup, in the kernel's own cgroup v2 tree."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.host.cgroup import CgroupTree, Placement
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
