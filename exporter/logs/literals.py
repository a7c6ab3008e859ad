"""The texts of which every match of a pattern contains one."""

from __future__ import annotations

import re
from typing import Optional

SHORTEST = 4  # bytes; a shorter text is too common to be worth a search of its own
_MOST = 16  # texts for one pattern
_DEEPEST = 8  # groups within groups that are looked into
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
_GROUP = re.compile(r"\?:|\?P?<\w+>|(?!\?)")
_Texts = tuple[str, ...]
_NOTHING: _Texts = ()


def required_texts(pattern: str) -> tuple[bytes, ...]:
    """Find the longest texts of which every match contains one; none if nothing is sure.

    Each alternative gives its own. Where a pattern has flags or a quotation, nothing is sure.
    """
    if "\\Q" in pattern:
        return ()
    return tuple(text.encode() for text in _of_alternatives(pattern, _DEEPEST))


def _of_alternatives(pattern: str, depth: int) -> _Texts:
    texts: list[str] = []
    for choices in _alternatives(pattern, depth):
        best = max(choices, key=_shortest)
        if _shortest(best) < SHORTEST:
            return _NOTHING
        texts += best
    return tuple(dict.fromkeys(texts)) if len(texts) <= _MOST else _NOTHING


def _shortest(texts: _Texts) -> int:
    return min((len(text.encode()) for text in texts), default=0)


def _alternatives(pattern: str, depth: int) -> list[list[_Texts]]:
    """List for each alternative the choices of texts of which every match contains one."""
    alternatives: list[list[_Texts]] = [[]]
    run, pos = "", 0
    while pos < len(pattern):
        token = _TOKEN.match(pattern, pos)
        group = _GROUP.match(pattern, token.end()) if token and token["open"] else None
        if token is None or (token["open"] and group is None):
            return [[_NOTHING]]
        pos = token.end()
        text = token["escaped"] or token["plain"]
        if text:
            run += text
            continue
        if _may_be_missing(token):
            run = run[:-1]
        alternatives[-1].append((run,))
        run = ""
        if token["special"] == "|":
            alternatives.append([])
        if group is not None:
            pos = _behind_group(pattern, pos)
            if depth and not _may_be_missing(_TOKEN.match(pattern, pos)):
                inside = pattern[group.end() : pos - 1]
                alternatives[-1].append(_of_alternatives(inside, depth - 1))
    alternatives[-1].append((run,))
    return alternatives


def _may_be_missing(token: Optional[re.Match[str]]) -> bool:
    """Whether a token repeats what stands before it, and perhaps not even once."""
    return token is not None and (token["repeated"] or "+")[0] != "+"


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
