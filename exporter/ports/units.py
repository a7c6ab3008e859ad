"""What runs in a systemd service, from its control group: readable for everybody.

Only services that stand directly below ``system.slice``, or below one of the ``system-NAME.slice``
in it (systemd puts the instances of a template there), are looked at. The group is searched for
where cgroup v2 is mounted, and in v1's own hierarchy of systemd.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

from exporter.host.procfs import Procfs
from exporter.ports.facts import UnitContents

MOST_PROCESSES = 512
_HIERARCHIES = ("", "unified", "systemd")
_SYSTEM = "system.slice"


class UnitReader:
    """Reads the contents of services; ``sysfs`` is where the control groups are mounted below."""

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
