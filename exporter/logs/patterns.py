"""Patterns in RE2: linear in the length of the text, whatever the pattern and the text are.

A pattern sees bytes, one line at a time: ``^`` and ``$`` are the ends of the line, and nothing
matches a newline, so that a pattern finds the same in a chunk of lines as in each line alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Optional, Protocol, cast

import re2
from ahocorasick_rs import BytesAhoCorasick, MatchKind

from exporter.config.schema import Signature
from exporter.errors import ParseError

LONGEST_PATTERN = 4096  # characters
# What would tell a chunk from a line, or a byte from a character.
_REFUSED = (
    (
        re.compile(r"(?:\\\\|\\[^AzC\\]|[^\\])*\\[AzC]"),
        r"\A, \z and \C are not supported; use ^ and $",
    ),
    (
        re.compile(r"(?:\\.|[^\\])*\(\?[a-zA-Z]*-?[a-zA-Z]*[msU]"),
        "the flags m, s and U are not supported",
    ),
    (
        re.compile(r".*(?:[^\x00-\x7f][*+?{]|\[[^]]*[^\x00-\x7f])", re.DOTALL),
        "a character beyond ASCII cannot be repeated or stand in brackets; put it in (?:...)",
    ),
)
_WINDOW = 64 * 1024  # bytes; bounds the memory for hits in a text that consists of hits


class Match(Protocol):
    """One match."""

    def span(self) -> tuple[int, int]:
        """Return the offsets of the first matched byte and behind the last."""

    def groupdict(self) -> dict[bytes, Optional[bytes]]:
        """Return the named groups."""


class Pattern(Protocol):
    """A compiled pattern."""

    groupindex: dict[bytes, int]

    def search(
        self, text: bytes, pos: Optional[int] = None, endpos: Optional[int] = None
    ) -> Optional[Match]:
        """Find the leftmost match in a part of the text."""


def compile_pattern(pattern: str) -> Pattern:
    """Compile one pattern with its groups; raises ParseError with what is wrong."""
    problem = pattern_problem(pattern)
    if problem is not None:
        raise ParseError(f"pattern {pattern!r}: {problem}")
    return _compile(_multi_line(pattern), captures=True)


class PatternSet:
    """Tells which of several patterns, all of them checked, match a text.

    Patterns that are too many or too large to be searched together are all candidates.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._count = len(patterns)
        self._any: Optional[Pattern] = None
        self._set: Optional[re2.Set] = re2.Set.SearchSet(_options(captures=False))
        try:
            for pattern in patterns:
                self._set.Add(_multi_line(pattern))
            self._set.Compile()
            alternatives = "|".join(f"(?:{pattern})" for pattern in patterns)
            self._any = _compile(_multi_line(alternatives), captures=False)
        except re2.error:
            self._set = None

    def matches(self, text: bytes, end: Optional[int] = None) -> bool:
        """Whether any pattern may match in ``text[:end]``; for certain if it says no."""
        if self._any is None or not self._count:
            return self._count > 0
        return self._any.search(text, 0, len(text) if end is None else end) is not None

    def candidates(self, text: bytes, end: int) -> Sequence[int]:
        """List the patterns that may match in ``text[:end]``; those not listed do not.

        RE2's set says "none" also when its memory does not suffice for a text; only the
        alternation of all patterns is believed when it says that.
        """
        if not self.matches(text, end):
            return ()
        if self._set is None:
            return range(self._count)
        matching: Optional[list[int]] = self._set.Match(memoryview(text)[:end])
        return sorted(matching) if matching else range(self._count)


@lru_cache(maxsize=1024)
def pattern_problem(pattern: str) -> Optional[str]:
    """Say what is wrong with a pattern; None if nothing is."""
    if len(pattern) > LONGEST_PATTERN:
        return f"longer than {LONGEST_PATTERN} characters"
    for refused, why in _REFUSED:
        if refused.match(pattern):
            return why
    try:
        _compile(pattern.encode(), captures=True)  # alone: "a)|(b" must not pass for being wrapped
        compiled = _compile(_multi_line(pattern), captures=True)
    except re2.error as error:
        text = error.args[0]
        return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    if compiled.search(b""):
        return "matches an empty line"
    return None


def _multi_line(pattern: str) -> bytes:
    return f"(?m:{pattern})".encode()


def _compile(pattern: bytes, *, captures: bool) -> Pattern:
    return cast("Pattern", re2.compile(pattern, _options(captures=captures)))


def _options(*, captures: bool) -> re2.Options:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.never_nl = True
    options.never_capture = not captures
    options.log_errors = False
    return options


class LineFinder:
    """Finds the lines of a chunk in which one of several signatures may match.

    The texts that signatures say their lines contain are searched for at once, with Aho and
    Corasick's algorithm; it reads a log ten times as fast as the patterns themselves. Only the
    patterns of signatures without texts are searched for as they are. All patterns are checked.
    """

    def __init__(self, signatures: Sequence[Signature]) -> None:
        wanted = sorted({text.encode() for s in signatures for text in s.contains})
        # Of the kinds of matches the one that is searched for with SIMD. A text inside another's
        # match is not reported, and stands on the same line.
        self._texts = BytesAhoCorasick(wanted, matchkind=MatchKind.LeftmostFirst)
        self._beyond = max(map(len, wanted), default=1) - 1
        without = [s.pattern for s in signatures if not s.contains]
        self._patterns = [compile_pattern(pattern) for pattern in without]
        self._set = PatternSet(without)

    def find(self, data: bytes, end: int) -> dict[int, int]:
        """Map where each such line of ``data[:end]`` begins to where it ends, in their order.

        Lines that are not listed match no pattern. A chunk begins with a line.
        """
        lines = self._with_texts(data, end)
        candidates = self._set.candidates(data, end)
        for index in candidates:
            _add_matches(self._patterns[index], data, end, lines)
        return dict(sorted(lines.items())) if candidates else lines

    def _with_texts(self, data: bytes, end: int) -> dict[int, int]:
        """Find the lines that contain a text. This is where most time goes."""
        lines: dict[int, int] = {}
        find, rfind, stop = data.find, data.rfind, 0
        for at in range(0, end, _WINDOW):
            window = data[at : min(end, at + _WINDOW + self._beyond)]
            for _, offset, _ in self._texts.find_matches_as_indexes(window):
                first = at + offset
                if first < stop:
                    continue
                start = rfind(b"\n", stop, first) + 1
                stop = find(b"\n", first, end)
                if stop < 0:
                    stop = end
                lines[start] = stop
        return lines


def _add_matches(pattern: Pattern, data: bytes, end: int, lines: dict[int, int]) -> None:
    """Add the bounds of each line in which a pattern matches."""
    pos = 0
    while pos < end:
        match = pattern.search(data, pos, end)
        if match is None:
            return
        first, behind = match.span()
        stop = data.find(b"\n", behind, end)
        stop = end if stop < 0 else stop
        lines[data.rfind(b"\n", pos, first) + 1 or pos] = stop
        pos = stop + 1
