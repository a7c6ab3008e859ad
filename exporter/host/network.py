"""What the node is set to: the ports that the kernel hands out, the addresses that it has."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Optional

from exporter.errors import NetlinkRefusedError, SourceError
from exporter.host.addresses import parse_fib_trie, parse_if_inet6
from exporter.host.facts import EphemeralPorts, IPAddress
from exporter.host.netlink import NETLINK_ROUTE, Netlink
from exporter.host.netns import ClusterNamespace, Namespace, opener_in, run_in
from exporter.host.procfs import Procfs
from exporter.host.rtnetlink import parse_address
from exporter.host.sysctl import parse_port_list, parse_port_range

_RTM_GETADDR = 22
_ANY_ADDRESS = struct.pack("=BBBBI", 0, 0, 0, 0, 0)  # struct ifaddrmsg: every family


@lru_cache(maxsize=4)
def _ephemeral_ports(port_range: bytes, reserved: bytes) -> EphemeralPorts:
    low, high = parse_port_range(port_range.decode("utf-8", "replace"))
    return EphemeralPorts(low, high, parse_port_list(reserved.decode("utf-8", "replace")))


class HostFacts:
    """Reads what the cluster's network namespace is set to, at every call anew."""

    def __init__(self, procfs: Procfs, namespace: ClusterNamespace) -> None:
        self._procfs = procfs
        self._namespace = namespace
        self._addresses: tuple[list[bytes], frozenset[IPAddress]] = ([], frozenset())

    def ephemeral_ports(self) -> Optional[EphemeralPorts]:
        """Return the ports that the kernel hands out by itself; raises ParseError.

        None where they cannot be read. The settings belong to the namespace of who reads them:
        those of another one can only be read by going there, which takes CAP_SYS_ADMIN.
        """
        where = self._namespace.current()
        try:
            read = self._settings() if where is None else self._settings_in(where)
        except OSError:
            return None
        if read[0] is None or read[1] is None:
            return None
        return _ephemeral_ports(read[0], read[1])

    def _settings(self) -> tuple[Optional[bytes], Optional[bytes]]:
        return (
            self._procfs.read("sys/net/ipv4/ip_local_port_range"),
            self._procfs.read("sys/net/ipv4/ip_local_reserved_ports"),
        )

    def _settings_in(self, where: Namespace) -> tuple[Optional[bytes], Optional[bytes]]:
        return run_in(self._procfs, where, self._settings)

    def interface_addresses(self) -> frozenset[IPAddress]:
        """Return the addresses of all interfaces; raises SourceError, ParseError.

        The same answer of the kernel is not read twice: it stands for the same set.
        """
        where = self._namespace.current()
        netlink = Netlink(NETLINK_ROUTE, opener_in(self._procfs, where))
        try:
            answer = netlink.dump(_RTM_GETADDR, _ANY_ADDRESS)
        except NetlinkRefusedError:
            return self._addresses_in_text(where)
        if answer != self._addresses[0]:
            found = [parse_address(body) for body in answer]
            self._addresses = (answer, frozenset(each for each in found if each is not None))
        return self._addresses[1]

    def _addresses_in_text(self, where: Optional[Namespace]) -> frozenset[IPAddress]:
        net = f"{'self' if where is None else where.pid}/net"
        ipv4 = self._procfs.read(f"{net}/fib_trie")
        if ipv4 is None:
            raise SourceError(f"{net}/fib_trie cannot be read")
        ipv6 = self._procfs.read(f"{net}/if_inet6") or b""  # a kernel without IPv6
        return parse_fib_trie(ipv4.decode("utf-8", "replace")) | parse_if_inet6(
            ipv6.decode("utf-8", "replace")
        )
