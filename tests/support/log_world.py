"""A writer of logs, a follower beside it, and what must be counted in the end.

Every record has a number. The writer's steps keep the book: which records are still to be seen
in which file, and which are lost by the nature of what was done to them.
"""

from __future__ import annotations

import gzip
import itertools
import os
import shutil
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Optional

from exporter.config.schema import Signature
from exporter.host.clock import Clock
from exporter.logs.evidence import LogEvidence, Reading
from exporter.logs.facts import LogSnapshot, RecordPrefix
from exporter.logs.follower import LogFollower
from exporter.logs.listing import LogHost, Pattern
from exporter.logs.logfile import RECOGNISABLE
from exporter.logs.matcher import LogMatcher, RecordGroup
from exporter.logs.records import CM, epoch, stamp_of
from exporter.logs.service import LogService, StateFile

SIGNATURE = Signature("record", ("cm_agent",), r"REC (?P<n>\d+) END")


class Ledger(LogEvidence):
    """Evidence that knows every single record."""

    def __init__(self) -> None:
        super().__init__([SIGNATURE], lambda: timezone.utc)
        self.counted: Counter[int] = Counter()
        self.seen: Counter[int] = Counter()

    def take(self, source: str, group: RecordGroup, reading: Reading) -> None:
        """Count as the real evidence does."""
        del source
        number = int(group.fields["n"])
        self.seen[number] += len(group.times)
        for text in group.times:
            stamp = stamp_of(text, b"")
            since = reading.count_since
            if since is None:
                continue
            if stamp and epoch(stamp, timezone.utc, reading.now) >= since:
                self.counted[number] += 1
        if reading.count_since is None:
            self.counted[number] += group.counted

    def cover(self, source: str, head: RecordPrefix, reading: Reading) -> None:
        """Not of interest here."""

    def cover_from(self, source: str, time: float) -> None:
        """Remember it as the real evidence does."""
        self.covered_since.setdefault(source, time)

    def snapshot(self) -> LogSnapshot:
        """Show nothing."""
        return LogSnapshot()

    def dump(self) -> dict[str, Any]:
        """Write the book down."""
        return {"counted": list(self.counted.items()), "seen": list(self.seen.items())}

    def restore(self, dumped: Mapping[str, Any]) -> None:
        """Take the book up again."""
        self.counted = Counter(dict(dumped["counted"]))
        self.seen = Counter(dict(dumped["seen"]))


@dataclass
class Physical:
    """One file, whatever its name: what is in it, and what the follower has still to see.

    ``held``: the follower has it open.
    """

    path: Optional[Path]
    content: list[int] = field(default_factory=list)
    pending: list[int] = field(default_factory=list)
    held: bool = False
    unterminated: Optional[int] = None


class World:
    """A directory with a live log, its writer, and a follower."""

    def __init__(self, base: Path, host: Optional[LogHost] = None) -> None:
        self.directory = base / "log"
        self.directory.mkdir(parents=True)
        self.state = base / "state" / "positions.json"
        self.live = self.directory / "app-current.log"
        self.host = host or LogHost()
        self.monotonic = 100.0
        self.clock_is_ahead = 0.0
        self.clock = datetime.now(timezone.utc)
        self.numbers = itertools.count(1)
        self.names = itertools.count(1)
        self.files: list[Physical] = []
        self.current: Optional[Physical] = None
        self.half = b""
        self.half_number = 0
        self.written: list[int] = []
        self.lost: list[int] = []
        self.uncertain: list[int] = []
        self.tails: list[int] = []
        self.copied = False
        self.service: Optional[LogService] = None
        self.follower: Optional[LogFollower] = None
        self.ledger = Ledger()
        self.start()
        self.poll()

    # --- the writer

    def _record(self, *, end: bytes = b"\n") -> tuple[int, bytes]:
        number = next(self.numbers)
        self.written.append(number)
        # No two have one time: no two files of a program begin within one millisecond.
        self.clock = max(datetime.now(timezone.utc), self.clock + timedelta(milliseconds=1))
        now = self.clock.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        return number, f"{now} tid=7 main LOG: REC {number} END".encode() + end

    def _put(self, data: bytes) -> Physical:
        if self.current is None:
            self.current = Physical(self.live)
            self.files.append(self.current)
        with self.live.open("ab") as file:
            file.write(data)
        return self.current

    def _finish_half(self) -> None:
        if self.half:
            current = self._put(self.half + b"\n")
            if self.half_number:
                current.content.append(self.half_number)
                current.pending.append(self.half_number)
            self.half, self.half_number = b"", 0

    def append(self, count: int = 1, *, end: bytes = b"\n") -> None:
        """Write some records."""
        self._finish_half()
        for _ in range(count):
            number, data = self._record(end=end)
            current = self._put(data)
            current.content.append(number)
            current.pending.append(number)

    def write_half(self) -> None:
        """Write the first part of a record, cut somewhere."""
        self._finish_half()
        number, data = self._record(end=b"")
        cut = 1 + number * 7 % (len(data) - 1)
        self._put(data[:cut])
        self.half, self.half_number = data[cut:], number

    def rotate(self) -> None:
        """Rename the live file, as CM does; the next record makes a new one."""
        self._finish_half()
        self._finish_copy()
        if self.current is not None and self.current.path is not None:
            target = self.directory / f"app-{next(self.names):06}.log"
            self.live.rename(target)
            self.current.path = target
            self.current = None

    def rotate_unterminated(self) -> None:
        """Rename the live file when its last record has no newline."""
        self.append(1, end=b"")
        assert self.current is not None
        self.current.unterminated = self.current.content[-1]
        self.rotate()

    def truncate(self) -> None:
        """Empty the live file; what nobody saw is gone, unless a copy has it."""
        if self.current is None:
            return
        os.truncate(self.live, 0)
        self.copied = False
        copies = [f for f in self.files if f is not self.current and f.path is not None]
        for number in self.current.pending:
            copy = next((f for f in copies if number in f.content), None)
            (copy.pending if copy else self.lost).append(number)
        self.current.pending, self.current.content = [], []
        if self.half_number and b"REC" not in self.half:  # what names it is gone
            self.lost.append(self.half_number)
            self.half_number = 0
        elif self.half_number:  # its time is gone: in an archive that is all that tells its age
            self.uncertain.append(self.half_number)
            if len(self.half) < RECOGNISABLE:
                self.tails.append(self.half_number)

    def copy(self) -> None:
        """Copy the live file to a rotated name: the first half of copytruncate."""
        if self.current is not None and not self.copied:
            self._finish_half()
            target = self.directory / f"app-{next(self.names):06}.log"
            shutil.copy(self.live, target)
            self.files.append(Physical(target, list(self.current.content)))
            self.copied = True

    def _finish_copy(self) -> None:
        """Truncate what was copied: a copy and its original are not both kept under new names."""
        if self.copied:
            self.truncate()

    def delete(self) -> None:
        """Unlink the live file; what the follower holds open it can still read."""
        if self.current is not None:
            self._finish_copy()
            self._drop_half()
            self.live.unlink()
            self._vanish(self.current)
            self.current = None

    def _drop_half(self) -> None:
        if self.half_number:
            self.lost.append(self.half_number)
        self.half, self.half_number = b"", 0

    def _vanish(self, file: Physical) -> None:
        file.path = None
        if file.unterminated is not None:
            self.uncertain.append(file.unterminated)
        if not file.held:
            self.lost.extend(file.pending)
            file.pending = []

    def compress(self) -> None:
        """Compress the oldest rotated file, as cm_agent does."""
        rotated = [
            f for f in self.files if f.path and f.path != self.live and f.path.suffix == ".log"
        ]
        if rotated:
            file = rotated[0]
            assert file.path is not None
            target = file.path.with_name(file.path.name + ".gz")
            with file.path.open("rb") as plain, gzip.open(target, "wb") as packed:
                shutil.copyfileobj(plain, packed)
            file.path.unlink()
            file.path = target

    def replace_directory(self) -> None:
        """Move the whole directory away, and make a new one."""
        self._finish_copy()
        self._drop_half()
        self.directory.rename(self.directory.with_name(f"old-{next(self.names)}"))
        self.directory.mkdir()
        for file in self.files:
            self._vanish(file)
        self.current = None

    def recreate_with_same_inode(self) -> None:
        """Delete the live file, and make a new one with its inode number, if that can be had."""
        if self.current is None:
            self.append()
        wanted = self.live.stat().st_ino
        self.delete()
        spares = []
        for attempt in range(64):
            spare = self.directory / f"spare-{attempt}"
            spare.touch()
            if spare.stat().st_ino == wanted:
                spare.rename(self.live)
                self.current = Physical(self.live)
                self.files.append(self.current)
                break
            spares.append(spare)
        for spare in spares:
            spare.unlink()

    # --- the follower

    def start(self) -> None:
        """Start a follower with what the last one wrote down."""
        self.ledger = Ledger()
        self.follower = LogFollower(
            lambda: [Pattern("cm_agent", str(self.directory / "app-*.log"))],
            {"cm_agent": LogMatcher([SIGNATURE], (CM,))},
            self.ledger,
            horizon=lambda _: 0.0,
            host=self.host,
        )
        self.service = LogService(
            self.follower,
            self.ledger,
            StateFile(self.state, "this host"),
            Clock(lambda: self.monotonic, lambda: time.time() + self.clock_is_ahead),
        )
        self.service.open()

    def poll(self, seconds: float = 1.0) -> None:
        """Have the follower look until there is nothing more to be read."""
        self.monotonic += seconds
        assert self.service is not None
        while self.service.step():
            pass
        for file in self.files:
            if file.path is not None or file.held:
                file.pending = []
            file.held = file.path is not None and file.path.suffix != ".gz"

    def kill(self) -> None:
        """SIGKILL the follower: nothing more is written down."""
        self.close()
        self.service = self.follower = None
        for file in self.files:
            file.held = False
            if file.path is None:
                self.lost.extend(file.pending)
                file.pending = []

    def kill_while_looking(self) -> None:
        """SIGKILL the follower when it has read, and has not written that down."""
        assert self.follower is not None
        self.monotonic += 1
        self.follower.poll(time.time(), self.monotonic)
        self.kill()

    def close(self) -> None:
        """Give the follower's descriptors back, as its end does."""
        assert self.follower is not None
        assert self.service is not None
        self.follower.close()
        assert self.service._state is not None
        self.service._state.unlock()

    def stop(self) -> None:
        """Stop the follower properly."""
        assert self.service is not None
        self.poll()
        self.service.step(last=True)
        self.service.close()
        self.service = self.follower = None
        for file in self.files:
            file.held = False

    def settle(self) -> None:
        """Let all that waits come to its end."""
        if self.service is None:
            self.start()
        self.append()
        later = time.time() + 2
        os.utime(self.live, (later, later))
        for seconds in (1, 3, 11, 61, 61):
            self.poll(seconds)

    def wrong(self) -> dict[int, int]:
        """Tell which records were not counted as they must be, and how often they were.

        Each counts once, but those that are lost. A record without a newline is one only after
        two quiet seconds: if its file vanishes, it may be counted or not. What a truncation left
        of a record may be too little to know its file by, and then counts again in a copy.
        """
        unsure, lost, tails = set(self.uncertain), set(self.lost), set(self.tails)
        counted = self.ledger.counted
        return {
            number: counted[number]
            for number in self.written
            if counted[number] != (number not in lost)
            and not (number in unsure and counted[number] <= 1 + (number in tails))
        }
