"""``/proc/PID/net/fib_trie`` and ``if_inet6`` → the addresses of all interfaces.

Layout: kernel ``net/ipv4/fib_trie.c``, ``net/ipv6/addrconf.c``.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address

from exporter.errors import ParseError
from exporter.host.facts import IPAddress

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
