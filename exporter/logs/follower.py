"""Follows all logs: what `logfile` promises for one file, for all of them together."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Callable, NamedTuple, Optional, TypeVar

from exporter.errors import SourceError
from exporter.logs.archives import Archives
from exporter.logs.evidence import LogEvidence
from exporter.logs.facts import LogErrorReason, SourceActivity
from exporter.logs.listing import LogHost, LogLister, Pattern, Trouble, reason_of
from exporter.logs.logfile import LogFile
from exporter.logs.matcher import LogMatcher
from exporter.logs.reading import FileReader, Moment, RetryBackoff
from exporter.logs.table import FileTable, Originals, settle_copy, take_over

THOROUGH_SECONDS = 10.0
GONE_SECONDS = 10.0
IDLE_SECONDS = 60.0
MOST_OPEN = 256


T = TypeVar("T")


class Poll(NamedTuple):
    """What a poll did: whether records were found, and whether more is there to be read now."""

    found: bool
    more: bool


class LogFollower:
    """Follows the files of patterns. For one thread.

    ``patterns`` and ``horizon`` are asked when they are needed; the latter takes the time and tells
    how far back a first look goes, both since the epoch. At most MOST_OPEN files stay open.
    """

    def __init__(
        self,
        patterns: Callable[[], Sequence[Pattern]],
        matchers: Mapping[str, LogMatcher],
        evidence: LogEvidence,
        horizon: Callable[[float], float],
        *,
        host: LogHost,
    ) -> None:
        self.activity = {source: SourceActivity() for source in matchers}
        self._evidence = evidence
        self._patterns = patterns
        self._horizon = horizon
        self._most_open = MOST_OPEN
        self._readers = {
            source: FileReader(source, matcher, evidence, self.activity[source])
            for source, matcher in matchers.items()
        }
        self._backoff = RetryBackoff(self.activity)
        self._table = FileTable(host, evidence, self.activity)
        self._archives = Archives(host, self._table, self._readers, self._backoff)
        self._lister = LogLister(host)
        self._thorough_at = 0.0

    def poll(self, wall: float, monotonic: float, *, last: bool = False) -> Poll:
        """Look at everything once; ``wall`` is the time since the epoch.

        The ``last`` poll does not wait for what may still come to a file that is gone.
        """
        patterns = [p for p in self._patterns() if p.source in self._readers]
        thorough = monotonic >= self._thorough_at
        if thorough:
            self._thorough_at = monotonic + THOROUGH_SECONDS
        listing = self._lister.look(patterns, wall, thorough=thorough)
        self._backoff.listed(listing.troubles, monotonic)
        looks_back = any(p not in self._table.seen for p in patterns) or self._table.looks_back()
        moment = Moment(wall, monotonic, self._horizon(wall) if looks_back else wall, last)
        reopen = self._table.reconcile(listing, moment)
        # If a path leads to another file by now, the next listing will tell.
        self._each(reopen, monotonic, LogFile.open)
        self._each(self._open_files(), monotonic, lambda file: file.look(monotonic))
        self._settle(monotonic, thorough=thorough)
        found = self._read(moment)
        found |= self._archives.read(listing, moment)
        self._tidy(monotonic)
        self._backoff.forget_unless(
            lambda key: key in self._table.files or self._archives.is_unread(key)
        )
        self._table.seen.update((p, wall) for p in patterns if p not in listing.unreadable)
        return Poll(found, more=any(_has_more(file) for file in self._open_files()))

    def progress(self) -> dict[str, SourceActivity]:
        """Tell of each source what was done for it, and how far its files are read.

        Bytes that were seen, and wait for the rest of their line, are not behind.
        """
        progress = {source: self._progress(source) for source in self.activity}
        for file in self._table.present():
            position, activity = file.position, progress[file.position.source]
            activity.files += 1
            if not position.copy_of:
                activity.lag += max(0, file.size - position.offset - file.waiting)
        return progress

    def _progress(self, source: str) -> SourceActivity:
        done = self.activity[source]
        future = {LogErrorReason.FUTURE_TIME: self._evidence.future_times[source]}
        return replace(done, errors=done.errors + Counter(future))

    def looks_back(self) -> set[str]:
        """List the sources of which records older than the first look are still to be read."""
        positions = (file.position for file in self._table.present())
        return {p.source for p in positions if p.offset < p.history}

    def dump(self) -> dict[str, Any]:
        """Write down how far everything has been read, in JSON's types."""
        return {**self._table.dump(), **self._archives.dump()}

    def restore(self, dumped: Mapping[str, Any], now: float) -> None:
        """Know what was written down; raises ParseError, and changes nothing, if it is not that.

        ``now`` is monotonic.
        """
        archives = self._archives.parse(dumped)
        self._table.restore(dumped, now, self._readers)
        self._archives.restore(archives)

    def close(self) -> None:
        """Give all file descriptors back."""
        for file in self._open_files():
            file.close()

    def _open_files(self) -> list[LogFile]:
        return [file for file in self._table.files.values() if file.is_open]

    def _settle(self, now: float, *, thorough: bool) -> None:
        """Decide about new files and copies, then about what was truncated.

        A file that was rewritten within one tick of the file system's clock shows no change, and
        is found out at the next thorough look.
        """
        for file in self._open_files():
            if file.position.copy_of and file.changed:
                self._attempt(file, now, self._rewind_if_replaced)
        for file in self._open_files():
            if file.position.copy_of:
                self._attempt(file, now, self._settle_copy)
        for file in self._open_files():
            settled = not file.fresh and not file.position.copy_of
            if settled and (file.changed or thorough):
                self._attempt(file, now, self._rewind_if_replaced)
        if any(file.fresh for file in self._open_files()):
            self._settle_fresh(now)

    def _settle_fresh(self, now: float) -> None:
        """Decide about new files: which of them are copies."""
        predecessors, originals = self._table.predecessors(), Originals()
        self._each_fresh(now, lambda file: self._go_on(file, predecessors))
        self._each(self._open_files(), now, originals.add)
        self._each_fresh(now, originals.set_aside)

    def _go_on(self, file: LogFile, predecessors: list[LogFile]) -> None:
        predecessor = take_over(file, predecessors)
        if predecessor is not None:
            self._table.forget(predecessor)

    def _each_fresh(self, now: float, action: Callable[[LogFile], None]) -> None:
        fresh = [file for file in self._open_files() if file.fresh]
        self._each(sorted(fresh, key=lambda one: one.seniority), now, action)

    def _settle_copy(self, file: LogFile) -> None:
        original = self._table.with_content(file.position.copy_of)
        if file.changed or original is None or original.changed or not original.is_open:
            settle_copy(file, original)

    def _rewind_if_replaced(self, file: LogFile) -> None:
        """Begin a file again that does not have the content any more that was read of it."""
        same_file, file.verified = file.verified, True
        if file.is_intact():
            return
        self._table.remember_replaced(file)
        if not file.position.copy_of:
            self.activity[file.position.source].truncations += 1
        # A file that was not held open may be another one with its inode, and that a copy.
        file.fresh = bool(file.position.copy_of) or not same_file
        file.rewind(self._table.new_content())

    def _read(self, moment: Moment) -> bool:
        any_found = False
        for file in self._open_files():
            if file.fresh or file.position.copy_of:
                continue
            turn = partial(self._readers[file.position.source].turn, moment=moment)
            any_found |= self._attempt(file, moment.monotonic, turn) or False
            if file.is_open:
                self._backoff.worked(file.position.identity, file.position.path)
        return any_found

    def _each(
        self, files: Iterable[LogFile], now: float, action: Callable[[LogFile], object]
    ) -> None:
        for file in files:
            self._attempt(file, now, action)

    def _attempt(self, file: LogFile, now: float, action: Callable[[LogFile], T]) -> Optional[T]:
        """Do something with a file, unless it failed lately; None, and it is closed, on failure."""
        key = file.position.identity
        if not self._backoff.may_try(key, now):
            return None
        try:
            return action(file)
        except (OSError, SourceError) as error:
            reason = reason_of(error)
        if reason is not None:
            trouble = Trouble(file.position.source, file.position.path, reason)
            self._backoff.failed(key, trouble, now)
        with contextlib.suppress(OSError):
            file.close()
        file.distrust()
        if reason is LogErrorReason.FD_EXHAUSTED:
            self._shed(len(self._open_files()) // 2)
        return None

    def _tidy(self, now: float) -> None:
        """Close what has come to its end, and forget what went long ago."""
        self._table.note_newest()
        for file in self._open_files():
            quiet = now - file.changed_at
            ended = file.unlinked or not file.listed
            idle = file.position.retired or not file.newest
            patience = GONE_SECONDS if ended else IDLE_SECONDS
            if (ended or idle) and quiet >= patience and not _has_more(file):
                file.close()
        self._shed(self._most_open)
        self._table.forget_gone(now)

    def _shed(self, most: int) -> None:
        """Close files that are read to their end, those first that did not change for longest."""
        files = sorted(self._open_files(), key=lambda file: file.changed_at)
        for file in files[: max(0, len(files) - most)]:
            if not _has_more(file):
                file.close()


def _has_more(file: LogFile) -> bool:
    return not (file.drained or file.fresh or file.position.copy_of)
