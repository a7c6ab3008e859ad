"""Reading a file's new bytes into evidence, piece by piece."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from exporter.logs.evidence import Reading
from exporter.logs.facts import LogErrorReason, RecordPrefix
from exporter.logs.lines import LONGEST_LINE
from exporter.logs.logfile import LogFile, Piece
from exporter.logs.matcher import Found, LogMatcher

PIECE = 1024 * 1024  # bytes; what is searched at once
PIECES_A_TURN = 4
LINES_BELOW_SECONDS = 2.0
NEIGHBOUR_SECONDS = 60.0


class EvidenceSink(Protocol):
    """Takes what the records tell."""

    def take(self, source: str, found: Found, reading: Reading) -> None:
        """Add the records of one group."""

    def cover(self, source: str, head: RecordPrefix, reading: Reading) -> None:
        """Know that the records of a source are seen from this one on."""


@dataclass
class Activity:
    """What was done for one source since the exporter started."""

    lines: int = 0
    bytes: int = 0
    rotations: int = 0
    truncations: int = 0
    errors: Counter[LogErrorReason] = field(default_factory=Counter)


class Moment(NamedTuple):
    """The time of a poll: since the epoch, and monotonic; and how far back a first look goes.

    ``last``: it is the last one, and what is open will not be seen again.
    """

    wall: float
    monotonic: float
    horizon: float
    last: bool = False


class Fed(NamedTuple):
    """What a matcher made of a piece; ``skipping``: the piece ends inside a line too long."""

    found: list[Found]
    consumed: int
    skipping: bool = False
    lines: int = 0
    long_lines: int = 0


class Progress(Protocol):
    """Where the reading of a text is, as far as it decides what the next piece means."""

    @property
    def skipping(self) -> bool:
        """Whether the next piece begins inside a line of which the rest is passed over."""

    @property
    def history(self) -> int:
        """The offset before which records are older than the first look."""


class Ending(NamedTuple):
    """``final``: what follows the last newline is a line. ``more``: lines may still come."""

    final: bool
    more: bool


def feed(matcher: LogMatcher, piece: Piece, *, skipping: bool, ending: Ending, history: int) -> Fed:
    """Have a piece searched; ``history`` is the offset before which nothing is counted.

    Always gets on with a piece that does not reach the file's end.
    """
    start = _behind_junk(piece.data, skipping=skipping)
    if start < 0:
        return Fed([], len(piece.data), skipping=True)
    body, lead = piece.data[start:], piece.lead + piece.data[:start]
    count_from = history - piece.offset - start
    if len(body) >= LONGEST_LINE and b"\n" not in body:
        scan = matcher.scan(body[:LONGEST_LINE], lead, final=True, count_from=count_from)
        return Fed(scan.found, len(piece.data), skipping=True, lines=1, long_lines=1)
    final, more = ending if piece.at_end else (False, True)
    scan = matcher.scan(body, lead, final=final, more=more, count_from=count_from)
    if not scan.consumed and not piece.at_end:
        scan = matcher.scan(body, lead, more=False, count_from=count_from)
    return Fed(scan.found, start + scan.consumed, lines=scan.lines, long_lines=scan.long_lines)


def _behind_junk(data: bytes, *, skipping: bool) -> int:
    """Find where lines begin, behind the rest of a huge one and a hole; -1 for not in here."""
    start = data.find(b"\n") + 1 if skipping else 0
    if skipping and not start:
        return -1
    if data.startswith(b"\0", start):
        return len(data) - len(data[start:].lstrip(b"\0"))
    return start


class FileReader:
    """Reads files with the matcher of their source, and counts what it does."""

    def __init__(
        self, source: str, matcher: LogMatcher, evidence: EvidenceSink, activity: Activity
    ) -> None:
        self._source = source
        self._matcher = matcher
        self._evidence = evidence
        self._activity = activity

    def turn(self, file: LogFile, moment: Moment) -> bool:
        """Read on for some pieces; whether records were found. May raise OSError."""
        ending = _ending(file, moment)
        attempt = (file.size, file.position.offset, ending)
        if file.position.offset >= file.size or file.tried == attempt:
            return False
        any_found = False
        for _ in range(PIECES_A_TURN):
            piece = file.read(PIECE)
            if piece is None:
                file.distrust()
                break
            reading = Reading(moment.wall, file.mtime, moment.horizon)
            fed = self.take(piece, file.position, ending, reading)
            file.advance(piece, fed.consumed, skipping=fed.skipping)
            any_found |= bool(fed.found)
            if piece.at_end:
                file.tried = (file.size, file.position.offset, ending)
                break
        return any_found

    def take(self, piece: Piece, progress: Progress, ending: Ending, reading: Reading) -> Fed:
        """Have a piece searched, and pass on what is found in it.

        Before the history's end records older than the reading's ``not_before`` are of no
        interest; behind it all are.
        """
        old = piece.offset < progress.history
        if not old:
            reading = reading._replace(not_before=0.0)
        fed = feed(
            self._matcher,
            piece,
            skipping=progress.skipping,
            ending=ending,
            history=progress.history,
        )
        head = self._matcher.first_head(piece.data) if old else None
        if head is not None:
            self._evidence.cover(self._source, head, reading)
        for found in fed.found:
            self._evidence.take(self._source, found, reading)
        self._activity.lines += fed.lines
        self._activity.bytes += fed.consumed
        if fed.long_lines:
            self._activity.errors[LogErrorReason.LONG_LINE] += fed.long_lines
        return fed


def _ending(file: LogFile, moment: Moment) -> Ending:
    quiet = moment.monotonic - file.changed_at
    gone = file.unlinked or not file.listed
    if gone and moment.last:
        return Ending(final=True, more=False)
    ended = file.position.retired or gone
    final = (ended and quiet >= LINES_BELOW_SECONDS) or (
        not file.newest and quiet >= NEIGHBOUR_SECONDS
    )
    return Ending(final, more=quiet < LINES_BELOW_SECONDS)
