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
import threading
from collections.abc import Iterable
from typing import Callable, NamedTuple, Optional, TypeVar

from exporter.host.facts import Process
from exporter.host.netlink import Opener, open_here
from exporter.host.procfs import Procfs

_CLONE_NEWNET = 0x40000000  # linux/sched.h
_Result = TypeVar("_Result")


class Namespace(NamedTuple):
    """A network namespace that is not ours: its inode, and a process that lives in it."""

    inode: int
    pid: int


class ClusterNamespace:
    """Finds out where the cluster's processes live.

    ``processes`` gives the cluster's own processes that were seen last: not every one of its user,
    for that may be the exporter's user, too. Where one of them lives in our own namespace, ours is
    the one; else that of the first. While none runs, the last one counts as long as any visible
    process lives in it.
    """

    def __init__(self, procfs: Procfs, processes: Callable[[], Iterable[Process]]) -> None:
        self._procfs = procfs
        self._processes = processes
        self._ours = procfs.network_namespace("self")
        self._last: Optional[Namespace] = None

    def current(self) -> Optional[Namespace]:
        """Return the cluster's namespace; None where it is ours, or cannot be told."""
        found = [self._of(process.id.pid) for process in self._processes()]
        known = [namespace for namespace in found if namespace is not None]
        if self._ours is None:
            return None
        if known:
            ours = any(namespace.inode == self._ours for namespace in known)
            self._last = None if ours else known[0]
        elif self._last is not None:
            self._last = self._find(self._last)
        return self._last

    def _of(self, pid: int) -> Optional[Namespace]:
        inode = self._procfs.network_namespace(str(pid))
        return None if inode is None else Namespace(inode, pid)

    def _find(self, last: Namespace) -> Optional[Namespace]:
        for pid in (str(last.pid), *self._procfs.pids()):
            if self._procfs.network_namespace(pid) == last.inode:
                return Namespace(last.inode, int(pid))
        return None


def run_in(procfs: Procfs, namespace: Namespace, action: Callable[[], _Result]) -> _Result:
    """Do something in another network namespace, by a thread that ends with it.

    Raises OSError: EPERM without the right to go there, ESRCH when it is not there any more.
    """
    results: list[_Result] = []
    errors: list[OSError] = []

    def work() -> None:
        try:
            _enter(procfs, namespace)
            results.append(action())
        except OSError as error:
            errors.append(error)

    thread = threading.Thread(target=work, name="netns", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


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


def opener_in(procfs: Procfs, namespace: Optional[Namespace]) -> Opener:
    """Make what opens netlink sockets in a namespace; None is our own."""
    if namespace is None:
        return open_here

    def open_there(protocol: int) -> socket.socket:
        return run_in(procfs, namespace, lambda: open_here(protocol))

    return open_there
