"""Whatever a writer does to its logs and whenever the follower dies, each record counts once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.log_world import World

EXAMPLES = int(os.environ.get("FUZZ_INPUTS", "600")) // 10

WRITER = [
    "append",
    "write_half",
    "rotate",
    "rotate_unterminated",
    "truncate",
    "copy",
    "delete",
    "compress",
    "replace_directory",
    "recreate_with_same_inode",
]
_steps = st.lists(st.sampled_from([*WRITER, "append", "append"]), min_size=3, max_size=6)
_follower = st.sampled_from(
    ["poll", "poll", "kill", "kill while looking", "stop", "restart", "kill and restart"]
)
_killed_before = st.none() | st.integers(0, 5)  # which of the writer's steps


def _play(world: World, steps: list[str], then: str, killed_before: Optional[int] = None) -> None:
    for number, step in enumerate(steps):
        if number == killed_before and world.service is not None:
            world.kill()
        getattr(world, step)()
    if world.service is None:
        world.start()
        return
    if then == "poll":
        world.poll()
    elif then == "kill while looking":
        world.kill_while_looking()
    elif "kill" in then:
        world.kill()
    else:
        world.stop()
    if "restart" in then:
        world.start()


_Block = tuple[list[str], str, Optional[int]]


def _check(blocks: Sequence[_Block]) -> None:
    with tempfile.TemporaryDirectory() as base:
        world = World(Path(base))
        for block in blocks:
            _play(world, *block)
        world.settle()
        world.close()
        assert world.wrong() == {}
        assert set(world.ledger.counted) <= set(world.written)


@given(st.lists(st.tuples(_steps, _follower, _killed_before), min_size=1, max_size=6))
@settings(max_examples=EXAMPLES, deadline=None)
def test_each_record_is_counted_once(blocks: list[_Block]) -> None:
    """Records out are records in, but exactly those that the book calls lost."""
    _check(blocks)


# The file system decides whether an inode number comes again, and with it what some of these try.
FOUND = {
    "a copy was compressed, its original grew and was emptied": [
        "append, copy, append, compress: poll",
        "append, append, rotate: kill",
    ],
    "a copy stayed behind its original": [
        "append, copy, append: poll",
        "rotate_unterminated: kill and restart",
    ],
    "a copy was compressed, and its number given to another file": [
        "append, copy, append: poll",
        "compress, rotate_unterminated: kill",
    ],
    "an archive is longer than what was read of its file": [
        "append, copy: poll",
        "rotate_unterminated, compress: kill",
        "compress: poll",
        "rotate_unterminated: poll",
        "compress: poll",
    ],
    "half a record was left by a truncation, and copied": [
        "append, append, write_half, write_half, truncate, copy: stop",
    ],
    "a file of which nothing was read has its number given to another": [
        "rotate_unterminated: restart",
        "compress, write_half, copy: poll",
    ],
    "a file of which a few bytes were read has its number given to another": [
        "write_half: poll",
        "recreate_with_same_inode, append: restart",
        "copy: poll",
    ],
    "a file that was not read was compressed": [
        "rotate_unterminated, write_half: poll",
        "copy, recreate_with_same_inode: poll",
        "compress: kill and restart",
    ],
    "half a record looks like the beginning of an archive": [
        "write_half: poll",
        "replace_directory, append: poll",
        "rotate_unterminated, compress: restart",
    ],
    "half a record looks like a copy, and goes on otherwise": [
        "append, rotate, write_half: stop",
        "compress, recreate_with_same_inode: poll",
    ],
    "half a record looks like a copy, and is replaced by one": [
        "append, rotate, write_half: poll",
        "delete: restart",
        "append, copy: poll",
    ],
}


@pytest.mark.parametrize("blocks", FOUND.values(), ids=FOUND)
def test_form_that_was_once_counted_wrong(blocks: list[str]) -> None:
    """What the search above has found stays mended."""
    split = (block.split(": ") for block in blocks)
    _check([(steps.split(", "), then, None) for steps, then in split])
