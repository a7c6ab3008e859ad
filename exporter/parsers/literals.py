"""The longest text that every match of a pattern contains."""

from __future__ import annotations

import re

SHORTEST = 4  # bytes; a shorter text is too common to be worth a search of its own
_TOKEN = re.compile(
    r"""
      \\(?P<escaped>[^A-Za-z0-9])        # a character that an escape makes plain
    # a class, an assertion, a character by its number
    | \\(?:[pP](?:\{[^}]*\}|.)|x\{[^}]*\}|x..|[0-7]{1,3}|.)
    | (?P<open>\()
    | \[\^?\]?(?:\\.|\[:\^?\w+:\]|[^]\\])*\]
    | (?P<repeated>[*+?]\??|\{\d*,?\d*\}\??)
    | (?P<special>[.^$|)])
    | (?P<plain>.)
    """,
    re.VERBOSE | re.DOTALL,
)


def required_literal(pattern: str) -> bytes:
    """Find the longest text that every match contains; empty if none of some length is sure.

    Only text at the top level of the pattern counts: not in groups, and none at all where the
    pattern has alternatives or flags there.
    """
    runs, run, pos = [""], "", 0
    while pos < len(pattern):
        token = _TOKEN.match(pattern, pos)
        if token is None or token["special"] == "|" or pattern.startswith("\\Q", pos):
            return b""
        pos = token.end()
        text = token["escaped"] or token["plain"]
        if text:
            run += text
            continue
        if token["repeated"] and not token["repeated"].startswith("+"):
            run = run[:-1]
        if token["open"]:
            if re.match(r"\?[^P<:]", pattern[pos:]):
                return b""
            pos = _behind_group(pattern, pos)
        runs.append(run)
        run = ""
    longest = max([*runs, run], key=len).encode()
    return longest if len(longest) >= SHORTEST else b""


def _behind_group(pattern: str, pos: int) -> int:
    """Find the end of the group that has been opened before ``pos``."""
    depth = 1
    while pos < len(pattern) and depth:
        token = _TOKEN.match(pattern, pos)
        if token is None:
            return len(pattern)
        depth += bool(token["open"]) - (token["special"] == ")")
        pos = token.end()
    return pos
