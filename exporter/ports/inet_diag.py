"""One answer of NETLINK_SOCK_DIAG → a socket.

Layout: ``struct inet_diag_msg`` and the ``INET_DIAG_*`` attributes of kernel UAPI
``linux/inet_diag.h``. Ports and addresses are in network byte order, the rest in the machine's.
The kernel sends SKV6ONLY for IPv6 sockets that listen or are merely bound, and CGROUP_ID from
5.8 on for sockets that have an owner (TIME_WAIT and half-open ones have none). A socket that is
bound but not listening is asked for as BOUND_INACTIVE (6.8 and later) and answered as CLOSE; no
other closed socket is ever listed, so both become BOUND_INACTIVE.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Optional

from exporter.errors import ParseError
from exporter.host.facts import IPAddress
from exporter.host.netlink_parser import attributes
from exporter.ports.facts import Socket, TcpState

# family, state, then: addresses, (interface, cookie), (timers and queues), uid, inode
_MESSAGE = struct.Struct("=BB2x4x16s16s12x12xII")
_PORTS = struct.Struct("!HH")
_PORTS_OFFSET = 4
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
    kind, state, source, destination, uid, inode = _MESSAGE.unpack_from(data)
    port, remote_port = _PORTS.unpack_from(data, _PORTS_OFFSET)
    family = _FAMILIES.get(kind)
    if family is None or state not in _STATES:
        raise ParseError(f"inet_diag: address family {kind}, state {state}")
    v6only, cgroup_id = _extras(data)
    return Socket(
        family=family,
        state=_STATES[state],
        address=_address(family, source),
        port=port,
        remote_address=_address(family, destination),
        remote_port=remote_port,
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
