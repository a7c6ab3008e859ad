"""Find a Python that the cluster's user can run, and give it the names of openGauss' programs.

The copies are what /proc/PID/exe of the stand-ins shows. A copy finds its standard library through
a `pyvenv.cfg`, as in a virtual environment made with `--copies`; a shared libpython is found by
the binary's own run path, or by a link in $GAUSSHOME/lib.
"""

from __future__ import annotations

import os
import stat
import sys
import sysconfig
from pathlib import Path

from tests.support.holders import copy_program

PROGRAMS = ("om_monitor", "cm_agent", "cm_server", "gaussdb", "dssserver")
_SYSTEM = ("/usr/bin/python3", "/usr/local/bin/python3")


class NoInterpreterError(Exception):
    """No Python on this machine can be run by the cluster's user."""


def find(uid: int) -> Path:
    """Return a Python that a user can run: our own if its directories let the user in."""
    own = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    for candidate in (own, *(Path(path).resolve() for path in _SYSTEM)):
        if candidate.exists() and (uid == os.geteuid() or _open_to_all(candidate)):
            return candidate
    raise NoInterpreterError(f"no Python that user {uid} can run; tried {own} and {_SYSTEM}")


def install(interpreter: Path, release: Path, server: str = "gaussdb") -> None:
    """Put the programs into `release`/bin; one copy, many names, the server's as it is given."""
    first = release / "bin" / PROGRAMS[0]
    copy_program(interpreter, first)
    for name in PROGRAMS[1:]:
        os.link(first, release / "bin" / (server if name == "gaussdb" else name))
    (release / "pyvenv.cfg").write_text(f"home = {interpreter.parent}\n", encoding="utf-8")
    _link_library(release / "lib")


def _link_library(directory: Path) -> None:
    name = sysconfig.get_config_var("INSTSONAME") or ""
    library = Path(sysconfig.get_config_var("LIBDIR") or "") / name
    if ".so" in name and library.is_file():
        (directory / name).symlink_to(library)


def _open_to_all(path: Path) -> bool:
    needed = stat.S_IROTH | stat.S_IXOTH
    if path.stat().st_mode & needed != needed:
        return False
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.parents)
