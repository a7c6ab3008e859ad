"""What the follower promises of each thing that can happen to a log, one by one."""

from __future__ import annotations

import errno
import gzip
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from exporter.errors import ParseError
from exporter.logs.facts import LogErrorReason
from exporter.logs.listing import LogHost
from exporter.logs.logfile import Position, restore_position
from exporter.logs.records import LONGEST_LINE
from tests.support.directories import open_directory
from tests.support.log_world import World

NOBODY = 65534


class FaultyHost(LogHost):
    """A host whose calls fail when told to: the name of the call, and the error."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: dict[str, int] = {}
        self.calls: Counter[str] = Counter()

    def _maybe(self, call: str) -> None:
        self.calls[call] += 1
        if call in self.faults:
            raise OSError(self.faults[call], os.strerror(self.faults[call]))

    def names(self, directory: str) -> list[str]:
        """List, or fail."""
        self._maybe("names")
        return super().names(directory)

    def open(self, path: str) -> int:
        """Open, or fail."""
        self._maybe("open")
        return super().open(path)

    def pread(self, descriptor: int, size: int, offset: int) -> bytes:
        """Read, or fail."""
        self._maybe("pread")
        return super().pread(descriptor, size, offset)


@pytest.fixture
def host() -> FaultyHost:
    """Give a host that can be made to fail."""
    return FaultyHost()


@pytest.fixture
def world(tmp_path: Path, host: FaultyHost) -> Iterator[World]:
    """Give a world that has been looked at once, empty."""
    made = World(tmp_path, host)
    yield made
    if made.follower is not None:
        made.follower.close()


def _activity(world: World) -> tuple[int, int, Counter[LogErrorReason]]:
    assert world.follower is not None
    done = world.follower.activity["cm_agent"]
    return done.rotations, done.truncations, done.errors


def _check(world: World, *, rotations: int = 0, truncations: int = 0) -> None:
    """All that was written is counted once, but for what the book calls lost."""
    world.poll()
    assert world.wrong() == {}
    assert _activity(world)[:2] == (rotations, truncations)


def test_rename(world: World) -> None:
    """A renamed file is read to its end, and the new one from its beginning."""
    world.append(2)
    world.poll()
    world.append()
    world.rotate()
    world.append(2)
    _check(world, rotations=1)
    assert world.lost == []


def test_rename_twice_between_two_looks(world: World) -> None:
    """A file that came and was renamed between two looks is read, too."""
    world.append()
    world.poll()
    for _ in range(2):
        world.append(2)
        world.rotate()
    world.append()
    _check(world, rotations=1)
    assert world.lost == []


def test_rename_while_the_exporter_was_down(world: World) -> None:
    """What was written while nobody looked is counted once, in whatever file it is now."""
    world.append(2)
    world.poll()
    world.kill()
    world.append()
    world.rotate()
    world.append(2)
    world.start()
    _check(world, rotations=1)
    assert (world.lost, sum(world.ledger.counted.values())) == ([], 5)


def test_truncate(world: World) -> None:
    """Only what was written between the last look and the truncation is lost."""
    world.append(3)
    world.poll()
    world.append(2)
    world.truncate()
    world.append()
    _check(world, truncations=1)
    assert world.lost == [4, 5]


def test_truncate_and_regrow_past_the_old_offset(world: World) -> None:
    """A file that is longer than before and has another content is read from its beginning."""
    world.append(2)
    world.poll()
    world.truncate()
    world.append(9)
    _check(world, truncations=1)
    assert world.lost == []


def test_copytruncate(world: World) -> None:
    """What the original lost is read in its copy; what came in between is in neither."""
    world.append(2)
    world.poll()
    world.append(2)
    world.copy()
    world.append()
    world.truncate()
    world.append()
    _check(world, truncations=1)
    assert world.lost == [5]


def test_copytruncate_and_regrow_past_the_old_offset(world: World) -> None:
    """However fast the original grows again, the copy is read on and the original anew."""
    world.append(2)
    world.poll()
    world.append(2)
    world.copy()
    world.truncate()
    world.append(9)
    _check(world, truncations=1)
    assert world.lost == []


def test_copy_is_not_read_while_its_original_stands(world: World) -> None:
    """A backup of a live log counts nothing twice, however long both are there."""
    world.append(2)
    world.poll()
    world.copy()
    world.append()
    world.poll()
    world.append()
    _check(world)
    assert sum(world.ledger.counted.values()) == 4


def test_file_that_begins_like_a_neighbour_and_goes_on_differently_is_read(world: World) -> None:
    """What two files share counts once, and what comes after it in either of them, too."""
    world.append(2)
    world.poll()
    twin = world.directory / "app-twin.log"
    twin.write_bytes(world.live.read_bytes())
    world.poll()
    with twin.open("ab") as file:
        file.write(b"2026-11-22 12:00:00.000 tid=7 main LOG: REC 900 END\n" * 3)
    world.poll()
    world.append()
    world.poll()
    assert world.ledger.counted == {1: 1, 2: 1, 3: 1, 900: 3}


def test_delete(world: World) -> None:
    """A deleted file is read to its end, and its descriptor given back ten seconds later."""
    world.append(2)
    world.poll()
    world.append()
    world.delete()
    _check(world, rotations=1)
    assert world.lost == []
    assert world.follower is not None
    assert len(world.follower._open_files()) == 1
    world.poll(11)
    assert world.follower._open_files() == []


def test_late_file_and_late_directory(world: World) -> None:
    """What appears after the exporter's start counts from its first record."""
    world.directory.rmdir()
    world.poll()
    world.directory.mkdir()
    world.append(2)
    _check(world)
    assert sum(world.ledger.counted.values()) == 2


def test_directory_replaced(world: World) -> None:
    """The old directory's file is read to its end, and the new one's from its beginning."""
    world.append()
    world.poll()
    world.append()
    world.replace_directory()
    world.append()
    _check(world, rotations=1)
    assert world.lost == []


def test_old_file_that_is_moved_in_is_not_news(world: World) -> None:
    """A file that was written before the last look is not counted."""
    old = world.directory / "app-000001.log"
    old.write_bytes(b"2026-11-22 12:00:00.000 tid=7 main LOG: REC 77 END\n")
    os.utime(old, (time.time() - 3600, time.time() - 3600))
    world.poll()
    assert world.ledger.seen == {}


def test_link_to_another_directory(world: World) -> None:
    """When a directory is a link that is turned, the old file is read on and the new one anew."""
    real = world.directory.rename(world.directory.with_name("real-1"))
    world.directory.symlink_to(real.name)
    world.append()
    world.poll()
    world.append()
    other = world.directory.with_name("real-2")
    other.mkdir()
    world.directory.unlink()
    world.directory.symlink_to(other.name)
    world.current = None
    world.append(2)
    world.poll()
    assert world.ledger.counted == dict.fromkeys(world.written, 1)


def test_symbolic_link_is_one_file_with_its_target(world: World) -> None:
    """A link beside its target counts nothing twice; one that is turned elsewhere is followed."""
    world.append(2)
    (world.directory / "app-latest.log").symlink_to(world.live)
    world.poll()
    other = world.directory.parent / "elsewhere.log"
    other.write_bytes(b"2026-11-22 12:00:00.000 tid=7 main LOG: REC 500 END\n")
    (world.directory / "app-latest.log").unlink()
    (world.directory / "app-latest.log").symlink_to(other)
    world.poll()
    assert world.ledger.counted == {1: 1, 2: 1, 500: 1}


def test_archive_of_a_file_that_was_read(world: World) -> None:
    """Compressing a rotated file counts nothing again."""
    world.append(2)
    world.poll()
    world.rotate()
    world.append()
    world.poll()
    world.compress()
    for seconds in (1, 11, 61):
        world.poll(seconds)
    _check(world, rotations=1)


def test_archive_of_a_file_that_was_not_read_to_its_end(world: World) -> None:
    """What was rotated and compressed while the exporter was down is read on from where it was."""
    world.append(30)
    world.poll()
    world.kill()
    world.append(3)
    world.rotate()
    world.compress()
    world.append()
    world.start()
    world.poll()
    assert (world.wrong(), world.lost, sum(world.ledger.counted.values())) == ({}, [], 34)


def test_unknown_archive_counts_only_what_is_news(world: World) -> None:
    """Of an archive that nobody saw in its plain form, old records do not count."""
    world.append()
    world.poll()
    _, news = world._record()
    text = b"2026-11-22 12:00:00.000 tid=7 main LOG: REC 700 END\n" + news
    with gzip.open(world.directory / "app-000009.log.gz", "wb") as file:
        file.write(text)
    world.poll()
    assert world.ledger.counted == {1: 1, 2: 1}


def test_archive_beside_its_plain_form_counts_nothing(world: World) -> None:
    """While both forms exist only the plain one counts, and afterwards neither does again."""
    world.append(2)
    world.rotate()
    world.append()
    plain = world.directory / "app-000001.log"
    plain.with_name("app-000001.log.gz").write_bytes(gzip.compress(plain.read_bytes()))
    world.poll()
    plain.unlink()
    for seconds in (1, 11, 61):
        world.poll(seconds)
    assert world.ledger.counted == dict.fromkeys(world.written, 1)


def test_broken_archive_is_an_error_and_nothing_else(world: World) -> None:
    """What is no gzip file is counted by its reason, and tried again more rarely."""
    (world.directory / "app-000001.log.gz").write_bytes(b"no such thing")
    world.append()
    for _ in range(5):
        world.poll()
    assert world.wrong() == {}
    assert _activity(world)[2] == {LogErrorReason.BAD_ARCHIVE: 3}


def test_half_archive_is_read_when_it_is_whole(world: World) -> None:
    """An archive that is still being written counts once, when it is done."""
    _, data = world._record()
    whole, path = gzip.compress(data), world.directory / "app-000001.log.gz"
    path.write_bytes(whole[:-9])
    world.poll()
    path.write_bytes(whole)
    world.poll(61)
    assert world.ledger.counted == {1: 1}


def test_same_inode_number(world: World) -> None:
    """A new file with a deleted one's inode number is a new file."""
    world.append(2)
    world.poll()
    world.kill()
    world.recreate_with_same_inode()
    world.append(4)
    world.start()
    world.poll()
    assert world.wrong() == {}


def test_half_record_counts_when_it_is_whole(world: World) -> None:
    """A line without its newline waits, however often it is looked at."""
    world.write_half()
    for seconds in (1, 5, 100):
        world.poll(seconds)
    assert world.ledger.seen == {}
    world.append()
    _check(world)


def test_record_without_newline_in_a_renamed_file(world: World) -> None:
    """The last record of a file that was renamed counts after two quiet seconds."""
    world.append()
    world.poll()
    world.rotate_unterminated()
    world.append()
    world.poll()
    assert world.ledger.counted == {1: 1, 3: 1}
    world.poll(3)
    _check(world, rotations=1)


@pytest.mark.parametrize("jump", [-86_400.0, -60.0, 60.0, 86_400.0])
def test_clock_that_jumps_hides_no_new_file(world: World, jump: float) -> None:
    """What is written after the clock was set, forwards or back, counts once."""
    world.append(2)
    world.clock_is_ahead = -min(jump, 0)  # until now it was wrong, or is from now on
    world.poll()
    world.clock_is_ahead = max(jump, 0)
    world.rotate()
    world.append(2)
    written = time.time() + world.clock_is_ahead
    os.utime(world.live, (written, written))
    _check(world, rotations=1)


def test_clock_that_was_put_back_hides_no_archive(world: World) -> None:
    """An archive that appears then has its news counted."""
    world.clock_is_ahead = 86_400.0
    world.poll()
    world.clock_is_ahead = 0.0
    _, news = world._record()
    with gzip.open(world.directory / "app-000009.log.gz", "wb") as file:
        file.write(news)
    world.poll()
    assert world.ledger.counted == {1: 1}


def test_huge_line_is_passed_over_in_pieces(world: World) -> None:
    """Of a line of a megabyte the first 64 KiB count, the rest does not, and the next line does."""
    number, data = world._record(end=b"")
    world._put(data + b"x" * 400_000)
    world.poll()
    assert world.ledger.counted == {number: 1}
    world._put(b"x" * 600_000 + b"REC 999 END\n")
    world.poll()
    world.append()
    world.poll()
    assert world.ledger.counted == {1: 1, 2: 1}
    assert _activity(world)[2] == {LogErrorReason.LONG_LINE: 1}


def test_huge_line_while_the_exporter_was_down(world: World) -> None:
    """Inside a huge line a restart changes nothing."""
    _, data = world._record(end=b"")
    world._put(data + b"x" * (LONGEST_LINE + 5))
    world.poll()
    world.kill()
    world._put(b"REC 999 END\n")
    world.start()
    world.append()
    world.poll()
    assert world.ledger.counted == {1: 1, 2: 1}


def test_hole_of_nul_bytes_hides_no_record(world: World) -> None:
    """A writer with its own offset leaves a hole when its file is truncated; text follows."""
    world.append(3)
    world.poll()
    size = world.live.stat().st_size
    _, data = world._record()
    with world.live.open("rb+") as file:
        file.truncate(0)
        file.seek(size + 3_000_000)
        file.write(data)
    world.poll()
    assert world.ledger.counted == {1: 1, 2: 1, 3: 1, 4: 1}
    assert _activity(world)[1] == 1


def test_nul_bytes_and_bad_utf8_inside_a_line_are_text(world: World) -> None:
    """Rubbish around a record hides nothing."""
    world._put(b"\xff\xfe\0\xc3( REC 5 END \0\0\xff\n")
    world.poll()
    assert world.ledger.seen == {5: 1}


@pytest.mark.parametrize(
    ("call", "number", "reason"),
    [
        ("open", errno.EACCES, LogErrorReason.PERMISSION_DENIED),
        ("open", errno.EMFILE, LogErrorReason.FD_EXHAUSTED),
        ("open", errno.ENFILE, LogErrorReason.FD_EXHAUSTED),
        ("pread", errno.ESTALE, LogErrorReason.STALE_HANDLE),
        ("pread", errno.EIO, LogErrorReason.IO_ERROR),
        ("names", errno.EACCES, LogErrorReason.PERMISSION_DENIED),
    ],
)
def test_error_is_counted_said_once_and_overcome(
    world: World, host: FaultyHost, call: str, number: int, reason: LogErrorReason
) -> None:
    """What cannot be read is tried again ever more rarely; then no record is missing."""
    with structlog.testing.capture_logs() as said:
        world.append(2)
        host.faults[call] = number
        for _ in range(30):
            world.poll()
    assert 4 <= _activity(world)[2][reason] <= 6
    assert [event["reason"] for event in said if event["event"] == "log cannot be read"] == [
        reason.value
    ]
    with structlog.testing.capture_logs() as said:
        host.faults.clear()
        world.append()
        world.poll(61)
        world.poll()
    assert [event["event"] for event in said] == ["log can be read again"]
    assert world.ledger.counted == {1: 1, 2: 1, 3: 1}


@pytest.mark.privileged
@pytest.mark.parametrize("closed", ["the file", "its directory", "the directory above"])
def test_what_the_kernel_refuses_is_told(closed: str) -> None:
    """An unprivileged user's refusal is counted by its reason, said once, and overcome."""
    with open_directory() as base:
        world = World(base / "logs")
        places = {"its directory": world.directory, "the directory above": base / "logs"}
        world.append(2)
        place = places.get(closed, world.live)
        allowed = place.stat().st_mode & 0o777
        place.chmod(0o700)
        assert world.follower is not None
        with structlog.testing.capture_logs() as said, _as_nobody():
            for _ in range(30):
                world.monotonic += 1
                world.follower.poll(time.time(), world.monotonic)
        place.chmod(allowed | 0o055)
        with structlog.testing.capture_logs() as then, _as_nobody():
            world.follower.poll(time.time(), world.monotonic + 61)
        reasons = _activity(world)[2]
        world.close()
    assert list(reasons) == [LogErrorReason.PERMISSION_DENIED]
    assert 4 <= reasons[LogErrorReason.PERMISSION_DENIED] <= 6
    assert [(each["event"], each["reason"]) for each in said] == [
        ("log cannot be read", "permission_denied")
    ]
    assert [each["event"] for each in then] == ["log can be read again"]
    assert world.ledger.counted == {1: 1, 2: 1}


@contextmanager
def _as_nobody() -> Iterator[None]:
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_file_that_cannot_be_read_is_lag(world: World, host: FaultyHost) -> None:
    """Bytes that are there and cannot be read are shown as such."""
    host.faults["open"] = errno.EACCES
    world.append(2)
    world.poll()
    assert world.follower is not None
    assert world.follower.progress()["cm_agent"].lag == world.live.stat().st_size
    host.faults.clear()
    world.poll(61)
    assert world.follower.progress()["cm_agent"].lag == 0


def test_half_line_is_no_lag(world: World) -> None:
    """A writer that died inside a line does not look like a stalled reader."""
    world.write_half()
    world.poll()
    assert world.follower is not None
    assert world.follower.progress()["cm_agent"].lag == 0


def test_unreadable_directory_keeps_its_files(world: World, host: FaultyHost) -> None:
    """A directory that cannot be listed for a while does not make its files look removed."""
    world.append(2)
    world.poll()
    host.faults["names"] = errno.EACCES
    world.append()
    world.poll(11)
    host.faults.clear()
    world.append()
    world.poll(61)
    _check(world)


def test_file_that_vanishes_while_it_is_looked_at_is_no_error(
    world: World, host: FaultyHost
) -> None:
    """What is gone between the listing and the opening is quietly gone."""
    host.faults["open"] = errno.ENOENT
    world.append()
    with structlog.testing.capture_logs() as said:
        world.poll()
    assert (said, _activity(world)[2]) == ([], {})


def test_pipe_is_not_opened(world: World, host: FaultyHost) -> None:
    """What is no regular file is an error, and never waited for."""
    os.mkfifo(world.directory / "app-pipe.log")
    host.calls.clear()
    world.poll()
    assert host.calls["open"] == 0
    assert _activity(world)[2] == {LogErrorReason.NOT_A_FILE: 1}


def test_more_files_than_may_be_open(tmp_path: Path) -> None:
    """Files beyond the bound are closed and still followed."""
    world = World(tmp_path)
    assert world.follower is not None
    world.follower._most_open = 4
    for number in range(20):
        path = world.directory / f"app-{number}.log"
        path.write_bytes(f"2026-11-22 12:00:00.000 tid=7 main LOG: REC {number} END\n".encode())
    world.poll()
    assert len(world.follower._open_files()) == 4
    for number in range(20):
        with (world.directory / f"app-{number}.log").open("ab") as file:
            file.write(f"2026-11-22 12:00:00.000 tid=7 main LOG: REC {number} END\n".encode())
    world.poll(11)
    assert world.ledger.counted == dict.fromkeys(range(20), 2)
    world.follower.close()


def test_when_descriptors_run_out_half_are_given_back(world: World, host: FaultyHost) -> None:
    """The rest of the process needs some, too; the files are followed all the same."""
    for number in range(8):
        path = world.directory / f"app-{number}.log"
        path.write_bytes(f"2026-11-22 12:00:0{number}.000 tid=7 main LOG: REC 7 END\n".encode())
    world.poll()
    host.faults["open"] = errno.EMFILE
    world.append()
    world.poll()
    assert world.follower is not None
    assert len(world.follower._open_files()) == 4
    host.faults.clear()
    for number in range(8):
        with (world.directory / f"app-{number}.log").open("ab") as file:
            file.write(b"2026-11-22 12:01:00.000 tid=7 main LOG: REC 7 END\n")
    world.poll(11)
    assert world.ledger.counted == {7: 16, 1: 1}


def test_idle_look_opens_and_lists_nothing(world: World, host: FaultyHost) -> None:
    """When nothing has changed, a look costs a few stat calls."""
    world.append(3)
    world.poll(11)
    os.utime(world.directory, (time.time() - 60, time.time() - 60))
    world.poll()
    host.calls.clear()
    world.poll()
    assert host.calls == {}


_POSITION = Position("cm_agent", "/x", 1, 2, 3, copy_of=4).dump()


@pytest.mark.parametrize(
    "damage",
    [
        {"offset": -1},
        {"offset": "3"},
        {"offset": True},
        {"skipping": 0},
        {"path": None},
        {"copy_of": None, "extra": 1},
    ],
)
def test_position_that_is_none_is_refused(damage: dict[str, object]) -> None:
    """A state that was tampered with is an error."""
    assert restore_position(_POSITION) == Position("cm_agent", "/x", 1, 2, 3, copy_of=4)
    with pytest.raises(ParseError):
        restore_position({**_POSITION, **damage})


def test_position_without_a_key_is_refused() -> None:
    """So is one of an earlier or later version."""
    lacking = {key: value for key, value in _POSITION.items() if key != "tail"}
    wrongs: list[object] = [lacking, None, [], 3]
    for wrong in wrongs:
        with pytest.raises(ParseError):
            restore_position(wrong)
