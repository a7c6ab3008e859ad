"""Whatever a writer does to its logs and whenever the follower dies, each record counts once."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.log_world import World

EXAMPLES = int(os.environ.get("CHAOS_EXAMPLES", "60"))

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
_follower = st.sampled_from(["poll", "poll", "kill", "stop", "restart", "kill and restart"])


def _play(world: World, steps: list[str], then: str) -> None:
    for step in steps:
        getattr(world, step)()
    if world.service is None:
        world.start()
        return
    if then == "poll":
        world.poll()
    elif "kill" in then:
        world.kill()
    else:
        world.stop()
    if "restart" in then:
        world.start()


@given(st.lists(st.tuples(_steps, _follower), min_size=1, max_size=6))
@settings(max_examples=EXAMPLES, deadline=None)
def test_each_record_is_counted_once(blocks: list[tuple[list[str], str]]) -> None:
    """Records out are records in, but exactly those that the book calls lost."""
    with tempfile.TemporaryDirectory() as base:
        world = World(Path(base))
        for steps, then in blocks:
            _play(world, steps, then)
        world.settle()
        assert world.wrong() == {}
        assert set(world.ledger.counted) <= set(world.written)
