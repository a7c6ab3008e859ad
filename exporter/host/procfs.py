"""Reads the files of ``/proc/PID``, each of them as far as this user may.

No file raises: a process that is gone and a file that may not be read are both "could not be
read", and a process lacks only what could not be read of it. Processes are listed by psutil, and
what one is when it is new is read by psutil (``host/processes.py``); docs/adr/0011 has the figures.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

import psutil

from exporter.errors import SourceError

_CHUNK_BYTES = 65536
_MOST_BYTES = 4 * 1024 * 1024  # an environment may be large, but not without limit
_PSUTIL = threading.Lock()


class Procfs:
    """A mounted proc file system; ``root`` is where."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)

    def pids(self) -> list[str]:
        """Return the pids of all processes that are visible; raises SourceError."""
        try:
            with self.for_psutil():
                return [str(pid) for pid in psutil.pids()]
        except OSError as error:
            raise SourceError(f"{self.root}: {error.strerror}") from error
        except IndexError:  # psutil takes the lowest pid, and there is none
            return []

    @contextmanager
    def for_psutil(self) -> Iterator[None]:
        """Have psutil look below this root meanwhile; nothing that may hang belongs in here.

        psutil finds /proc by a global of its module. It is set for a moment, by one thread at a
        time, and put back: so two roots in one process never mix. A ``psutil.Process`` keeps the
        root that it was made with, and only listing, making and ``ppid()`` ask the global.
        """
        with _PSUTIL:
            before, psutil.PROCFS_PATH = psutil.PROCFS_PATH, self.root
            try:
                yield
            finally:
                psutil.PROCFS_PATH = before

    def read(self, path: str) -> Optional[bytes]:
        """Return the content of a file below the root, None where it could not be read."""
        try:
            descriptor = os.open(f"{self.root}/{path}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            return b"".join(_chunks(descriptor))
        except OSError:
            return None
        finally:
            os.close(descriptor)

    def link(self, path: str) -> Optional[bytes]:
        """Return the target of a link below the root, None where it could not be read."""
        try:
            return os.readlink(f"{self.root}/{path}".encode())  # noqa: PTH115 -- it is measured
        except OSError:
            return None

    def identity(self, pid: str) -> Optional[tuple[int, int]]:
        """Return the inode of ``/proc/PID`` and its user; None when the process is gone.

        Another process with this pid has another inode. The user is the effective one, and is told
        of every process (kernel fs/proc/base.c: task_dump_owner).
        """
        try:
            found = os.stat(f"{self.root}/{pid}")  # noqa: PTH116 -- it is measured
        except OSError:
            return None
        return found.st_ino, found.st_uid

    def open_files(self, pid: str) -> Optional[list[str]]:
        """Return the numbers of a process' open files, None where they could not be listed."""
        try:
            return os.listdir(f"{self.root}/{pid}/fd")  # noqa: PTH208 -- it is measured
        except OSError:
            return None

    def network_namespace(self, pid: str) -> Optional[int]:
        """Return the inode that identifies a process' network namespace."""
        try:
            return os.stat(f"{self.root}/{pid}/ns/net").st_ino  # noqa: PTH116 -- it is measured
        except OSError:
            return None


def _chunks(descriptor: int) -> Iterator[bytes]:
    remaining = _MOST_BYTES
    while remaining > 0:
        chunk = os.read(descriptor, min(_CHUNK_BYTES, remaining))
        if not chunk:
            return
        remaining -= len(chunk)
        yield chunk
