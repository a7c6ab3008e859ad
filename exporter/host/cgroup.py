"""Control groups: the systemd unit and the container of a process or a socket, what runs in a unit.

Below a container's or a user's own group anybody may create groups of any name, so only what
the host's manager made counts. Its units stand behind slices and nothing else (systemd's naming,
see systemd.slice(5)); what is below ``user@UID.service`` belongs to that user's own manager and
is not looked at. A path that leads up (``/../``) is relative to a group we do not know, so it
says nothing.

The cgroup id of a socket (INET_DIAG_CGROUP_ID) is the inode of a directory of the cgroup v2 tree,
which anybody may walk: so a stranger's socket has a name without any privilege. Where no cgroup v2
tree is mounted, or only a part of one (its top is not the host's), there is no answer.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Callable, NamedTuple, Optional

from exporter.host.facts import UnitContents
from exporter.host.procfs import Procfs

_UNIT = re.compile(r"[A-Za-z0-9:_.@\\-]{1,128}\.(service|scope)")
_USER_MANAGER = re.compile(r"user@[^/]*\.service")
# What the runtimes call a container's group. systemd driver: docker, podman, CRI-O, containerd,
# nerdctl. cgroupfs driver: the bare id, in full, below docker/, k8s.io/ or a pod's group.
_CONTAINER_SCOPE = re.compile(
    r"(?:docker|libpod|crio|cri-containerd|containerd|nerdctl)-([0-9a-f]{12,64})(?:\.scope)?"
)
_CONTAINER_PREFIXED = re.compile(r"[^:]*\.slice:(?:cri-containerd|crio|docker):([0-9a-f]{12,64})")
_CONTAINER_ID = re.compile(r"[0-9a-f]{64}")
_CONTAINER_PARENT = re.compile(r"docker|k8s\.io|default|pod[0-9a-f][0-9a-f_-]*")


class Placement(NamedTuple):
    """Where a process was put; empty where it is in no unit, or in no container."""

    unit: str = ""
    container: str = ""


def placement(path: str) -> Placement:
    """Read unit and container from the path of a control group."""
    parts = [part for part in path.split("/") if part]
    if ".." in parts:
        return Placement()
    return Placement(_unit(parts), _container(parts))


def _unit(parts: list[str]) -> str:
    above = [part for part in parts if not part.endswith(".slice")][:1]
    if not above or not _UNIT.fullmatch(above[0]):
        return ""
    below_user = _USER_MANAGER.fullmatch(above[0]) and parts[-1] != above[0]
    return "" if below_user else above[0]


def _container(parts: list[str]) -> str:
    """Return the outermost container: the one that the host's runtime made."""
    for parent, part in zip(["", *parts], parts):
        if _USER_MANAGER.fullmatch(part):
            return ""
        found = _CONTAINER_SCOPE.fullmatch(part) or _CONTAINER_PREFIXED.fullmatch(part)
        if found:
            return found.group(1)
        if _CONTAINER_PARENT.fullmatch(parent) and _CONTAINER_ID.fullmatch(part):
            return part
    return ""


@lru_cache(maxsize=256)
def placement_of_process(data: bytes) -> Placement:
    """Read unit and container from ``/proc/PID/cgroup``: cgroup v1, v2 or both.

    A line is ``number:controllers:path``; v2 has number 0 and no controllers. The unit is taken
    from systemd's own hierarchies (``name=systemd`` and v2) only, a container from any.
    """
    rows = [line.split(":", 2) for line in data.decode("utf-8", "replace").splitlines()]
    lines = [(controllers, path) for _, controllers, path in (r for r in rows if len(r) == 3)]  # noqa: PLR2004
    systemd = [placement(path) for controllers, path in lines if controllers in _SYSTEMD]
    others = [placement(path) for controllers, path in lines if controllers not in _SYSTEMD]
    return Placement(
        _first(found.unit for found in systemd),
        _first(found.container for found in (*systemd, *others)),
    )


_SYSTEMD = ("name=systemd", "")


def _first(values: Iterable[str]) -> str:
    return next((value for value in values if value), "")


def cgroup2_mounts(mountinfo: bytes) -> list[str]:
    """Find where cgroup v2 is mounted, from ``/proc/self/mountinfo``; octal escapes resolved."""
    found = []
    for line in mountinfo.decode("utf-8", "replace").splitlines():
        fields, _, rest = line.partition(" - ")
        if rest.split(" ", 1)[0] == "cgroup2" and len(fields.split(" ")) > 4:  # noqa: PLR2004
            found.append(_unescaped(fields.split(" ")[4]))
    return found


def _unescaped(path: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), path)


_TOP_INODE = 1  # of the host's own tree; a bind mount of a part of it has another
_MOST_DIRECTORIES = 20_000
_RETRY_SECONDS = 30.0


class CgroupTree:
    """Names cgroup ids by the cgroup v2 tree below ``sysfs``, else where ``procfs`` says it is.

    The whole tree is walked when an id is new, and not again for ``30`` seconds for an id that was
    not in it: its group is gone, though its socket is not. ``monotonic`` is in seconds.
    """

    def __init__(self, sysfs: Path, procfs: Procfs, monotonic: Callable[[], float]) -> None:
        self._sysfs = sysfs
        self._procfs = procfs
        self._monotonic = monotonic
        self._paths: dict[int, str] = {}
        self._walk_not_before: dict[int, float] = {}

    def placement(self, cgroup_id: int) -> Placement:
        """Return unit and container of a group; both empty where they cannot be told."""
        top = self._top()
        if top is None:
            return Placement()
        path = self._paths.get(cgroup_id)
        if path is None or _inode(path) != cgroup_id:
            path = self._search(top, cgroup_id)
        return placement(path[len(top) :]) if path is not None else Placement()

    def _search(self, top: str, cgroup_id: int) -> Optional[str]:
        now = self._monotonic()
        if now < self._walk_not_before.get(cgroup_id, now):
            return None
        self._paths = dict(_directories(top))
        self._walk_not_before = {
            each: moment for each, moment in self._walk_not_before.items() if moment > now
        }
        if cgroup_id not in self._paths:
            self._walk_not_before[cgroup_id] = now + _RETRY_SECONDS
        return self._paths.get(cgroup_id)

    def _top(self) -> Optional[str]:
        below = self._sysfs / "fs" / "cgroup"
        mounts = [str(below), str(below / "unified")]
        for mount in [*mounts, *cgroup2_mounts(self._procfs.read("self/mountinfo") or b"")]:
            if _inode(mount) == _TOP_INODE and os.path.exists(f"{mount}/cgroup.procs"):  # noqa: PTH110
                return mount
        return None


def _directories(top: str) -> Iterator[tuple[int, str]]:
    """Walk the tree, breadth first and not without end: inode and path of each group."""
    yield _TOP_INODE, top
    waiting = [top]
    for index in range(_MOST_DIRECTORIES):
        if index == len(waiting):
            return
        for inode, path in _children(waiting[index]):
            yield inode, path
            waiting.append(path)


def _children(path: str) -> list[tuple[int, str]]:
    try:
        with os.scandir(path) as entries:
            return [(e.inode(), e.path) for e in entries if e.is_dir(follow_symlinks=False)]
    except OSError:  # it is gone
        return []


def _inode(path: str) -> Optional[int]:
    try:
        return os.stat(path).st_ino  # noqa: PTH116 -- it is measured
    except OSError:
        return None


MOST_PROCESSES = 512
_HIERARCHIES = ("", "unified", "systemd")
_SYSTEM = "system.slice"


class UnitReader:
    """Reads what runs in a systemd service, from its control group: readable for everybody.

    Only services that stand directly below ``system.slice``, or below one of the
    ``system-NAME.slice`` in it (systemd puts the instances of a template there), are looked at. The
    group is searched for where cgroup v2 is mounted, and in v1's own hierarchy of systemd.
    ``sysfs`` is where the control groups are mounted below.
    """

    def __init__(self, sysfs: Path, procfs: Procfs) -> None:
        self._top = sysfs / "fs" / "cgroup"
        self._procfs = procfs

    def contents(self, unit: str) -> Optional[UnitContents]:
        """Return what runs in a service; None where it is not there or not all of it can be read.

        With more than 512 processes it is not looked through.
        """
        group = next(self._groups(unit), None)
        if group is None:
            return None
        try:
            pids = [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
            with os.scandir(group) as entries:
                divided = any(entry.is_dir() for entry in entries)
        except (OSError, ValueError):
            return None
        if len(pids) > MOST_PROCESSES:
            return None
        programs = [self._procfs.read(f"{pid}/comm") for pid in pids]
        if None in programs:
            return None
        names = (each.decode("utf-8", "replace").strip() for each in programs if each is not None)
        return UnitContents(frozenset(pids), frozenset(names), divided)

    def _groups(self, unit: str) -> Iterator[Path]:
        if "/" in unit:
            return
        for hierarchy in _HIERARCHIES:
            system = self._top / hierarchy / _SYSTEM
            for parent in (system, *system.glob("system-*.slice")):
                if (parent / unit / "cgroup.procs").exists():
                    yield parent / unit
