"""From a socket's inode to the processes that hold it.

Steady state costs no walk: a holder, once found, is (inode, pid, start time, number of the open
file), and one readlink at each look tells whether it still holds. Three things lead to more:

- a process that was not there before may have inherited a socket: its files are looked through;
- a holder that is gone, or a socket that is new: all processes are looked through, those of the
  socket's user first, as long as the deadline allows, and the rest at the next look;
- a socket whose holder could not be found (another user's, the kernel's own): it is searched for
  again after half a minute.

A socket that is passed over a Unix socket to a process that already runs is found there with the
next of these searches.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Callable, Optional

from exporter.errors import ParseError
from exporter.host import process_parser as parse
from exporter.host.facts import Process, ProcessId
from exporter.host.process_table import ProcessTable
from exporter.host.processes import ProcessReader
from exporter.host.procfs import Procfs
from exporter.ports.facts import Attribution, Socket

WALK_SECONDS = 1.0
_RETRY_SECONDS = 30.0
_FORGET_SECONDS = 60.0
_LOOK_SECONDS = 1.0  # sockets that were asked for within this time belong to one look
_FILES_A_STEP = 512
_CAP_DAC_READ_SEARCH, _CAP_SYS_PTRACE = 2, 19  # linux/capability.h
_NEEDED = 1 << _CAP_DAC_READ_SEARCH | 1 << _CAP_SYS_PTRACE
_NOBODY = 65534  # the kernel's overflowuid: a user that has no number here


@dataclass
class _Tracked:
    """A socket that was asked for, who holds it, and when to search for its holders (again)."""

    inode: int
    uid: int
    wanted_at: float
    search_at: float = -math.inf
    holders: dict[ProcessId, str] = field(default_factory=dict)  # with the number of the file


class OwnerLookup:
    """Finds the holders of sockets. Not for several threads at once.

    ``table`` tells who is new, so its users should be listed before each look. ``monotonic`` is in
    seconds. A look searches for at most ``walk_seconds``, and a few hundred files more.
    """

    def __init__(
        self,
        procfs: Procfs,
        reader: ProcessReader,
        table: ProcessTable,
        monotonic: Callable[[], float],
        walk_seconds: float = WALK_SECONDS,
    ) -> None:
        self._procfs = procfs
        self._reader = reader
        self._table = table
        self._monotonic = monotonic
        self._walk_seconds = walk_seconds
        self._sockets: dict[int, _Tracked] = {}
        self._processes: dict[ProcessId, Process] = {}
        self._newcomers: set[str] = set()
        self._walk: Optional[Iterator[None]] = None
        self._rights = Rights(procfs)

    def attribution(self) -> Attribution:
        """How much of a stranger's process can be seen, judged by rights and by the last look."""
        sockets = self._sockets.values()
        latest = max((socket.wanted_at for socket in sockets), default=0.0)
        look = (socket for socket in sockets if socket.wanted_at >= latest - _LOOK_SECONDS)
        return self._rights.level({socket.uid for socket in look if not socket.holders})

    def owners(self, sockets: Sequence[Socket]) -> dict[int, tuple[Process, ...]]:
        """Map each inode to all processes that hold it, as far as they can be read.

        A socket without an inode has no owner. Raises SourceError when there is no /proc.
        """
        now = self._monotonic()
        wanted = [self._want(s, now) for s in {s.inode: s for s in sockets if s.inode}.values()]
        self._verify(wanted)
        self._search(now)
        self._forget(now)
        return {
            tracked.inode: tuple(self._processes[holder] for holder in sorted(tracked.holders))
            for tracked in wanted
            if tracked.holders
        }

    def _want(self, socket: Socket, now: float) -> _Tracked:
        tracked = self._sockets.setdefault(socket.inode, _Tracked(socket.inode, socket.uid, now))
        tracked.wanted_at = now
        return tracked

    def _verify(self, wanted: Iterable[_Tracked]) -> None:
        """Drop the holders that hold no more; where one was dropped others are searched for."""
        alive: dict[ProcessId, bool] = {}
        for tracked in wanted:
            for holder, number in list(tracked.holders.items()):
                if holder not in alive:
                    alive[holder] = self._read_again(holder)
                link = self._procfs.link(f"{holder.pid}/fd/{number}") if alive[holder] else None
                if link != b"socket:[%d]" % tracked.inode:
                    del tracked.holders[holder]
                    tracked.search_at = -math.inf

    def _read_again(self, holder: ProcessId) -> bool:
        """Renew what is known of a holder; False when it is gone, or its pid is another's."""
        process = self._reader.describe(str(holder.pid), self._processes.get(holder))
        if process is None or process.id != holder:
            return False
        self._processes[holder] = process
        return True

    def _search(self, now: float) -> None:
        """Go on with the search, and begin what is due, until it is done or time is up."""
        self._newcomers |= self._table.newcomers()
        deadline = self._monotonic() + self._walk_seconds
        while self._walk is not None or self._begin(now):
            for _ in self._walk or ():
                if self._monotonic() >= deadline:
                    return
            self._walk = None

    def _begin(self, now: float) -> bool:
        """Begin a search, if one is due: of newcomers for what is held, of all for the rest."""
        due = [tracked for tracked in self._sockets.values() if tracked.search_at <= now]
        held = [tracked for tracked in self._sockets.values() if tracked.search_at > now]
        newcomers, self._newcomers = self._newcomers, set()
        steps = []
        if held and newcomers:
            steps.append(self._look_through(newcomers, held))
        if due:
            steps.append(self._look_through_all(due, now))
        self._walk = itertools.chain(*steps)
        return bool(steps)

    def _look_through_all(self, due: Sequence[_Tracked], now: float) -> Iterator[None]:
        uids = self._table.uids()
        searched = {tracked.uid for tracked in due}
        pids = sorted(uids, key=lambda pid: uids[pid] not in searched)
        for tracked in due:
            tracked.search_at = math.inf
        yield from self._look_through(pids, due)
        for tracked in due:
            if not tracked.holders:
                tracked.search_at = now + _RETRY_SECONDS

    def _look_through(self, pids: Iterable[str], targets: Iterable[_Tracked]) -> Iterator[None]:
        """Find the targets among the open files of processes; a step at a time."""
        links = {b"socket:[%d]" % tracked.inode: tracked for tracked in targets}
        for pid in pids:
            files = self._procfs.open_files(pid) or ()
            for start in range(0, len(files), _FILES_A_STEP):
                for number in files[start : start + _FILES_A_STEP]:
                    tracked = links.get(self._procfs.link(f"{pid}/fd/{number}") or b"")
                    if tracked is not None:
                        self._add_holder(pid, number, tracked)
                yield
            yield

    def _add_holder(self, pid: str, number: str, tracked: _Tracked) -> None:
        process = self._reader.describe(pid)
        if process is not None:
            self._processes[process.id] = process
            tracked.holders.setdefault(process.id, number)

    def _forget(self, now: float) -> None:
        kept = {i: t for i, t in self._sockets.items() if t.wanted_at > now - _FORGET_SECONDS}
        holders = {holder for tracked in kept.values() for holder in tracked.holders}
        self._sockets = kept
        self._processes = {id_: p for id_, p in self._processes.items() if id_ in holders}


class Rights:
    """What this process may see of others', by its capabilities and its user namespace.

    Both CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH are needed: one to list the open files of another
    user's process, the other to read where they lead. Neither counts in a user namespace that
    knows a part of the host's users only.
    """

    def __init__(self, procfs: Procfs) -> None:
        self._knows_all_users = parse.maps_all_users(procfs.read("self/uid_map") or b"")
        try:
            held = parse.parse_effective_capabilities(procfs.read("self/status") or b"")
        except ParseError:
            held = 0
        self._sees_all = self._knows_all_users and held & _NEEDED == _NEEDED

    def level(self, unresolved_users: set[int]) -> Attribution:
        """Tell how much is seen, given the users of sockets whose holder was not found."""
        if _NOBODY in unresolved_users and not self._knows_all_users:
            return Attribution.NONE
        if self._sees_all and not unresolved_users:
            return Attribution.FULL
        return Attribution.UID
