"""The host's files: bounded reads of regular files, below a root that need not be ours.

In a container the host's root is mounted somewhere, and absolute symbolic links in it mean the
host's paths; so links are resolved here, and never by the kernel.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections import deque
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple, Optional

from exporter.errors import MissingFileError, SourceError
from exporter.host.privileges import as_the_user_alone

MAX_BYTES = 1 << 20
_MAX_LINKS = 40  # as the kernel has it (MAXSYMLINKS)
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_MISSING = (errno.ENOENT, errno.ENOTDIR)


class Fingerprint(NamedTuple):
    """What changes when a file does, as far as that can be told without reading it."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


class HostFiles:
    """Reads below ``root``; every path given and returned is the host's own.

    The capability to read everything, where the exporter has it, is put aside for each look, as
    the cluster's user may have made a link of any path. ``beyond_user`` keeps it: for files in
    directories where that user can make none.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self.is_own_root = str(root) == "/"
        self._root = "" if self.is_own_root else str(root).rstrip("/")

    def resolve(self, path: str) -> str:
        """Follow all symbolic links as the host would; what is missing stays as it is named.

        Raises SourceError for a loop of links.
        """
        with as_the_user_alone():  # where a link leads, too, may be closed to that user
            return self._followed(path)

    def _followed(self, path: str) -> str:
        parts = deque(path.split("/"))
        current, links = "", 0
        while parts:
            part = parts.popleft()
            if part in ("", "."):
                continue
            if part == "..":
                current = posixpath.dirname(current).rstrip("/")
                continue
            target = self._link(f"{current}/{part}")
            if target is None:
                current = f"{current}/{part}"
                continue
            links += 1
            if links > _MAX_LINKS:
                raise SourceError(f"{path}: too many symbolic links")
            current = "" if target.startswith("/") else current
            parts.extendleft(reversed(target.split("/")))
        return current or "/"

    def read(self, path: str, limit: int = MAX_BYTES, *, beyond_user: bool = False) -> bytes:
        """Read a regular file of at most ``limit`` bytes; raises SourceError that tells why not.

        Raises MissingFileError when there is none. A pipe or a device is refused unread.
        """
        try:
            with nullcontext() if beyond_user else as_the_user_alone():
                descriptor = os.open(self._here(path), _FLAGS)
        except OSError as error:
            raise _error(path, error) from error
        try:
            return _read(descriptor, path, limit)
        except OSError as error:
            raise _error(path, error) from error
        finally:
            os.close(descriptor)

    def text(self, path: str, limit: int = MAX_BYTES, *, beyond_user: bool = False) -> str:
        """Read a text file; what is not UTF-8 shows as U+FFFD."""
        return self.read(path, limit, beyond_user=beyond_user).decode("utf-8", "replace")

    def names(self, path: str) -> list[str]:
        """List a directory, sorted; raises SourceError that tells why not."""
        try:
            with as_the_user_alone():
                return sorted(os.listdir(self._here(path)))  # noqa: PTH208 -- names, not paths
        except OSError as error:
            raise _error(path, error) from error

    def fingerprint(self, path: str) -> Optional[Fingerprint]:
        """Tell what the file looks like from outside; None when it cannot be seen."""
        try:
            with as_the_user_alone():
                status = os.stat(self._here(path))  # noqa: PTH116 -- host paths are text here
        except (OSError, SourceError):
            return None
        return Fingerprint(
            status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        )

    def _here(self, path: str) -> str:
        """Return the path by which this process reaches it; the kernel follows links of its own.

        A path is the host's: one without a ``/`` before it does not begin where we happen to be.
        """
        own = self.is_own_root and path.startswith("/")
        return path if own else self._root + self.resolve(path)

    def _link(self, path: str) -> Optional[str]:
        try:
            return os.readlink(self._root + path)  # noqa: PTH115 -- host paths are text here
        except OSError:
            return None


class WatchedFiles(HostFiles):
    """Remembers what was looked at, so that a later call tells whether any of it changed."""

    def __init__(self, root: Path = Path("/")) -> None:
        super().__init__(root)
        self._seen: dict[str, tuple[str, Optional[Fingerprint]]] = {}

    def forget(self) -> None:
        """Begin anew: nothing has been looked at."""
        self._seen.clear()

    def changed(self) -> bool:
        """Tell whether anything that was looked at is another, appeared or went away."""
        return any(self._look(path) != seen for path, seen in list(self._seen.items()))

    def read(self, path: str, limit: int = MAX_BYTES, *, beyond_user: bool = False) -> bytes:
        """Read as HostFiles does; the file counts as it looked before it was read."""
        self.watch(path)
        return super().read(path, limit, beyond_user=beyond_user)

    def names(self, path: str) -> list[str]:
        """List as HostFiles does."""
        self.watch(path)
        return super().names(path)

    def watch(self, path: str) -> None:
        """Count a change of this path, and of where its links lead, as a change."""
        self._seen.setdefault(path, self._look(path))

    def _look(self, path: str) -> tuple[str, Optional[Fingerprint]]:
        try:
            return self.resolve(path), self.fingerprint(path)
        except SourceError:
            return path, None


def _read(descriptor: int, path: str, limit: int) -> bytes:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise SourceError(f"{path}: not a regular file")
    chunks: list[bytes] = []
    size = 0
    while True:
        chunk = os.read(descriptor, limit + 1 - size)
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)
        size += len(chunk)
        if size > limit:
            raise SourceError(f"{path}: longer than {limit} bytes")


def _error(path: str, error: OSError) -> SourceError:
    kind = MissingFileError if error.errno in _MISSING else SourceError
    return kind(f"{path}: {error.strerror}")
