"""Text that strangers chose: names of processes, paths, words of other programs. Pure."""

from __future__ import annotations

import sys

REPLACEMENT = "\ufffd"


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
