"""What the node is set to: the ports that the kernel hands out, the addresses that it has.

The addresses come by RTM_GETADDR, and from ``/proc/PID/net`` where netlink is refused.
"""

from __future__ import annotations

import re
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Callable, Optional

from exporter.errors import ParseError, SourceError
from exporter.host.facts import EphemeralPorts, IPAddress
from exporter.host.netlink import NETLINK_ROUTE, Netlink, attributes
from exporter.host.netns import ClusterNamespace, by_netlink
from exporter.host.procfs import Procfs

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


_LEAF = re.compile(r" *\|-- (\d+\.\d+\.\d+\.\d+)")
_INET6 = re.compile(r"([0-9a-f]{32}) [0-9a-f]+ [0-9a-f]+ [0-9a-f]+ [0-9a-f]+ +\S+")


def parse_fib_trie(text: str) -> frozenset[IPAddress]:
    """Read the host's own IPv4 addresses; raises ParseError for a text without any address.

    A leaf is an address; the lines below it say what it is: ``/32 host LOCAL`` for our own. An
    empty text is right: no interface has an IPv4 address.
    """
    found: set[IPAddress] = set()
    leaf = ""
    for line in text.splitlines():
        match = _LEAF.match(line)
        if match:
            leaf = match.group(1)
        elif leaf and line.strip() == "/32 host LOCAL":
            found.add(_ipv4(leaf))
    if text and not leaf:
        raise ParseError(f"fib_trie: no address in {text[:80]!r}")
    return frozenset(found)


def parse_if_inet6(text: str) -> frozenset[IPAddress]:
    """Read the IPv6 addresses of all interfaces; raises ParseError for a strange line.

    An empty text is right: no interface has an IPv6 address.
    """
    found: set[IPAddress] = set()
    for line in text.splitlines():
        match = _INET6.match(line)
        if not match:
            raise ParseError(f"if_inet6: line {line[:200]!r}")
        found.add(IPv6Address(int(match.group(1), 16)))
    return frozenset(found)


def _ipv4(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError as error:
        raise ParseError(f"fib_trie: address {text!r}") from error


_HIGHEST = 65535


def parse_port_range(text: str) -> tuple[int, int]:
    """Read ``net.ipv4.ip_local_port_range``: its lowest and highest port; raises ParseError."""
    words = text.split()
    if len(words) != 2:  # noqa: PLR2004 -- two ends
        raise ParseError(f"ip_local_port_range: {text[:100]!r}")
    return _port(words[0]), _port(words[1])


def parse_port_list(text: str) -> frozenset[int]:
    """Read ``net.ipv4.ip_local_reserved_ports`` (``80,100-200``); raises ParseError."""
    ports: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        low, dash, high = part.partition("-")
        ports.update(range(_port(low), _port(high if dash else low) + 1))
    return frozenset(ports)


def _port(word: str) -> int:
    if not (word.isascii() and word.isdigit()) or int(word) > _HIGHEST:
        raise ParseError(f"{word[:20]!r} is no port")
    return int(word)


_RTM_GETADDR = 22
_ANY_ADDRESS = struct.pack("=BBBBI", 0, 0, 0, 0, 0)  # struct ifaddrmsg: every family


class HostFacts:
    """Reads what the cluster's network namespace is set to, at every call anew."""

    def __init__(self, procfs: Procfs, namespace: ClusterNamespace) -> None:
        self._procfs = procfs
        self._namespace = namespace
        self._netlink = Netlink(NETLINK_ROUTE, namespace.open)
        self._addresses: tuple[list[bytes], frozenset[IPAddress]] = ([], frozenset())

    def ephemeral_ports(self) -> Optional[EphemeralPorts]:
        """Return the ports that the kernel hands out by itself; raises ParseError.

        None where they cannot be read. The settings belong to the namespace of who reads them:
        those of another one can only be read by going there, which takes CAP_SYS_ADMIN.
        """
        try:
            settings = self._namespace.run(self._settings)
        except OSError:
            return None
        port_range, reserved = settings
        if port_range is None or reserved is None:
            return None
        low, high = parse_port_range(port_range.decode("utf-8", "replace"))
        return EphemeralPorts(low, high, parse_port_list(reserved.decode("utf-8", "replace")))

    def _settings(self) -> tuple[Optional[bytes], Optional[bytes]]:
        return (
            self._procfs.read("sys/net/ipv4/ip_local_port_range"),
            self._procfs.read("sys/net/ipv4/ip_local_reserved_ports"),
        )

    def interface_addresses(self) -> frozenset[IPAddress]:
        """Return the addresses of all interfaces; raises SourceError, ParseError."""
        return by_netlink(self._addresses_by_netlink, self._addresses_in_text)

    def _addresses_by_netlink(self) -> frozenset[IPAddress]:
        """Ask the kernel; the same answer is not read twice, it stands for the same set."""
        answer = self._netlink.dump(_RTM_GETADDR, _ANY_ADDRESS)
        if answer != self._addresses[0]:
            addresses = map(parse_address, answer)
            self._addresses = (answer, frozenset(a for a in addresses if a is not None))
        return self._addresses[1]

    def _addresses_in_text(self) -> frozenset[IPAddress]:
        net = self._namespace.net
        ipv4 = self._procfs.read(f"{net}/fib_trie")
        if ipv4 is None:
            raise SourceError(f"{net}/fib_trie cannot be read")
        ipv6 = self._procfs.read(f"{net}/if_inet6") or b""  # a kernel without IPv6
        return parse_fib_trie(ipv4.decode("utf-8", "replace")) | parse_if_inet6(
            ipv6.decode("utf-8", "replace")
        )
