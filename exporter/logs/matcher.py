"""Chunks of a log → the records in them that have a signature.

A chunk is searched as a whole for lines that may have a signature of its source, and only these
are looked at. Records come again and again, so that what a line means is remembered by its words,
and a chunk gives one group for all records that differ in nothing but their time.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Optional

from exporter.config.schema import Signature
from exporter.logs.facts import RecordPrefix
from exporter.logs.patterns import LineFinder, PatternSet, compile_pattern
from exporter.logs.records import (
    LONGEST_LINE,
    Chunk,
    Grammar,
    count_long_lines,
    decoded,
    details_below,
    head_above,
    prefixes,
    records_of,
)

_CM_TIME = len("2026-11-22 12:13:21.728")
_CM_MARK = b" tid="
_MEMORY = 4096  # lines whose meaning is remembered
_LONGEST_REMEMBERED = 1024  # bytes
_FAR = 16 * 1024  # bytes behind a line, within which the few lines below it surely are


@dataclass
class RecordGroup:
    """Records of one chunk that differ in nothing but their time.

    ``times`` are in the order of the file and as written, empty where a record has none; ``zone``
    is what the records call their zone. ``old`` is how many of them begin before the chunk's
    ``count_from``; ``last`` is where the last one's line begins.
    """

    signature: Signature
    zone: bytes
    fields: Mapping[str, str]
    times: list[bytes] = field(default_factory=list)
    old: int = 0
    last: int = 0

    @property
    def counted(self) -> int:
        """How many of them begin at or behind the chunk's ``count_from``."""
        return len(self.times) - self.old


class Scan(NamedTuple):
    """What one chunk gave, ordered by where the last record of each group begins.

    The bytes behind ``consumed`` belong to a record that goes on. ``skipping``: the chunk ends
    inside a line that is too long, of which the rest is to be passed over.
    """

    groups: list[RecordGroup]
    consumed: int
    lines: int = 0
    long_lines: int = 0
    skipping: bool = False


_Groups = dict[Hashable, Optional[tuple[RecordGroup, ...]]]
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
        self._details = {s.id: [compile_pattern(d) for d in s.details] for s in signatures}
        self._set = PatternSet([s.pattern for s in signatures])
        self._lines = LineFinder(signatures)
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
        end = self._gather(groups, chunk, count_from)
        lines = data.count(b"\n", 0, end) + (end > data.rfind(b"\n", 0, end) + 1)
        finished = self._finish(groups, chunk._replace(end=end, more=False))
        return Scan(finished, end, lines, count_long_lines(data, end))

    def _gather(self, groups: _Groups, chunk: Chunk, count_from: int) -> int:
        """Sort all records into groups; give the end of what could be read for good.

        This runs once for every hit: it is written for speed.
        """
        data, end = chunk.data, chunk.end
        near_end = end - _FAR if chunk.more else end
        for start, stop in self._lines.find(data, end).items():
            behind_time = start + _CM_TIME
            of_line = None
            if data[behind_time : behind_time + len(_CM_MARK)] == _CM_MARK:
                words = data[data.find(b" ", behind_time + len(_CM_MARK), stop) : stop]
                of_line = groups.get(words)
                if of_line is None and words not in groups:
                    of_line = groups[words] = self._groups_by_words(words, data[start:stop])
            if of_line is not None and count_from <= start and stop <= near_end:  # nearly all
                time = data[start:behind_time]
                for group in of_line:
                    group.times.append(time)
                    group.last = start
            elif not self._gather_one(groups, chunk, (start, stop), of_line, count_from):
                return start
        return end

    def _gather_one(
        self,
        groups: _Groups,
        chunk: Chunk,
        line: tuple[int, int],
        of_line: Optional[tuple[RecordGroup, ...]],
        count_from: int,
    ) -> bool:
        """Sort the records of a line that needs a closer look; False if more of it is to come."""
        start, stop = line
        if of_line is None:
            text = chunk.data[start : min(stop, start + LONGEST_LINE)]
            sightings = self._unknown(groups, chunk, start, text)
        else:
            time = chunk.data[start : start + _CM_TIME]
            sightings = [(group, time) for group in of_line]
        near_end = chunk.more and stop > chunk.end - _FAR
        if near_end and any(self._goes_on(group, chunk, stop) for group, _ in sightings):
            return False
        for group, time in sightings:
            group.times.append(time)
            group.last = start
            group.old += start < count_from
        return True

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

    def _groups_by_words(self, words: bytes, line: bytes) -> Optional[tuple[RecordGroup, ...]]:
        """Make the groups of a CM record by its words; None if it is not alone on its line."""
        if words not in self._memory:
            self._remember(words, line)
        meaning = self._memory.get(words)
        return (
            None
            if meaning is None
            else tuple(RecordGroup(self._signatures[i], b"", f) for i, f in meaning)
        )

    def _remember(self, words: bytes, line: bytes) -> None:
        if len(line) > _LONGEST_REMEMBERED:
            return
        if len(self._memory) >= _MEMORY:
            self._memory.clear()
        self._memory[words] = self._meaning_alone(words, line)

    def _meaning_alone(self, words: bytes, line: bytes) -> Optional[_Meaning]:
        """Give the meaning of the words of a CM record if it is alone on its line."""
        if not self._set.matches(line):
            return ()
        heads = prefixes(line, self._grammars)
        alone = len(heads) == 1 and heads[0].start == 0 and line.endswith(words)
        return tuple(self._meaning(words)) if alone else None

    def _unknown(
        self, groups: _Groups, chunk: Chunk, start: int, line: bytes
    ) -> list[tuple[RecordGroup, bytes]]:
        """Give the groups of any line, with as many records as it may hold."""
        if not self._set.matches(line):
            return []
        heads = prefixes(line, self._grammars)
        records = [
            (head, meaning)
            for head, text in records_of(line, heads)
            for meaning in self._meaning(text)
        ]
        if not records:  # a pattern that spans what we take for two records
            records = [(heads[0] if heads else None, meaning) for meaning in self._meaning(line)]
        sightings: list[tuple[RecordGroup, bytes]] = []
        for head, (index, fields) in records:
            own = head or (head_above(chunk, start, self._grammars) if self._inherits else None)
            zone, time = (own.zone, own.time) if own else (b"", b"")
            key = (index, zone, tuple(fields.items()))
            of_key = groups.setdefault(key, (RecordGroup(self._signatures[index], zone, fields),))
            sightings.extend((group, time) for group in of_key or ())
        return sightings

    def _meaning(self, text: bytes) -> Iterator[tuple[int, Mapping[str, str]]]:
        """Give the signatures of a text with their named groups."""
        for index in self._set.candidates(text, len(text)):
            match = self._patterns[index].search(text)
            if match:
                yield index, decoded(match.groupdict()) if self._has_fields[index] else {}

    def _goes_on(self, group: RecordGroup, chunk: Chunk, stop: int) -> bool:
        """Whether lines that belong to a record may still be to come."""
        details = self._details[group.signature.id]
        if not details or chunk.end - stop > _FAR:
            return False
        return not details_below(chunk, stop + 1, details, self._grammars)[0]

    def _finish(self, groups: _Groups, chunk: Chunk) -> list[RecordGroup]:
        """Read what stands below the last record of each group, and bring them in order."""
        finished = [group for of_line in groups.values() for group in of_line or () if group.times]
        for group in finished:
            details = self._details[group.signature.id]
            if details:
                below = chunk.data.find(b"\n", group.last) + 1 or chunk.end
                fields = details_below(chunk, below, details, self._grammars)[1]
                group.fields = {**group.fields, **fields}
        return sorted(finished, key=lambda group: group.last)
