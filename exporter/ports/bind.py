"""Which sockets stop a bind: the kernel's rules for TCP, for servers like CM's and gaussdb.

Those set SO_REUSEADDR, never SO_REUSEPORT, and IPV6_V6ONLY on IPv6 sockets (CM pqcomm.cpp). For
them bind() fails with EADDRINUSE when another socket that listens, or that does not have
SO_REUSEADDR, has the port on the same address or on a wildcard that covers it (Linux
net/ipv4/inet_connection_sock.c, ``inet_csk_get_port``). A dual-stack listener on ``[::]`` covers
IPv4, one with IPV6_V6ONLY does not. SO_REUSEADDR of another process' socket is not visible, so
sockets that only are bound, or connected, are taken to be without it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from ipaddress import IPv4Address

from exporter.host.facts import IPAddress
from exporter.ports.facts import Endpoint, Socket, TcpState

_IPV4_WILDCARD = IPv4Address(0)


class Covers(enum.Enum):
    """Whether a socket has a port on an address; MAYBE when the kernel interface hid it."""

    NO = 0
    MAYBE = 1
    YES = 2


class Stage(enum.Enum):
    """What a socket does with its port."""

    LISTENING = 0
    BOUND = 1
    CONNECTED = 2
    OWNERLESS = 3


def stage(socket: Socket) -> Stage:
    """Tell what the socket does with its port; TIME_WAIT and its like have no owner."""
    if socket.state is TcpState.LISTEN:
        return Stage.LISTENING
    if socket.inode == 0:
        return Stage.OWNERLESS
    if socket.state in (TcpState.BOUND_INACTIVE, TcpState.CLOSE):
        return Stage.BOUND
    return Stage.CONNECTED


def covers(socket: Socket, address: IPAddress) -> Covers:
    """Tell whether a bind of the address meets the socket (both on the same port)."""
    if socket.address.version == 4:  # noqa: PLR2004 -- the IP version, v4-mapped included
        if address.version == 6:  # noqa: PLR2004 -- bound with IPV6_V6ONLY
            return Covers.NO
        return _same_family(socket, address)
    if address.version == 6:  # noqa: PLR2004 -- the IP version
        return _same_family(socket, address)
    if not socket.address.is_unspecified or socket.v6only:
        return Covers.NO
    return Covers.MAYBE if socket.v6only is None else Covers.YES


def _same_family(socket: Socket, address: IPAddress) -> Covers:
    wild = socket.address.is_unspecified or address.is_unspecified
    return Covers.YES if wild or socket.address == address else Covers.NO


def wanted(endpoint: Endpoint) -> tuple[IPAddress, ...]:
    """Return the addresses that a start binds; the IPv4 wildcard when nobody named any."""
    return endpoint.addresses or (_IPV4_WILDCARD,)


def meets(socket: Socket, endpoint: Endpoint) -> Covers:
    """Tell whether the socket is in the way of any address that the endpoint's start binds."""
    return max((covers(socket, address) for address in wanted(endpoint)), key=lambda c: c.value)


def holds_all(listeners: Iterable[Socket], endpoint: Endpoint) -> bool:
    """Tell whether these listeners cover every address that the endpoint must bind.

    Without any named address every listener counts. One's own ``[::]`` is trusted to be
    dual-stack where the kernel interface does not tell.
    """
    sockets = tuple(listeners)
    if endpoint.addresses is None:
        return bool(sockets)
    return all(any(_serves(socket, address) for socket in sockets) for address in wanted(endpoint))


def _serves(listener: Socket, address: IPAddress) -> bool:
    """Tell whether a client of this address reaches the listener."""
    if address.is_unspecified and not listener.address.is_unspecified:
        return False
    return covers(listener, address) is not Covers.NO
