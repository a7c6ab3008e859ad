"""TCP sockets from ``/proc/PID/net/tcp{,6}``: what is left when netlink is refused.

They show the network namespace of that process, and need no privilege for it. They cost the
kernel a row of text for every socket of the host. Layout: kernel ``net/ipv4/tcp_ipv4.c``
(get_tcp4_sock and its like), ``net/ipv6/tcp_ipv6.c``. Addresses are printed as 32-bit words in the
machine's own byte order, ports as plain numbers. These files know neither the v6-only flag nor the
cgroup of a socket, and leave out sockets that are bound without listening.
"""

from __future__ import annotations

import re
import struct
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Protocol

from exporter.errors import ParseError, SourceError
from exporter.host.facts import IPAddress
from exporter.host.netns import ClusterNamespace, by_netlink
from exporter.host.procfs import Procfs
from exporter.ports.facts import Socket, SocketSource, TcpState

_TITLE = re.compile(rb" *sl +local_address +(rem|remote)_address +st ")
# sl: local remote state tx:rx timer:when retransmits uid timeout inode
_ROW = re.compile(
    rb" *\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]{8}|[0-9A-F]{32}):[0-9A-F]{4}"
    rb" ([0-9A-F]{2}) [0-9A-F]{8}:[0-9A-F]{8} [0-9A-F]{2}:[0-9A-F]{8} [0-9A-F]{8}"
    rb" +(\d{1,10}) +\d+ +(\d{1,10})\b"
)
_WORDS = struct.Struct("=4I")
_WORD = struct.Struct("=I")


def parse_sockets(data: bytes, ports: frozenset[int]) -> list[Socket]:
    """Read the rows whose local port is in ``ports``, in every state.

    Raises ParseError for a text without the title line and for such a row that is malformed.
    """
    if not _TITLE.match(data):
        raise ParseError(f"proc_net: no title line in {data[:80]!r}")
    if not ports:
        return []
    return [_socket(row) for row in _rows_on(ports).findall(data)]


def _rows_on(ports: frozenset[int]) -> re.Pattern[bytes]:
    numbers = b"|".join(b"%04X" % port for port in sorted(ports))
    return re.compile(rb"^[^:\n]*: [^:\n]*:(?:%s) .*$" % numbers, re.MULTILINE)


def _socket(row: bytes) -> Socket:
    match = _ROW.match(row)
    if not match:
        raise ParseError(f"proc_net: row {row[:200]!r}")
    local, port, remote, state, uid, inode = match.groups()
    if int(state, 16) not in set(TcpState) or len(local) != len(remote):
        raise ParseError(f"proc_net: row {row[:200]!r}")
    return Socket(
        family=4 if len(local) == _WORD.size * 2 else 6,
        state=TcpState(int(state, 16)),
        address=_address(local),
        port=int(port, 16),
        uid=int(uid),
        inode=int(inode),
    )


@lru_cache(maxsize=4096)
def _address(text: bytes) -> IPAddress:
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    if len(words) == 1:
        return IPv4Address(_WORD.pack(*words))
    address = IPv6Address(_WORDS.pack(*words))
    return address.ipv4_mapped or address


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


class ProcNet:
    """Reads the text files in ``net``: /proc/PID/net of a process that lives in the namespace."""

    source = SocketSource.PROCFS
    sees_bound_sockets = False

    def __init__(self, net: Path) -> None:
        self._net = net

    def listening(self, ports: frozenset[int]) -> list[Socket]:
        """Return the listeners on ``ports``; raises SourceError, ParseError."""
        return [socket for socket in self.all_states(ports) if socket.state is TcpState.LISTEN]

    def all_states(self, ports: frozenset[int]) -> list[Socket]:
        """Return every socket whose local port is in ``ports``; raises as ``listening``."""
        names = ["tcp", "tcp6"] if (self._net / "tcp6").exists() else ["tcp"]  # without IPv6
        return [socket for name in names for socket in parse_sockets(self._read(name), ports)]

    def _read(self, name: str) -> bytes:
        try:
            return (self._net / name).read_bytes()
        except OSError as error:
            raise SourceError(f"{self._net / name}: {error.strerror}") from error


class ClusterSockets:
    """Reads the sockets of the cluster's network namespace, whichever that is at the moment.

    By ``netlink``, which opens its sockets there, and by the text files while that is refused.
    """

    def __init__(self, netlink: SocketReader, procfs: Procfs, namespace: ClusterNamespace) -> None:
        self._netlink = netlink
        self._procfs = procfs
        self._namespace = namespace
        self._last = netlink

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
        return by_netlink(
            lambda: self._by(self._netlink).listening(ports),
            lambda: self._by(self._text()).listening(ports),
        )

    def all_states(self, ports: frozenset[int]) -> list[Socket]:
        """Return every socket on ``ports``; raises SourceError when both ways failed."""
        return by_netlink(
            lambda: self._by(self._netlink).all_states(ports),
            lambda: self._by(self._text()).all_states(ports),
        )

    def _by(self, reader: SocketReader) -> SocketReader:
        self._last = reader
        return reader

    def _text(self) -> SocketReader:
        return ProcNet(Path(self._procfs.root) / self._namespace.net)
