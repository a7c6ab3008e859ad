"""Logs that rotate for ever and logs that grow fast; `make chaos` has the figures."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

from exporter.logs.reading import PIECE, PIECES_A_TURN
from tests.support.log_world import World

FILES = 500
ROTATIONS = 1000
KEPT = 80
AN_HOUR = 3601.0  # seconds; after it a file that went is forgotten
NOISE = 100  # objects; one file that is not let go of takes some ten


def _line(second: int, record: int = 7) -> bytes:
    time = f"2026-11-22 {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.000"
    return f"{time} tid=7 main LOG: REC {record} END\n".encode()


def _rotate(world: World, numbers: range) -> None:
    """Rotate several times between two looks; the oldest files are deleted."""
    for number in numbers:
        world.live.write_bytes(_line(number))
        world.live.rename(world.directory / f"app-{number:06}.log")
        (world.directory / f"app-{number - KEPT:06}.log").unlink(missing_ok=True)
        if number % (KEPT // 2) == 0:
            world.poll()
    for seconds in (1.0, AN_HOUR, 1.0):
        world.poll(seconds)


def _footprint(world: World) -> tuple[int, int, int]:
    """Tell the descriptors, the kilobytes of the state file, and the objects in memory."""
    gc.collect()
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 -- numbers, not paths
    return descriptors, world.state.stat().st_size // 1000, len(gc.get_objects())


def test_rotations_beside_many_files_leave_nothing_behind(tmp_path: Path) -> None:
    """Every record counts once, and the second half takes no more than the first did."""
    world = World(tmp_path)
    for number in range(FILES):
        (world.directory / f"app-side-{number}.log").write_bytes(_line(40_000 + number, 9))
    _rotate(world, range(1, ROTATIONS // 2))
    before = _footprint(world)
    _rotate(world, range(ROTATIONS // 2, ROTATIONS + 1))
    after = _footprint(world)
    world.close()
    assert world.ledger.counted == {7: ROTATIONS, 9: FILES}
    assert after[:2] == before[:2]
    assert after[2] <= before[2] + NOISE


def test_flood_in_one_file_keeps_no_other_waiting(tmp_path: Path) -> None:
    """A file that grows by more than a turn's worth is read in turns, between the others."""
    world = World(tmp_path)
    assert world.service is not None
    assert world.follower is not None
    turn = PIECE * PIECES_A_TURN
    flood = b"".join(_line(second, 8) for second in range(60_000)) * 4
    world.live.write_bytes(flood)
    (world.directory / "app-other.log").write_bytes(_line(70_000))
    assert world.service.step()
    assert world.ledger.counted[7] == 1
    assert world.follower.progress()["cm_agent"].lag == pytest.approx(len(flood) - turn, abs=PIECE)
    steps = 1
    while world.service.step():
        steps += 1
    assert steps == len(flood) // turn
    assert world.follower.progress()["cm_agent"].lag == 0
    assert world.ledger.counted == {7: 1, 8: flood.count(b"\n")}
    world.close()
