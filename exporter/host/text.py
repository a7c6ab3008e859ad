"""Text that strangers chose: names of processes, paths, words of other programs. Pure."""

from __future__ import annotations

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
