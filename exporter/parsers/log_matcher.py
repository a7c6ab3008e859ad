"""Chunks of a log → the records in them that have a signature.

A chunk is searched as a whole for any signature of its source, and only around a hit is there a
look at lines. Records come again and again, so that what a line means is remembered by its words,
and a chunk gives one group for all records that differ in nothing but their time.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import NamedTuple, Optional

from exporter.model.logs import RecordPrefix, Signature
from exporter.parsers.literals import required_literal
from exporter.parsers.log_lines import (
    LONGEST_LINE,
    Chunk,
    count_long_lines,
    decoded,
    details_below,
    head_above,
    records_of,
)
from exporter.parsers.log_record import Grammar, prefixes
from exporter.parsers.patterns import PatternSet, compile_pattern

_CM_TIME = len("2026-11-22 12:13:21.728")
_CM_MARK = b" tid="
_MEMORY = 4096  # lines whose meaning is remembered
_LONGEST_REMEMBERED = 1024  # bytes
_FAR = 16 * 1024  # bytes behind a line, within which the few lines below it surely are


class _Group:
    """Records of one chunk that differ in nothing but their time.

    ``counted`` is how many of them begin at or behind the chunk's ``count_from``; ``last`` is
    where the last one's line begins, ``below`` where the line below it does.
    """

    __slots__ = ("below", "counted", "fields", "last", "signature", "times", "zone")

    def __init__(self, signature: int, zone: bytes, fields: Mapping[str, str]) -> None:
        self.signature = signature
        self.zone = zone
        self.fields = fields
        self.times: list[bytes] = []
        self.counted = 0
        self.last = 0
        self.below = 0

    def add(self, time: bytes, start: int, stop: int, count_from: int) -> None:
        self.times.append(time)
        self.counted += start >= count_from
        self.last, self.below = start, stop + 1


class Found(NamedTuple):
    """Records of one chunk that differ in nothing but their time.

    ``times`` are in the order of the file and as written, empty where a record has none; ``zone``
    is what the records call their zone. ``counted`` is how many of them begin at or behind the
    chunk's ``count_from``.
    """

    signature: Signature
    times: Sequence[bytes]
    zone: bytes
    counted: int
    fields: Mapping[str, str]


class Scan(NamedTuple):
    """What one chunk gave, ordered by where the last record of each begins.

    The bytes behind ``consumed`` belong to a record that goes on.
    """

    found: list[Found]
    consumed: int
    lines: int
    long_lines: int


_Groups = dict[Hashable, Optional[tuple[_Group, ...]]]
_Meaning = tuple[tuple[int, Mapping[str, str]], ...]


class LogMatcher:
    """Finds the signatures of one source in chunks of its files. Not for several threads at once.

    ``inherits``: a line without a prefix belongs to the record above it, and has its time. Where
    several programs write into one file unasked, it has no time.
    Raises ParseError for a pattern that cannot be compiled.
    """

    def __init__(
        self, signatures: Sequence[Signature], grammars: Sequence[Grammar], *, inherits: bool = True
    ) -> None:
        self._signatures = tuple(signatures)
        self._grammars = tuple(grammars)
        self._inherits = inherits
        self._patterns = [compile_pattern(s.pattern) for s in signatures]
        self._has_fields = [bool(pattern.groupindex) for pattern in self._patterns]
        self._details = [[compile_pattern(d) for d in s.details] for s in signatures]
        self._literals = [required_literal(s.pattern) for s in signatures]
        self._set = PatternSet([s.pattern for s in signatures])
        self._memory: dict[bytes, Optional[_Meaning]] = {}

    def scan(
        self,
        data: bytes,
        lead: bytes = b"",
        *,
        final: bool = False,
        more: bool = True,
        count_from: int = 0,
    ) -> Scan:
        """Search the complete lines of a chunk that begins with a line.

        ``lead`` are bytes before the chunk. ``final``: what follows the last newline is a line,
        too. Unless ``more``, nothing is held back because lines that belong to it may follow.
        """
        end = len(data) if final else data.rfind(b"\n") + 1
        chunk = Chunk(data, end, lead, more and not final)
        groups: _Groups = {}
        for start, stop in self._hits(data, end):
            sightings = self._sightings(groups, chunk, start, stop)
            if chunk.more and any(self._goes_on(group, chunk, stop) for group, _ in sightings):
                end = start
                break
            for group, time in sightings:
                group.add(time, start, stop, count_from)
        lines = data.count(b"\n", 0, end) + (end > data.rfind(b"\n", 0, end) + 1)
        found = self._finish(groups, chunk._replace(end=end, more=False))
        return Scan(found, end, lines, count_long_lines(data, end))

    def use(self, grammars: Sequence[Grammar]) -> None:
        """Read prefixes by other grammars from now on."""
        self._grammars = tuple(grammars)
        self._memory.clear()

    def first_head(self, data: bytes) -> Optional[RecordPrefix]:
        """Find the first prefix of a record in the beginning of a chunk."""
        for line in data[:_FAR].split(b"\n"):
            heads = prefixes(line, self._grammars)
            if heads:
                return heads[0]
        return None

    def _hits(self, data: bytes, end: int) -> list[tuple[int, int]]:
        """Give the bounds of each line in which a signature may match, in their order."""
        lines: dict[int, int] = {}
        for index in self._set.candidates(data, end):
            pos = 0
            while pos < end:
                first, behind = self._next(index, data, pos, end)
                if first < 0:
                    break
                start = data.rfind(b"\n", pos, first) + 1 or pos
                stop = data.find(b"\n", behind, end)
                lines[start] = stop = stop if stop >= 0 else end
                pos = stop + 1
        return sorted(lines.items())

    def _next(self, index: int, data: bytes, pos: int, end: int) -> tuple[int, int]:
        """Find where a signature may match next; -1 if nowhere.

        Text that is part of every match is found much faster than the pattern itself.
        """
        literal = self._literals[index]
        if literal:
            found = data.find(literal, pos, end)
            return found, found + 1
        match = self._patterns[index].search(data, pos, end)
        return match.span() if match else (-1, -1)

    def _sightings(
        self, groups: _Groups, chunk: Chunk, start: int, stop: int
    ) -> list[tuple[_Group, bytes]]:
        """Give the groups that a line's records belong to, each with its record's time."""
        data, behind_time = chunk.data, start + _CM_TIME
        mark = behind_time + len(_CM_MARK)
        if data[behind_time:mark] == _CM_MARK and stop - start <= _LONGEST_REMEMBERED:
            words = data[data.find(b" ", mark, stop) : stop]
            known = groups.get(words)
            if known is None and words not in groups:
                known = self._known(groups, words, data[start:stop])
            if known is not None:
                time = data[start:behind_time]
                return [(group, time) for group in known]
        return self._unknown(groups, chunk, start, data[start : min(stop, start + LONGEST_LINE)])

    def _known(self, groups: _Groups, words: bytes, line: bytes) -> Optional[tuple[_Group, ...]]:
        """Give the groups of a CM record by its words; None if it is not alone on its line."""
        if words not in self._memory:
            heads = prefixes(line, self._grammars)
            alone = len(heads) == 1 and heads[0].start == 0 and line.endswith(words)
            if len(self._memory) >= _MEMORY:
                self._memory.clear()
            self._memory[words] = tuple(self._meaning(words)) if alone else None
        meaning = self._memory[words]
        groups[words] = None if meaning is None else tuple(_Group(i, b"", f) for i, f in meaning)
        return groups[words]

    def _unknown(
        self, groups: _Groups, chunk: Chunk, start: int, line: bytes
    ) -> list[tuple[_Group, bytes]]:
        """Give the groups of any line, with as many records as it may hold."""
        heads = prefixes(line, self._grammars)
        found = [
            (head, meaning)
            for head, text in records_of(line, heads)
            for meaning in self._meaning(text)
        ]
        if not found:  # a pattern that spans what we take for two records
            found = [(heads[0] if heads else None, meaning) for meaning in self._meaning(line)]
        sightings: list[tuple[_Group, bytes]] = []
        for head, (index, fields) in found:
            own = head or (head_above(chunk, start, self._grammars) if self._inherits else None)
            zone, time = (own.zone, own.time) if own else (b"", b"")
            key = (index, zone, tuple(fields.items()))
            known = groups.setdefault(key, (_Group(index, zone, fields),))
            sightings.extend((group, time) for group in known or ())
        return sightings

    def _meaning(self, text: bytes) -> Iterator[tuple[int, Mapping[str, str]]]:
        """Give the signatures of a text with their named groups."""
        for index in self._set.candidates(text, len(text)):
            match = self._patterns[index].search(text)
            if match:
                yield index, decoded(match.groupdict()) if self._has_fields[index] else {}

    def _goes_on(self, group: _Group, chunk: Chunk, stop: int) -> bool:
        """Whether lines that belong to a record may still be to come."""
        details = self._details[group.signature]
        if not details or chunk.end - stop > _FAR:
            return False
        return not details_below(chunk, stop + 1, details, self._grammars)[0]

    def _finish(self, groups: _Groups, chunk: Chunk) -> list[Found]:
        """Read what stands below the last record of each group, and bring them in order."""
        finished = []
        for group in sorted(
            (group for of_line in groups.values() for group in of_line or () if group.times),
            key=lambda group: group.last,
        ):
            fields, details = group.fields, self._details[group.signature]
            if details:
                fields = {**fields, **details_below(chunk, group.below, details, self._grammars)[1]}
            signature = self._signatures[group.signature]
            finished.append(Found(signature, group.times, group.zone, group.counted, fields))
        return finished
