"""TCP sockets by NETLINK_SOCK_DIAG (kernel UAPI ``linux/sock_diag.h``, ``linux/inet_diag.h``).

The kernel itself drops every socket whose local port is not asked for: the request carries a
small program for it (INET_DIAG_REQ_BYTECODE). It is the first form of the request
(``inet_diag_req``, type TCPDIAG_GETSOCK), because that one answers for both address families at
once, in half the time: the newer form walks the same table once for each, see docs/adr/0013.
What one look shows is not one instant: the kernel walks its tables while sockets come and go.

An answer is a ``struct inet_diag_msg`` and ``INET_DIAG_*`` attributes. Ports and addresses are in
network byte order, the rest in the machine's. The kernel sends SKV6ONLY for IPv6 sockets that
listen or are merely bound, and CGROUP_ID from 5.8 on for sockets that have an owner (TIME_WAIT and
half-open ones have none). A socket that is bound but not listening is asked for as BOUND_INACTIVE
(6.8 and later) and answered as CLOSE; no other closed socket is ever listed, so both become
BOUND_INACTIVE.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Optional

from exporter.errors import ParseError
from exporter.host.facts import IPAddress
from exporter.host.netlink import NETLINK_SOCK_DIAG, Netlink, Opener, attributes, open_here
from exporter.ports.facts import Socket, SocketSource, TcpState

# family, state, (ports), own address, (peer), (interface, cookie), (timers and queues), uid, inode
_MESSAGE = struct.Struct("=BB2x4x16s16x12x12xII")
_PORT = struct.Struct("!H")
_PORT_OFFSET = 4
_U64 = struct.Struct("=Q")
_FAMILIES = {2: 4, 10: 6}  # AF_INET, AF_INET6 of Linux
_STATES = {int(state): state for state in TcpState}
_STATES[int(TcpState.CLOSE)] = TcpState.BOUND_INACTIVE
_SKV6ONLY = 11
_CGROUP_ID = 21


def parse_socket(data: bytes) -> Socket:
    """Read one ``inet_diag_msg`` with its attributes; raises ParseError."""
    if len(data) < _MESSAGE.size:
        raise ParseError(f"inet_diag: {len(data)} bytes, expected {_MESSAGE.size} or more")
    kind, state, address, uid, inode = _MESSAGE.unpack_from(data)
    (port,) = _PORT.unpack_from(data, _PORT_OFFSET)
    family = _FAMILIES.get(kind)
    if family is None or state not in _STATES:
        raise ParseError(f"inet_diag: address family {kind}, state {state}")
    v6only, cgroup_id = _extras(data)
    return Socket(
        family=family,
        state=_STATES[state],
        address=_address(family, address),
        port=port,
        uid=uid,
        inode=inode,
        v6only=v6only,
        cgroup_id=cgroup_id,
    )


def _extras(data: bytes) -> tuple[Optional[bool], Optional[int]]:
    v6only = cgroup_id = None
    for kind, start, end in attributes(data, _MESSAGE.size):
        if kind == _SKV6ONLY:
            if end - start != 1:
                raise ParseError(f"inet_diag: SKV6ONLY of {end - start} bytes, expected 1")
            v6only = data[start] != 0
        elif kind == _CGROUP_ID:
            if end - start != _U64.size:
                raise ParseError(f"inet_diag: CGROUP_ID of {end - start} bytes, expected 8")
            (cgroup_id,) = _U64.unpack_from(data, start)
    return v6only, cgroup_id


@lru_cache(maxsize=4096)
def _address(family: int, packed: bytes) -> IPAddress:
    if family == 4:  # noqa: PLR2004  # the version of the protocol
        return IPv4Address(packed[:4])
    address = IPv6Address(packed)
    return address.ipv4_mapped or address


_TCPDIAG_GETSOCK = 18
_REQUEST = struct.Struct("=BxxB48sI4x")  # family, extensions, socket id, states
_BOTH_FAMILIES = 0  # which this form ignores, and answers for both
_ANY_SOCKET = bytes(48)
_NO_EXTENSIONS = 0  # v6-only flag and cgroup id come without asking
_ATTRIBUTE = struct.Struct("=HH")
_REQ_BYTECODE = 1

# One test of the filter: the operation INET_DIAG_BC_S_COND, its jumps, and the condition
# (address family, prefix length, port): any address with this local port.
_TEST = struct.Struct("=BBHBBxxi")
_JUMP = struct.Struct("=BBH")
_S_COND = 7
_JMP = 1
_MOST_PORTS = 4000  # jumps are 16 bits wide

LISTEN = 1 << TcpState.LISTEN
ALL_STATES = sum(1 << state for state in TcpState)
_SHOWS_BOUND_SINCE = (6, 8)


class SockDiag:
    """Reads the sockets of one network namespace, that of the netlink socket's ``opener``.

    ``release`` is the kernel's own (``uname -r``). Before 6.8 a kernel does not list sockets
    that are bound without listening; a distribution may have brought that to an older number,
    so one such socket seen is taken as proof. No socket is bound to find out.
    """

    source = SocketSource.SOCK_DIAG

    def __init__(self, opener: Opener = open_here, release: str = "") -> None:
        self._netlink = Netlink(NETLINK_SOCK_DIAG, opener)
        self._listeners: tuple[list[bytes], list[Socket]] = ([], [])
        self._sees_bound = shows_bound_sockets(release or os.uname().release)

    @property
    def sees_bound_sockets(self) -> bool:
        """Whether a socket that is bound but does not listen is shown here."""
        return self._sees_bound

    def listening(self, ports: frozenset[int]) -> list[Socket]:
        """Return the listeners on ``ports``; raises NetlinkRefusedError, SourceError.

        The same answer of the kernel is not read twice: it stands for the same list.
        """
        answer = self._answer(LISTEN, ports)
        if answer != self._listeners[0]:
            self._listeners = (answer, _sockets(answer))
        return self._listeners[1]

    def all_states(self, ports: frozenset[int]) -> list[Socket]:
        """Return every socket whose local port is in ``ports``; raises as ``listening``."""
        sockets = _sockets(self._answer(ALL_STATES, ports))
        if any(found.state is TcpState.BOUND_INACTIVE for found in sockets):
            self._sees_bound = True
        return sockets

    def _answer(self, states: int, ports: frozenset[int]) -> list[bytes]:
        return self._netlink.dump(_TCPDIAG_GETSOCK, request(states, ports)) if ports else []


def _sockets(answer: Iterable[bytes]) -> list[Socket]:
    """Read the sockets of both families, which come mixed; IPv4 first."""
    return sorted((parse_socket(body) for body in answer), key=lambda found: found.family)


@lru_cache(maxsize=64)
def request(states: int, ports: frozenset[int]) -> bytes:
    """Build an ``inet_diag_req`` for sockets in ``states`` (a bit set) on local ``ports``.

    Raises ValueError beyond 4000 ports.
    """
    head = _REQUEST.pack(_BOTH_FAMILIES, _NO_EXTENSIONS, _ANY_SOCKET, states)
    program = port_filter(ports)
    return head + _ATTRIBUTE.pack(_ATTRIBUTE.size + len(program), _REQ_BYTECODE) + program


def port_filter(ports: frozenset[int]) -> bytes:
    """Build the kernel's filter program: test after test, and out at the first that holds.

    A test goes on to what follows it when it holds (a jump to the end, which accepts), and
    past that otherwise; after the last test the way past leads beyond the end, which rejects.
    """
    if len(ports) > _MOST_PORTS:
        raise ValueError(f"{len(ports)} ports, at most {_MOST_PORTS}")
    step = _TEST.size + _JUMP.size
    size = len(ports) * step - _JUMP.size
    program = b""
    for index, port in enumerate(sorted(ports)):
        program += _TEST.pack(_S_COND, _TEST.size, step, 0, 0, port)
        if index < len(ports) - 1:
            program += _JUMP.pack(_JMP, _JUMP.size, size - index * step - _TEST.size)
    return program


def shows_bound_sockets(release: str) -> bool:
    """Whether a kernel of this release lists bound sockets that do not listen (since 6.8)."""
    numbers = re.match(r"(\d+)\.(\d+)", release)
    return numbers is not None and tuple(map(int, numbers.groups())) >= _SHOWS_BOUND_SINCE
