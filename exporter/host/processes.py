"""What a process is: its facts, read as far as this user may.

A process is (pid, start time). Its facts are read again as soon as its executable or its user
changes, for exec and setuid keep both. What may not be read is empty, and nothing else suffers
from it.

psutil reads what a process is when it is new: parent, user, name, command line, environment. Three
things it does not tell as they are, so they come from /proc itself: the start of a process in ticks
(``create_time()`` is a time of the wall clock), the executable (``exe()`` takes `` (deleted)``
away, and guesses from the command line), and whether it has ended. A name of 15 characters, where
the kernel cuts, is lengthened by psutil and cut again here, for people know it from ps and ss.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Callable, Optional, TypeVar

import psutil

from exporter.errors import ParseError
from exporter.host import process_parser as parse
from exporter.host.cgroup import placement_of_process
from exporter.host.facts import Process, ProcessId
from exporter.host.procfs import Procfs
from exporter.host.users import UserNames

_DELETED = " (deleted)"
_NAME_LENGTH = 15  # TASK_COMM_LEN without its NUL

T = TypeVar("T")


def _readable(ask: Callable[[], T], otherwise: T) -> T:
    """Ask psutil for one thing; where it may not be read the rest is there all the same."""
    try:
        return ask()
    except (psutil.Error, OSError, IndexError):  # the last one for a file that is strange
        return otherwise


class ProcessReader:
    """Reads the facts of single processes.

    ``boot_time`` gives the moment of boot in seconds since the epoch (it moves when the clock is
    set); a process keeps the start time that was reckoned when it was first read.
    """

    def __init__(self, procfs: Procfs, users: UserNames, boot_time: Callable[[], float]) -> None:
        self._procfs = procfs
        self._users = users
        self._boot_time = boot_time
        self._ticks_per_second = os.sysconf("SC_CLK_TCK")

    def describe(self, pid: str, known: Optional[Process] = None) -> Optional[Process]:
        """Read a process, or what may have changed of a ``known`` one.

        None when it is gone, has ended without being reaped, or is a thread of the kernel.
        """
        owner, stat = self._procfs.identity(pid), self._stat(pid)
        if owner is None or stat is None or not stat.runs:
            return None
        identity, exe, uid = ProcessId(int(pid), stat.start_ticks), self.exe(pid), owner[1]
        process = known
        if process is None or (process.id, process.exe, process.uid) != (identity, exe, uid):
            process = self._read(identity, exe, uid)
        if process is None:
            return None
        placed = placement_of_process(self._procfs.read(f"{pid}/cgroup") or b"")
        changing = (stat.name, stat.parent_pid, placed.unit, placed.container)
        if changing == (process.name, process.parent_pid, process.unit, process.container):
            return process
        name, parent_pid, unit, container = changing
        return replace(process, name=name, parent_pid=parent_pid, unit=unit, container=container)

    def of_user(self, uid: int, programs: Collection[str]) -> Iterator[Process]:
        """Read the processes of a user that run one of these programs, for who looks seldom.

        A program is known by the file name of its executable or by the name of its process. Raises
        SourceError without /proc.
        """
        for pid in self._procfs.pids():
            owner = self._procfs.identity(pid)
            stat = self._stat(pid) if owner is not None and owner[1] == uid else None
            if stat is None:
                continue
            exe = posixpath.basename(self.exe(pid).removesuffix(_DELETED))
            process = self.describe(pid) if {exe, stat.name} & set(programs) else None
            if process is not None:
                yield process

    def environment(self, process: Process) -> Mapping[str, str]:
        """Read the environment of a process; empty where it may not be read, or it is gone."""
        if not self.runs(process):
            return {}
        try:
            with self._procfs.for_psutil():
                found = psutil.Process(process.id.pid)
        except psutil.Error:
            return {}
        variables = _readable(found.environ, dict[str, str]())
        if not self.runs(process):
            return {}
        return {
            name: os.fsencode(value).decode("utf-8", "replace") for name, value in variables.items()
        }

    def runs(self, process: Process) -> bool:
        """Tell whether this very process still runs."""
        stat = self._stat(str(process.id.pid))
        return stat is not None and stat.runs and stat.start_ticks == process.id.start_ticks

    def exe(self, pid: str) -> str:
        """Return the path of the executable; empty where it may not be read."""
        target = self._procfs.link(f"{pid}/exe")
        if target is None:
            return ""
        if target.endswith(_DELETED.encode()):
            path = target[: -len(_DELETED)]
            return parse.text(path, parse.PATH_LENGTH - len(_DELETED)) + _DELETED
        return parse.text(target, parse.PATH_LENGTH)

    def _stat(self, pid: str) -> Optional[parse.ProcessStat]:
        try:
            return parse.parse_stat(self._procfs.read(f"{pid}/stat") or b"")
        except ParseError:
            return None

    def _read(self, identity: ProcessId, exe: str, uid: int) -> Optional[Process]:
        """Read what a process is by psutil; None when it is gone."""
        pid = str(identity.pid)
        try:
            with self._procfs.for_psutil():
                found = psutil.Process(identity.pid)
                parent_pid = _readable(found.ppid, 0)
        except psutil.Error:
            return None
        with found.oneshot():
            name = _readable(found.name, "")[:_NAME_LENGTH]
            uid = _readable(lambda: found.uids().effective, uid)
        words = [os.fsencode(word) for word in _readable(found.cmdline, list[str]())]
        environ = _readable(found.environ, dict[str, str]())
        return Process(
            id=identity,
            name=parse.text(os.fsencode(name), parse.NAME_LENGTH),
            exe=exe,
            uid=uid,
            user=self._users.user(uid),
            start_time=self._boot_time() + identity.start_ticks / self._ticks_per_second,
            data_dir=self._data_dir(pid, words, environ),
            gausshome=_variable(environ, "GAUSSHOME"),
            fds_readable=self._files_readable(pid),
            parent_pid=parent_pid,
            own_pid=parse.own_pid(self._procfs.read(f"{pid}/status") or b""),
        )

    def _data_dir(
        self, pid: str, words: Sequence[bytes], environ: Mapping[str, str]
    ) -> Optional[str]:
        """Return gaussdb's data directory: ``-D``, else PGDATA, as gaussdb itself takes it.

        Empty for its helper, which serves none.
        """
        if parse.is_fenced_master(words):
            return ""
        given = parse.data_directory(words) or _variable(environ, "PGDATA")
        if given is None or given.startswith("/"):
            return given and posixpath.normpath(given)
        there = self._procfs.link(f"{pid}/cwd")
        if there is None:
            return None
        return posixpath.normpath(posixpath.join(parse.text(there, parse.PATH_LENGTH), given))

    def _files_readable(self, pid: str) -> bool:
        """Tell whether open files can be identified: listing them is not enough for that."""
        files = self._procfs.open_files(pid)
        if not files:
            return files is not None
        return any(self._procfs.link(f"{pid}/fd/{number}") is not None for number in files[:8])


def _variable(environ: Mapping[str, str], name: str) -> Optional[str]:
    """Return one variable of an environment; None where it is not set or empty."""
    return parse.text(os.fsencode(environ.get(name, "")), parse.PATH_LENGTH) or None
