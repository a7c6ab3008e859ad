"""Text that strangers chose: how much of it is read, and how it is shown. Pure.

Names of processes, paths, settings, words of other programs: none of it is trusted.
"""

from __future__ import annotations

import sys
from typing import Optional

from exporter.errors import ParseError

MAX_TEXT = 1 << 20
"""Longest text that is looked at, in characters; the real files have some ten thousand."""

MAX_VALUE = 4096
"""Longest value of one setting; openGauss' own limit is 1024 (MAXPGPATH)."""

_MAX_PORT = 65535
_MAX_SHOWN = 60

REPLACEMENT = "\ufffd"


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
    """Return the text quoted, short and in ASCII, as it may stand in a message."""
    return ascii(text if len(text) <= limit else text[:limit] + "...")


def visible(text: str) -> str:
    """Replace what does not print, line ends excepted, by U+FFFD.

    A page of metrics has no escape for a control character, and who reads it with ``once`` or curl
    does so on a terminal: a stranger's process name must not move its cursor, retitle it, or turn
    the reading order of a line around.
    """
    if text.isprintable():
        return text
    return "".join([c if c.isprintable() or c == "\n" else REPLACEMENT for c in text])


def escaped(text: str, longest: int = sys.maxsize) -> str:
    """Bound text to ``longest`` characters and escape what does not print, line ends included."""
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    if cut.isprintable():
        return cut
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in cut
    )
