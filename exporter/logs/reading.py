"""Reading a file's new bytes into evidence, piece by piece; what fails is tried again later."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Callable, NamedTuple

import structlog

from exporter.logs.evidence import LogEvidence, Reading
from exporter.logs.facts import LogErrorReason, SourceActivity
from exporter.logs.listing import Trouble
from exporter.logs.logfile import LogFile, Piece, Position
from exporter.logs.matcher import LogMatcher, Scan
from exporter.logs.records import LONGEST_LINE

PIECE = 1024 * 1024  # bytes; what is searched at once
PIECES_A_TURN = 4
LINES_BELOW_SECONDS = 2.0
NEIGHBOUR_SECONDS = 60.0
FIRST_DELAY = 1.0  # seconds
LONGEST_DELAY = 60.0


class Moment(NamedTuple):
    """The time of a poll: since the epoch, and monotonic; and how far back a first look goes.

    ``last``: it is the last one, and what is open will not be seen again.
    """

    wall: float
    monotonic: float
    horizon: float
    last: bool = False


class Ending(NamedTuple):
    """``final``: what follows the last newline is a line. ``more``: lines may still come."""

    final: bool
    more: bool


def feed(matcher: LogMatcher, piece: Piece, position: Position, ending: Ending) -> Scan:
    """Have the piece at a position searched; nothing is counted of what is history there.

    Always gets on with a piece that does not reach the file's end.
    """
    start = _behind_junk(piece.data, skipping=position.skipping)
    if start < 0:
        return Scan([], len(piece.data), skipping=True)
    body, lead = piece.data[start:], piece.lead + piece.data[:start]
    count_from = position.history - piece.offset - start
    if len(body) >= LONGEST_LINE and b"\n" not in body:
        scan = matcher.scan(body[:LONGEST_LINE], lead, final=True, count_from=count_from)
        return Scan(scan.groups, len(piece.data), lines=1, long_lines=1, skipping=True)
    final, more = ending if piece.at_end else (False, True)
    scan = matcher.scan(body, lead, final=final, more=more, count_from=count_from)
    if not scan.consumed and not piece.at_end:
        scan = matcher.scan(body, lead, more=False, count_from=count_from)
    return scan._replace(consumed=start + scan.consumed)


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
        self, source: str, matcher: LogMatcher, evidence: LogEvidence, activity: SourceActivity
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
            scan = self.take(piece, file.position, ending, reading)
            file.advance(piece, scan.consumed, skipping=scan.skipping)
            any_found |= bool(scan.groups)
            if piece.at_end:
                file.tried = (file.size, file.position.offset, ending)
                break
        return any_found

    def take(self, piece: Piece, position: Position, ending: Ending, reading: Reading) -> Scan:
        """Have a piece searched, and pass on what is found in it.

        Before the history's end records older than the reading's ``not_before`` are of no
        interest; behind it all are.
        """
        old = piece.offset < position.history
        if not old:
            reading = reading._replace(not_before=0.0)
        scan = feed(self._matcher, piece, position, ending)
        head = self._matcher.first_head(piece.data) if old else None
        if head is not None:
            self._evidence.cover(self._source, head, reading)
        for group in scan.groups:
            self._evidence.take(self._source, group, reading)
        self._activity.lines += scan.lines
        self._activity.bytes += scan.consumed
        if scan.long_lines:
            self._activity.errors[LogErrorReason.LONG_LINE] += scan.long_lines
        return scan


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


@dataclass
class _Failing:
    reason: LogErrorReason
    delay: float
    not_before: float
    path: str


class RetryBackoff:
    """Remembers what fails; times are monotonic, in seconds."""

    def __init__(self, activity: Mapping[str, SourceActivity]) -> None:
        self._activity = activity
        self._failing: dict[Hashable, _Failing] = {}
        self._log = structlog.get_logger()

    def may_try(self, key: Hashable, now: float) -> bool:
        """Whether it is time to try something again that may have failed."""
        failing = self._failing.get(key)
        return failing is None or now >= failing.not_before

    def failed(self, key: Hashable, trouble: Trouble, now: float) -> None:
        """Count a failure, and say it if it is new or for a new reason."""
        before = self._failing.get(key)
        delay = min(before.delay * 2, LONGEST_DELAY) if before else FIRST_DELAY
        self._failing[key] = _Failing(trouble.reason, delay, now + delay, trouble.path)
        self._activity[trouble.source].errors[trouble.reason] += 1
        if before is None or before.reason is not trouble.reason:
            self._log.warning(
                "log cannot be read",
                source=trouble.source,
                path=trouble.path,
                reason=trouble.reason.value,
            )

    def worked(self, key: Hashable, path: str) -> None:
        """Say that something works again, if it had failed."""
        if self._failing.pop(key, None) is not None:
            self._log.info("log can be read again", path=path)

    def listed(self, troubles: Iterable[Trouble], now: float) -> None:
        """Take the troubles of a listing: all that fails there at the moment."""
        current: dict[Hashable, Trouble] = {
            ("listing", trouble.source, trouble.path): trouble for trouble in troubles
        }
        for key, trouble in current.items():
            if self.may_try(key, now):
                self.failed(key, trouble, now)
        for key in [k for k in self._failing if _is_of_listing(k) and k not in current]:
            self.worked(key, self._failing[key].path)

    def forget_unless(self, is_known: Callable[[Hashable], bool]) -> None:
        """Let go of files that are not known any more; what a listing told is not touched."""
        for key in [k for k in self._failing if not (_is_of_listing(k) or is_known(k))]:
            del self._failing[key]


def _is_of_listing(key: Hashable) -> bool:
    return isinstance(key, tuple) and key[0] == "listing"
