"""A directory for cm_ctl's own log, for the time of one query.

cm_ctl writes some lines into GAUSSLOG at every call. A query every few seconds would fill the
cluster's own log, so each one gets a fresh directory, which is read and removed afterwards. As
root the directory is the cluster user's, who may put anything there: nothing in it is followed,
and only regular files are read.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import structlog

from exporter.host.command import Account

READ_LIMIT = 65536
_PREFIX = "opengauss-cm-query-"
_LEFT_BEHIND_SECONDS = 3600.0
_DEEPEST = 4  # cm_ctl's own is cm/cm_ctl/


def runtime_directory(environ: Mapping[str, str], *, for_other_user: bool) -> Path:
    """Choose where private directories are made: what systemd gave us, else temporary files.

    A directory that another user could not pass through is no use for a program of that user.
    """
    names = ("RUNTIME_DIRECTORY",) if for_other_user else ("RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR")
    for name in names:
        given = environ.get(name, "").partition(":")[0]
        if given and _is_usable(given, for_other_user=for_other_user):
            return Path(given)
    return Path(tempfile.gettempdir())


@contextlib.contextmanager
def private_directory(parent: Path, owner: Account) -> Iterator[Path]:
    """Make a fresh directory, and remove it with all that is in it.

    When it cannot be made (the disk is full) the path is of a directory that is not there:
    cm_ctl then prints its records between the tables, and works all the same.
    """
    path = _make(parent, owner)
    try:
        yield path
    finally:
        _remove(path)


def read_below(directory: Path, limit: int = READ_LIMIT) -> str:
    """Read the regular files below, in the order of their names, ``limit`` bytes in all.

    What lies deeper than cm_ctl writes is not looked at: a walk costs a frame and a descriptor for
    each level.
    """
    read = bytearray()
    with contextlib.suppress(OSError):  # what was read before something vanished still counts
        for path, directories, names, descriptor in os.fwalk(directory, follow_symlinks=False):
            deep = len(Path(path).relative_to(directory).parts) >= _DEEPEST
            directories[:] = [] if deep else sorted(directories)
            for name in sorted(names):
                read += _read(name, descriptor, limit - len(read))
    return read.decode("utf-8", "replace")


def remove_left_behind(parent: Path, now: float) -> None:
    """Remove directories that an exporter left behind when it was killed, an hour ago or more."""
    with contextlib.suppress(OSError):
        for path in parent.glob(f"{_PREFIX}*"):
            status = path.lstat()
            mine = stat.S_ISDIR(status.st_mode) and os.geteuid() in (0, status.st_uid)
            if mine and now - status.st_mtime > _LEFT_BEHIND_SECONDS:
                _remove(path)


def _make(parent: Path, owner: Account) -> Path:
    try:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    except OSError as error:
        structlog.get_logger().warning("no private log directory", error=str(error))
        return parent / f"{_PREFIX}none"
    if owner.uid != os.geteuid():
        os.chown(path, owner.uid, owner.gid)
    return path


def _remove(path: Path) -> None:
    """Remove a directory with all that is in it; one made too deep for rmtree's stack stays."""
    with contextlib.suppress(RecursionError):
        shutil.rmtree(path, ignore_errors=True)


def _read(name: str, directory: int, limit: int) -> bytes:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=directory)
    except OSError:
        return b""
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor has no path
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return file.read(limit) if regular and limit > 0 else b""


def _is_usable(directory: str, *, for_other_user: bool) -> bool:
    try:
        mode = os.stat(directory).st_mode  # noqa: PTH116 - one call, no Path needed
    except OSError:
        return False
    return os.access(directory, os.W_OK) and bool(not for_other_user or mode & stat.S_IXOTH)
