"""Which files the patterns of the sources lead to, at the price of a few stat calls.

A directory is listed anew when its inode or mtime has changed, when it changed so lately that a
further change need not show in its mtime, or when everything is looked at thoroughly.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import posixpath
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Optional, Union

from exporter.errors import ParseError, SourceError
from exporter.host.files import HostFiles
from exporter.host.privileges import as_the_user_alone
from exporter.logs.facts import LogErrorReason

ARCHIVE = ".gz"
_RACY_SECONDS = 2.0
_MAGIC = re.compile(r"[*?[]")

Identity = tuple[str, int, int]  # source, device, inode
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


class Pattern(NamedTuple):
    """A source and the absolute path or glob pattern of its files."""

    source: str
    path: str


class Listed(NamedTuple):
    """A regular file that a pattern leads to."""

    pattern: Pattern
    path: str
    device: int
    inode: int
    size: int
    mtime_ns: int

    @property
    def mtime(self) -> float:
        """When it was written last, in seconds since the epoch."""
        return self.mtime_ns / 1e9

    @property
    def identity(self) -> Identity:
        """The file itself, whatever its path, as one of its source."""
        return (self.pattern.source, self.device, self.inode)

    @property
    def is_archive(self) -> bool:
        """Whether it is the compressed form of a log."""
        return self.path.endswith(ARCHIVE)


class Trouble(NamedTuple):
    """A directory or file that could not be looked at."""

    source: str
    path: str
    reason: LogErrorReason


@dataclass
class Listing:
    """What there is.

    ``packed`` are the archives of each directory. ``changed``: some directory was read anew.
    ``unreadable`` are the patterns of which something could not be listed.
    """

    files: list[Listed] = field(default_factory=list)
    packed: list[Sequence[Listed]] = field(default_factory=list)
    changed: bool = False
    troubles: list[Trouble] = field(default_factory=list)
    unreadable: set[Pattern] = field(default_factory=set)

    @property
    def archives(self) -> list[Listed]:
        """All archives; there may be thousands, which not every look need gather."""
        return [listed for archives in self.packed for listed in archives]


class _Directory(NamedTuple):
    inode: int
    mtime_ns: int
    listed_at: float
    files: Sequence[Listed]
    archives: Sequence[Listed]
    troubles: Sequence[Trouble]


class LogLister:
    """Lists the files of patterns, and remembers directories that have not changed."""

    def __init__(self, host: LogHost) -> None:
        self._host = host
        self._directories: dict[Pattern, tuple[str, ...]] = {}
        self._cache: dict[tuple[Pattern, str], _Directory] = {}
        self._before: dict[tuple[Pattern, str], _Directory] = {}

    def look(self, patterns: Sequence[Pattern], now: float, *, thorough: bool) -> Listing:
        """Find the files of all patterns; ``now`` is the wall clock."""
        listing = Listing()
        self._cache, self._before = {}, self._cache
        for pattern in patterns:
            for directory in self._find_directories(pattern, listing, thorough=thorough):
                self._list_directory(pattern, directory, now, listing, thorough=thorough)
        return listing

    def _find_directories(
        self, pattern: Pattern, listing: Listing, *, thorough: bool
    ) -> tuple[str, ...]:
        parent, is_one = _parent(pattern.path)
        if is_one:
            return (parent,)
        if thorough or pattern not in self._directories:
            directories = [""]
            for part in parent.strip("/").split("/"):
                directories = [
                    path
                    for base in directories
                    for path in self._below(pattern, base, part, listing)
                ]
            self._directories[pattern] = tuple(directories)
        return self._directories[pattern]

    def _below(self, pattern: Pattern, base: str, part: str, listing: Listing) -> list[str]:
        if not _MAGIC.search(part):
            return [f"{base}/{part}"]
        try:
            names = self._host.names(base or "/")
        except (OSError, SourceError) as error:
            _note(listing, pattern, base or "/", error)
            return []
        return [f"{base}/{name}" for name in sorted(fnmatch.filter(names, part))]

    def _list_directory(
        self, pattern: Pattern, path: str, now: float, listing: Listing, *, thorough: bool
    ) -> None:
        cached = self._before.pop((pattern, path), None)
        try:
            look = self._host.stat(path)
            same = cached is not None and not _may_have_changed(cached, look)
            if cached is None or thorough or not same:
                archives = {a.path: a for a in cached.archives} if cached and same else {}
                cached = self._read_directory(pattern, path, look, now, archives)
                listing.changed = True
        except (OSError, SourceError) as error:
            _note(listing, pattern, path, error)
            return
        self._cache[(pattern, path)] = cached
        listing.files.extend(cached.files)
        listing.packed.append(cached.archives)
        listing.troubles.extend(cached.troubles)

    def _read_directory(
        self,
        pattern: Pattern,
        path: str,
        look: os.stat_result,
        now: float,
        archives: Mapping[str, Listed],
    ) -> _Directory:
        """List a directory; ``archives`` need no look, for there may be thousands."""
        wanted = _names_like(pattern.path)
        names = {
            name
            for name in self._host.names(path)
            if wanted.match(name) or wanted.match(name.removesuffix(ARCHIVE))
        }
        files, troubles = list[Listed](), list[Trouble]()
        for name in sorted(names):
            full = posixpath.join(path, name)
            outcome = archives.get(full) or self._look_at(pattern, full)
            if isinstance(outcome, Listed):
                files.append(outcome)
            elif outcome is not None:
                troubles.append(outcome)
        plain = [listed for listed in files if not listed.is_archive]
        packed = [listed for listed in files if listed.is_archive]
        return _Directory(look.st_ino, look.st_mtime_ns, now, plain, packed, troubles)

    def _look_at(self, pattern: Pattern, path: str) -> Union[Listed, Trouble, None]:
        try:
            look = self._host.stat(path)
        except (OSError, SourceError) as error:
            reason = reason_of(error)
            return Trouble(pattern.source, path, reason) if reason else None
        if stat.S_ISREG(look.st_mode):
            return Listed(pattern, path, look.st_dev, look.st_ino, look.st_size, look.st_mtime_ns)
        if stat.S_ISDIR(look.st_mode):
            return None
        return Trouble(pattern.source, path, LogErrorReason.NOT_A_FILE)


@lru_cache(maxsize=256)
def _parent(path: str) -> tuple[str, bool]:
    """Return the pattern of a file's directory, and whether that can be but one."""
    parent = posixpath.dirname(path)
    return parent, _MAGIC.search(parent) is None


@lru_cache(maxsize=256)
def _names_like(path: str) -> re.Pattern[str]:
    """Return what tells the names that a pattern's last part leads to."""
    return re.compile(fnmatch.translate(posixpath.basename(path)))


def _may_have_changed(cached: _Directory, look: os.stat_result) -> bool:
    same = (cached.inode, cached.mtime_ns) == (look.st_ino, look.st_mtime_ns)
    return not same or abs(cached.listed_at - look.st_mtime) < _RACY_SECONDS


def _note(listing: Listing, pattern: Pattern, path: str, error: Exception) -> None:
    reason = reason_of(error)
    if reason is not None:
        listing.troubles.append(Trouble(pattern.source, path, reason))
        listing.unreadable.add(pattern)


def reason_of(error: Exception) -> Optional[LogErrorReason]:
    """Say which reason an error counts as; None for what has quietly gone while we looked."""
    if isinstance(error, ParseError):
        return LogErrorReason.BAD_ARCHIVE
    if not isinstance(error, OSError):
        return LogErrorReason.IO_ERROR
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
