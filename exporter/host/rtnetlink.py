"""One answer to RTM_GETADDR → an address of an interface.

Layout: ``struct ifaddrmsg`` and ``IFA_*`` of kernel UAPI ``linux/if_addr.h``.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Callable, Optional

from exporter.errors import ParseError
from exporter.host.facts import IPAddress
from exporter.host.netlink_parser import attributes

_MESSAGE = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, interface
_ADDRESS, _LOCAL = 1, 2
_KINDS: dict[int, Callable[[bytes], IPAddress]] = {2: IPv4Address, 10: IPv6Address}  # AF_*


def parse_address(data: bytes) -> Optional[IPAddress]:
    """Read one ``ifaddrmsg``; None for another address family; raises ParseError.

    On a point-to-point link ADDRESS is the peer's and LOCAL ours; elsewhere LOCAL may be missing.
    """
    if len(data) < _MESSAGE.size:
        raise ParseError(f"rtnetlink: {len(data)} bytes, expected {_MESSAGE.size} or more")
    kind = _KINDS.get(data[0])
    if kind is None:
        return None
    found = {type_: data[start:end] for type_, start, end in attributes(data, _MESSAGE.size)}
    packed = found.get(_LOCAL, found.get(_ADDRESS, b""))
    try:
        return kind(packed)
    except ValueError as error:
        raise ParseError(f"rtnetlink: an address of {len(packed)} bytes") from error
