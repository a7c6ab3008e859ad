"""The environment of the cluster's own processes, which knows the installation best."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from posixpath import basename, normpath
from typing import NamedTuple, Optional

from exporter.errors import ParseError
from exporter.installation.text_files import MAX_BYTES, parse_environment

PROGRAMS = ("om_monitor", "cm_agent", "cm_server", "gaussdb", "dssserver")
"""Those that OM's environment reaches, the one that lives longest first."""

_DELETED = " (deleted)"
_AFTER_COMM = b") "
_START_FIELD = 19  # field 22 of stat, counted from the one behind the name


class Found(NamedTuple):
    """A process' environment; ``inode`` is that of /proc/PID: another process has another."""

    pid: int
    inode: int
    program: str
    variables: Mapping[str, str]


class ClusterProcesses:
    """Looks for processes of the cluster's user in a proc file system."""

    def __init__(self, procfs: Path = Path("/proc")) -> None:
        self._procfs = str(procfs)

    def lives(self, found: Found) -> bool:
        """Tell whether this very process still runs."""
        identity = self._identity(str(found.pid))
        return identity is not None and identity[0] == found.inode

    def find(self, uid: int, gausshome: Optional[str] = None) -> Optional[Found]:
        """Find the process whose environment counts: the first program there is, its newest.

        With ``gausshome`` only processes of that installation count.
        """
        for _, _, pid, inode, program in sorted(self._candidates(uid)):
            variables = self._variables(pid)
            home = variables.get("GAUSSHOME", "")
            if home and (gausshome is None or normpath(home) == normpath(gausshome)):
                return Found(int(pid), inode, program, variables)
        return None

    def _candidates(self, uid: int) -> Iterator[tuple[int, int, str, int, str]]:
        for pid, inode, owner in self._all():
            program = self._program(pid) if owner == uid else ""
            if program in PROGRAMS:
                yield PROGRAMS.index(program), -self._start(pid), pid, inode, program

    def _all(self) -> Iterator[tuple[str, int, int]]:
        try:
            names = os.listdir(self._procfs)  # noqa: PTH208 -- names, not paths
        except OSError:
            return
        for pid in filter(str.isdigit, names):
            identity = self._identity(pid)
            if identity is not None:
                yield pid, *identity

    def _identity(self, pid: str) -> Optional[tuple[int, int]]:
        try:
            found = os.stat(f"{self._procfs}/{pid}")  # noqa: PTH116 -- one call for each process
        except OSError:
            return None
        return found.st_ino, found.st_uid

    def _program(self, pid: str) -> str:
        """Tell the program by its executable, else by the name the kernel keeps."""
        try:
            path = os.readlink(f"{self._procfs}/{pid}/exe")  # noqa: PTH115 -- see above
        except OSError:
            path = ""
        name = basename(path.removesuffix(_DELETED))
        return (
            name if name in PROGRAMS else self._read(pid, "comm").decode("utf-8", "replace").strip()
        )

    def _start(self, pid: str) -> int:
        fields = self._read(pid, "stat").rpartition(_AFTER_COMM)[2].split()
        return int(fields[_START_FIELD]) if len(fields) > _START_FIELD else 0

    def _variables(self, pid: str) -> Mapping[str, str]:
        try:
            return parse_environment(self._read(pid, "environ"), f"/proc/{pid}/environ")
        except ParseError:  # gone meanwhile, or not ours to read
            return {}

    def _read(self, pid: str, name: str) -> bytes:
        try:
            with Path(self._procfs, pid, name).open("rb") as file:
                return file.read(MAX_BYTES)
        except OSError:
            return b""
