"""The limits that every text parser puts on its input."""

from __future__ import annotations

from typing import Optional

from exporter.errors import ParseError

MAX_TEXT = 1 << 20
"""Longest text that is looked at, in characters; the real files have some ten thousand."""


MAX_VALUE = 4096
"""Longest value of one setting; openGauss' own limit is 1024 (MAXPGPATH)."""

_MAX_PORT = 65535
_MAX_SHOWN = 60


def bounded(text: str, source: str, limit: int = MAX_TEXT) -> str:
    """Return the text; raises ParseError when it is longer than any real one."""
    if len(text) > limit:
        raise ParseError(f"{source}: expected at most {limit} characters, found {len(text)}")
    return text


def whole_number(text: str, maximum: int) -> Optional[int]:
    """Read ASCII digits; None for anything else, and for more than ``maximum``."""
    digits = text.strip()
    plain = digits.isascii() and digits.isdigit() and len(digits) <= len(str(maximum))
    return int(digits) if plain and int(digits) <= maximum else None


def port_number(text: str, source: str) -> int:
    """Read a TCP port; raises ParseError for anything but 1 to 65535 in ASCII digits."""
    port = whole_number(text, _MAX_PORT)
    if not port:
        raise ParseError(f"{source}: expected a port from 1 to 65535, found {shown(text)}")
    return port


def shown(text: str, limit: int = _MAX_SHOWN) -> str:
    """Return a piece of a foreign text that may stand in a message: short and escaped."""
    return ascii(text if len(text) <= limit else text[:limit] + "...")
