"""Files of ``/proc/sys`` → what the kernel is set to."""

from __future__ import annotations

from exporter.errors import ParseError

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
