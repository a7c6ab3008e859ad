"""Which addresses a process must bind, from the words that its files use for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, ip_address
from typing import Optional

from exporter.host.facts import IPAddress

Hosts = Mapping[str, tuple[IPAddress, ...]]
WILDCARD = "*"
_LOOPBACK = IPv4Address("127.0.0.1")


def literals(texts: Iterable[str]) -> Optional[tuple[IPAddress, ...]]:
    """Return the addresses that are written out; None when none is."""
    found = [address for address in map(literal, texts) if address is not None]
    return tuple(dict.fromkeys(found)) or None


def literal(text: str) -> Optional[IPAddress]:
    """Read an IPv4 or IPv6 address, its zone left out; None for anything else."""
    try:
        return ip_address(text.strip().split("%", 1)[0])
    except ValueError:
        return None


def listened(words: Iterable[str], hosts: Hosts) -> Optional[tuple[IPAddress, ...]]:
    """Return what gaussdb must bind for the words of ``listen_addresses`` or ``localhost=``.

    With ``*`` among them only the wildcard counts (postmaster.cpp PostmasterMain); it is the
    empty tuple. None: no word's address is known here.
    """
    every = tuple(words)
    if WILDCARD in every:
        return ()
    found = [address for word in every for address in _required(word, hosts)]
    return tuple(dict.fromkeys(found)) or None


def _required(word: str, hosts: Hosts) -> tuple[IPAddress, ...]:
    """Return the addresses of one word without which the start fails.

    A name may stand for several, and gaussdb is content with any one of them (pqcomm.cpp
    StreamServerPort): ``localhost`` is 127.0.0.1 and usually ::1, too. The IPv4 ones stand for
    the name here, for cm_agent's check and most clients use them; a missing ::1 stops nothing.
    """
    address = literal(word)
    if address is not None:
        return (address,)
    known = hosts.get(word.lower(), (_LOOPBACK,) if word.lower() == "localhost" else ())
    four = tuple(each for each in known if isinstance(each, IPv4Address))
    return four or known[:1]
