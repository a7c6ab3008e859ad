"""Which processes run: all of them by user, looked at often enough and no oftener."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Callable, Optional

from exporter.host.facts import Process, ProcessSnapshot
from exporter.host.processes import ProcessReader
from exporter.host.procfs import Procfs

_YOUNG_SECONDS = 10.0
_FEW = 64
_TURNS = 32  # a look costs 10 to 20 microseconds


@dataclass
class _Seen:
    """What is remembered of a pid; ``described``: whether its facts were ever asked for."""

    inode: int
    uid: int
    since: float
    described: bool = False


class ProcessTable:
    """All processes by user, cheap enough for every scrape; for any thread.

    A scan looks at every pid that was first seen within the last ten seconds (a login, a service,
    a cron job changes user and program in its first moments), at those of the user's processes that
    have an openGauss environment, at all of the user's if there are no more than 64, and at 32 of
    all in turn. Of any other process it is noticed at once that it is gone; only in its turn that
    it ended without being reaped, became another program or user, or that its pid was given to
    another process within one scrape interval, which takes as many forks as there are pids. The
    holders of a port are verified at every look (``OwnerLookup``).
    """

    def __init__(
        self, procfs: Procfs, reader: ProcessReader, monotonic: Callable[[], float]
    ) -> None:
        self._procfs = procfs
        self._reader = reader
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._newcomers: set[str] = set()
        self._snapshot = ProcessSnapshot(0, ())
        self._listed_at = -math.inf
        self._begin_anew(None)

    def of_user(self, uid: int, max_age: float = 0.0) -> ProcessSnapshot:
        """Return the processes of this uid, as they were at most ``max_age`` seconds ago.

        Raises SourceError without /proc.
        """
        with self._lock:
            if uid != self._uid:
                self._begin_anew(uid)
            elif self._monotonic() - self._listed_at < max_age:
                return self._snapshot
            self._scan()
            self._listed_at = self._monotonic()
            processes = tuple(self._own.values())
            if processes != self._snapshot.processes:
                self._snapshot = ProcessSnapshot(self._snapshot.generation + 1, processes)
            return self._snapshot

    def uids(self) -> dict[str, int]:
        """Return every visible pid and its user as of now; raises SourceError without /proc."""
        with self._lock:
            self._scan()
            return {pid: seen.uid for pid, seen in self._seen.items()}

    def newcomers(self) -> set[str]:
        """Return the pids that scans have found since this was last asked."""
        with self._lock:
            newcomers, self._newcomers = self._newcomers & self._seen.keys(), set()
            return newcomers

    def _begin_anew(self, uid: Optional[int]) -> None:
        """Forget everything: from now on it is the processes of this user that are described."""
        self._uid = uid
        self._listed_at = -math.inf
        self._seen: dict[str, _Seen] = {}
        self._young: set[str] = set()
        self._own: dict[str, Process] = {}
        self._turns: Iterator[str] = iter(())

    def _scan(self) -> None:
        """Look at what is due; on a host of many processes hardly any of them is."""
        now, there = self._monotonic(), set(self._procfs.pids())
        for pid in self._seen.keys() - there:
            self._forget(pid)
        self._young.update(there - self._seen.keys())
        for pid in self._due():
            self._look(pid, now)

    def _due(self) -> dict[str, None]:
        """List the pids to look at, in an order that does not change by itself."""
        own = self._own
        close = own if len(own) <= _FEW else (p for p in own if own[p].gausshome is not None)
        turns = list(itertools.islice(self._turns, _TURNS))
        if len(turns) < _TURNS:  # all had theirs
            self._turns = iter(tuple(self._seen))
            turns += itertools.islice(self._turns, _TURNS - len(turns))
        young = sorted(self._young, key=int)
        return dict.fromkeys([*young, *close, *(pid for pid in turns if pid in self._seen)])

    def _look(self, pid: str, now: float) -> None:
        """Look at a pid (again)."""
        identity = self._procfs.identity(pid)
        if identity is None:
            self._forget(pid)
            return
        seen = self._seen.get(pid)
        if seen is None or seen.inode != identity[0]:
            self._newcomers.add(pid)
        if seen is None or (seen.inode, seen.uid) != identity:
            self._own.pop(pid, None)
            self._young.add(pid)
            seen = self._seen[pid] = _Seen(*identity, since=now)
        if now - seen.since >= _YOUNG_SECONDS:
            self._young.discard(pid)
        if seen.uid == self._uid:
            self._refresh(pid, seen)

    def _refresh(self, pid: str, seen: _Seen) -> None:
        """Read the facts anew unless the executable is readable and the same."""
        known = self._own.get(pid)
        if known is None and seen.described and pid not in self._young:
            return  # a zombie or a thread of the kernel stays what it is
        if known is not None and known.exe and known.exe == self._reader.exe(pid):
            return
        seen.described = True
        process = self._reader.describe(pid, known)
        if process is None:
            self._own.pop(pid, None)
        else:
            self._own[pid] = process

    def _forget(self, pid: str) -> None:
        """Drop a process that is gone."""
        self._seen.pop(pid, None)
        self._own.pop(pid, None)
        self._young.discard(pid)
