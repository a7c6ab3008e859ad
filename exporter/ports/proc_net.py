"""TCP sockets from ``/proc/PID/net/tcp{,6}``: what is left when netlink is refused.

It shows the network namespace of that process, and needs no privilege for it. It costs the
kernel a row of text for every socket of the host.
"""

from __future__ import annotations

from pathlib import Path

from exporter.errors import SourceError
from exporter.ports.facts import Socket, SocketSource, TcpState
from exporter.ports.proc_net_parser import parse_sockets


class ProcNet:
    """Reads the sockets of the network namespace of one process; ``self`` is our own."""

    source = SocketSource.PROCFS
    sees_bound_sockets = False

    def __init__(self, procfs: Path, pid: str = "self") -> None:
        self._net = procfs / pid / "net"

    def listening(self, ports: frozenset[int]) -> list[Socket]:
        """Return the listeners on ``ports``; raises SourceError, ParseError."""
        return [found for found in self.all_states(ports) if found.state is TcpState.LISTEN]

    def all_states(self, ports: frozenset[int]) -> list[Socket]:
        """Return every socket whose local port is in ``ports``; raises as ``listening``."""
        return parse_sockets(self._read("tcp"), ports) + self._ipv6(ports)

    def _ipv6(self, ports: frozenset[int]) -> list[Socket]:
        if not (self._net / "tcp6").exists():  # a kernel without IPv6
            return []
        return parse_sockets(self._read("tcp6"), ports)

    def _read(self, name: str) -> bytes:
        try:
            return (self._net / name).read_bytes()
        except OSError as error:
            raise SourceError(f"{self._net / name}: {error.strerror}") from error
