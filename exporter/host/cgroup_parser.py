"""Paths of control groups → systemd unit and container.

Below a container's or a user's own group anybody may create groups of any name, so only what
the host's manager made counts. Its units stand behind slices and nothing else (systemd's naming,
see systemd.slice(5)); what is below ``user@UID.service`` belongs to that user's own manager and
is not looked at. A path that leads up (``/../``) is relative to a group we do not know, so it
says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

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
