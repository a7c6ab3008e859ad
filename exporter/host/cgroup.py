"""From the cgroup id of a socket to the systemd unit or container that opened it.

The id (INET_DIAG_CGROUP_ID) is the inode of a directory of the cgroup v2 tree, which anybody may
walk: so a stranger's socket has a name without any privilege. Where no cgroup v2 tree is mounted,
or only a part of one (its top is not the host's), there is no answer.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Callable, Optional

from exporter.host.cgroup_parser import Placement, cgroup2_mounts, placement
from exporter.host.procfs import Procfs

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
