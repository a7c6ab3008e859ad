"""/etc/hosts: which addresses a name in ``listen_addresses`` stands for (hosts(5))."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Optional

from exporter.host.facts import IPAddress
from exporter.host.text import bounded


def parse_hosts(text: str, source: str = "/etc/hosts") -> Mapping[str, tuple[IPAddress, ...]]:
    """Map each name, in lower case, to its addresses in the order of the file.

    Lines that the resolver would pass over are passed over here. Raises ParseError only when
    the text is too long.
    """
    names: dict[str, tuple[IPAddress, ...]] = {}
    for line in bounded(text, source).split("\n"):
        words = line.split("#", 1)[0].split()
        address = _address(words[0]) if words else None
        if address is None:
            continue
        for name in dict.fromkeys(word.lower() for word in words[1:]):
            names[name] = (*names.get(name, ()), address)
    return names


def _address(text: str) -> Optional[IPAddress]:
    try:
        return ip_address(text)
    except ValueError:
        return None
