"""The few things that following logs asks of the operating system.

Paths are the host's own; its root need not be ours. Every method raises OSError as it comes:
what an error means depends on what was being done.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Optional

from exporter.host.files import HostFiles
from exporter.host.privileges import as_the_user_alone
from exporter.logs.facts import LogErrorReason

# Never wait for a pipe, never get a terminal, never hand the file to a child.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_REASONS = {
    errno.EACCES: LogErrorReason.PERMISSION_DENIED,
    errno.EPERM: LogErrorReason.PERMISSION_DENIED,
    errno.ESTALE: LogErrorReason.STALE_HANDLE,
    errno.EMFILE: LogErrorReason.FD_EXHAUSTED,
    errno.ENFILE: LogErrorReason.FD_EXHAUSTED,
}
_VANISHED = (errno.ENOENT, errno.ENOTDIR)


def reason_of(error: OSError) -> Optional[LogErrorReason]:
    """Say which reason an error counts as; None for what has quietly gone while we looked."""
    if error.errno in _VANISHED:
        return None
    return _REASONS.get(error.errno or 0, LogErrorReason.IO_ERROR)


class LogHost:
    """Reads below ``root``, with the rights of the user alone: the user may put links there."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._files = HostFiles(root)
        self._root = "" if self._files.is_own_root else str(root).rstrip("/")

    def names(self, directory: str) -> list[str]:
        """List a directory."""
        with as_the_user_alone():
            return os.listdir(self._here(directory))  # noqa: PTH208 -- names, not paths

    def stat(self, path: str) -> os.stat_result:
        """Look at what a path leads to, through symbolic links."""
        with as_the_user_alone():
            return os.stat(self._here(path))  # noqa: PTH116 -- host paths are text here

    def open(self, path: str) -> int:
        """Open a file for reading."""
        with as_the_user_alone():
            return os.open(self._here(path), _FLAGS)

    def fstat(self, descriptor: int) -> os.stat_result:
        """Look at an open file."""
        return os.fstat(descriptor)

    def pread(self, descriptor: int, size: int, offset: int) -> bytes:
        """Read from a place of an open file; may give fewer bytes."""
        return os.pread(descriptor, size, offset)

    def close(self, descriptor: int) -> None:
        """Close a file."""
        os.close(descriptor)

    def _here(self, path: str) -> str:
        return self._root + self._files.resolve(path) if self._root else path
