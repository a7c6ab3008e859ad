"""``/proc/PID/net/tcp`` and ``tcp6`` → sockets.

Layout: kernel ``net/ipv4/tcp_ipv4.c`` (get_tcp4_sock and its like), ``net/ipv6/tcp_ipv6.c``.
Addresses are printed as 32-bit words in the machine's own byte order, ports as plain numbers.
These files know neither the v6-only flag nor the cgroup of a socket, and leave out sockets that
are bound without listening.
"""

from __future__ import annotations

import re
import struct
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

from exporter.errors import ParseError
from exporter.host.facts import IPAddress
from exporter.ports.facts import Socket, TcpState

_TITLE = re.compile(rb" *sl +local_address +(rem|remote)_address +st ")
# sl: local remote state tx:rx timer:when retransmits uid timeout inode
_ROW = re.compile(
    rb" *\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})"
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


@lru_cache(maxsize=16)
def _rows_on(ports: frozenset[int]) -> re.Pattern[bytes]:
    numbers = b"|".join(b"%04X" % port for port in sorted(ports))
    return re.compile(rb"^[^:\n]*: [^:\n]*:(?:%s) .*$" % numbers, re.MULTILINE)


def _socket(row: bytes) -> Socket:
    found = _ROW.match(row)
    if not found:
        raise ParseError(f"proc_net: row {row[:200]!r}")
    local, port, remote, remote_port, state, uid, inode = found.groups()
    if int(state, 16) not in set(TcpState) or len(local) != len(remote):
        raise ParseError(f"proc_net: row {row[:200]!r}")
    return Socket(
        family=4 if len(local) == _WORD.size * 2 else 6,
        state=TcpState(int(state, 16)),
        address=_address(local),
        port=int(port, 16),
        remote_address=_address(remote),
        remote_port=int(remote_port, 16),
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
