"""What reads sockets looks like, and the reader that falls back to another."""

from __future__ import annotations

from pathlib import Path
from typing import Optional, Protocol

from exporter.errors import NetlinkRefusedError
from exporter.host.netns import ClusterNamespace, Namespace, opener_in
from exporter.host.procfs import Procfs
from exporter.ports.facts import Socket, SocketSource
from exporter.ports.proc_net import ProcNet
from exporter.ports.sock_diag import SockDiag


class SocketReader(Protocol):
    """A way to see the TCP sockets of one network namespace."""

    @property
    def source(self) -> SocketSource:
        """Where the last answer came from."""

    @property
    def sees_bound_sockets(self) -> bool:
        """Whether sockets that are bound without listening are in the answers."""

    def listening(self, ports: frozenset[int]) -> list[Socket]:
        """Return the listeners on ``ports``, of both families; raises SourceError."""

    def all_states(self, ports: frozenset[int]) -> list[Socket]:
        """Return every socket whose local port is in ``ports``; raises SourceError."""


class FallbackReader:
    """Asks ``fallback`` when ``primary`` is refused; ``source`` tells who answered last.

    A refusal is not remembered: it costs microseconds, and what caused it (a kernel module that
    is not loaded yet) may pass.
    """

    def __init__(self, primary: SocketReader, fallback: SocketReader) -> None:
        self._primary = primary
        self._fallback = fallback
        self._last = primary

    @property
    def source(self) -> SocketSource:
        """Where the last answer came from."""
        return self._last.source

    @property
    def sees_bound_sockets(self) -> bool:
        """Whether the reader that answered last sees bound sockets."""
        return self._last.sees_bound_sockets

    def listening(self, ports: frozenset[int]) -> list[Socket]:
        """Return the listeners on ``ports``; raises SourceError when both ways failed."""
        try:
            found = self._primary.listening(ports)
        except NetlinkRefusedError:
            self._last = self._fallback
            return self._fallback.listening(ports)
        self._last = self._primary
        return found

    def all_states(self, ports: frozenset[int]) -> list[Socket]:
        """Return every socket on ``ports``; raises SourceError when both ways failed."""
        try:
            found = self._primary.all_states(ports)
        except NetlinkRefusedError:
            self._last = self._fallback
            return self._fallback.all_states(ports)
        self._last = self._primary
        return found


class ClusterSockets:
    """Reads the sockets of the cluster's network namespace, whichever that is at the moment.

    By sock_diag, and by ``/proc/PID/net`` where that is refused.
    """

    def __init__(self, procfs: Procfs, namespace: ClusterNamespace) -> None:
        self._procfs = procfs
        self._namespace = namespace
        self._where: Optional[Namespace] = None
        self._reader = self._reader_in(None)

    @property
    def source(self) -> SocketSource:
        """Where the last answer came from."""
        return self._reader.source

    @property
    def sees_bound_sockets(self) -> bool:
        """Whether sockets that are bound without listening are in the answers."""
        return self._reader.sees_bound_sockets

    def listening(self, ports: frozenset[int]) -> list[Socket]:
        """Return the listeners on ``ports``; raises SourceError."""
        return self._current().listening(ports)

    def all_states(self, ports: frozenset[int]) -> list[Socket]:
        """Return every socket whose local port is in ``ports``; raises SourceError."""
        return self._current().all_states(ports)

    def _current(self) -> SocketReader:
        where = self._namespace.current()
        if where != self._where:
            self._where, self._reader = where, self._reader_in(where)
        return self._reader

    def _reader_in(self, where: Optional[Namespace]) -> SocketReader:
        pid = "self" if where is None else str(where.pid)
        return FallbackReader(
            SockDiag(opener_in(self._procfs, where)), ProcNet(Path(self._procfs.root), pid)
        )
