"""The network namespace of the cluster's processes, and how to look into it.

An exporter may run beside the cluster's container, or in one of its own: then the ports that count
are not those of its own namespace. A netlink socket belongs for ever to the namespace in which it
was opened, so one thread goes there, opens it and ends; nothing else of this process ever leaves.
Going there takes CAP_SYS_ADMIN; without it ``/proc/PID/net`` of a process there still answers.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
from collections.abc import Iterable
from typing import Callable, NamedTuple, Optional, TypeVar

from exporter.errors import NetlinkRefusedError
from exporter.host.background import in_thread
from exporter.host.netlink import open_here
from exporter.host.procfs import Procfs

_CLONE_NEWNET = 0x40000000  # linux/sched.h
T = TypeVar("T")


class Namespace(NamedTuple):
    """A network namespace that is not ours: its inode, and a process that lives in it."""

    inode: int
    pid: int


class ClusterNamespace:
    """Finds out where the cluster's processes live, and does things there.

    ``current`` is None where that is our own namespace, or cannot be told.
    """

    def __init__(self, procfs: Procfs) -> None:
        self.current: Optional[Namespace] = None
        self._procfs = procfs
        self._ours = procfs.network_namespace("self")

    def locate(self, pids: Iterable[int]) -> None:
        """Look where these processes live: the cluster's own, not every one of its user.

        (That user may be the exporter's, too.) Where one of them lives in our own namespace, ours
        is the one; else that of the first. While none runs, the last one counts as long as any
        visible process lives in it.
        """
        inodes = [(self._procfs.network_namespace(str(pid)), pid) for pid in pids]
        places = [Namespace(inode, pid) for inode, pid in inodes if inode is not None]
        if self._ours is None:
            return
        if places:
            ours = any(place.inode == self._ours for place in places)
            self.current = None if ours else places[0]
        elif self.current is not None:
            self.current = self._find(self.current)

    def _find(self, last: Namespace) -> Optional[Namespace]:
        for pid in (str(last.pid), *self._procfs.pids()):
            if self._procfs.network_namespace(pid) == last.inode:
                return Namespace(last.inode, int(pid))
        return None

    @property
    def net(self) -> str:
        """Where the text files of the cluster's namespace are, below the proc file system."""
        return "self/net" if self.current is None else f"{self.current.pid}/net"

    def run(self, action: Callable[[], T]) -> T:
        """Do something in the cluster's namespace, by a thread of its own if that is not ours.

        Raises OSError: EPERM without the right to go there, ESRCH when it is not there any more.
        """
        namespace = self.current
        if namespace is None:
            return action()

        def go_and_act() -> T:
            _enter(self._procfs, namespace)
            return action()

        return in_thread("netns", go_and_act)

    def open(self, protocol: int) -> socket.socket:
        """Open a netlink socket in the cluster's namespace, in which it then stays."""
        return self.run(lambda: open_here(protocol))


def by_netlink(ask: Callable[[], T], by_text: Callable[[], T]) -> T:
    """Ask by netlink, and in the text files of /proc where that is refused.

    A refusal is not remembered: it costs microseconds, and what caused it (a kernel module that
    is not loaded yet) may pass.
    """
    try:
        return ask()
    except NetlinkRefusedError:
        return by_text()


def _enter(procfs: Procfs, namespace: Namespace) -> None:
    path = f"{procfs.root}/{namespace.pid}/ns/net"
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if os.fstat(descriptor).st_ino != namespace.inode:
            raise ProcessLookupError(errno.ESRCH, f"{path} is another namespace now")
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(descriptor, _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {path}")
    finally:
        os.close(descriptor)
