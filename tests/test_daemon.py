"""The daemon and the manager that started it."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from exporter.daemon import Daemon
from exporter.registry import Registry
from exporter.reloading import Reloader

BEATS = 3


class Stage:
    """A registry that was stalled for some time, and a manager who writes down what he hears."""

    def __init__(self, stalled_for: float, watchdog_seconds: float) -> None:
        self.watchdog_seconds = watchdog_seconds
        self.told: list[str] = []
        self.looks = 0
        self.enough = asyncio.Event()
        self._stalled_for = stalled_for

    @property
    def current(self) -> Stage:
        """The application in force."""
        return self

    @property
    def registry(self) -> Stage:
        """Its collectors."""
        return self

    def stalled_for(self) -> float:
        """Answer, and count the questions."""
        self.looks += 1
        if self.looks > BEATS:
            self.enough.set()
        return self._stalled_for

    def tell(self, state: str) -> None:
        """Write it down."""
        self.told.append(state)


async def fed(stalled_for: float) -> list[str]:
    """Let the watchdog's task look a few times; returns what the manager heard."""
    stage = Stage(stalled_for, watchdog_seconds=0.04)
    daemon = Daemon(cast("Reloader", stage), stage)
    assert daemon.registry() is cast("Registry", stage)
    task = asyncio.ensure_future(daemon._feed_watchdog())
    await asyncio.wait_for(stage.enough.wait(), 30)
    task.cancel()
    return stage.told


@pytest.mark.parametrize(
    ("stalled_for", "heard"), [(0.0, {"WATCHDOG=1"}), (0.019, {"WATCHDOG=1"}), (0.02, set())]
)
def test_the_watchdog_is_fed_only_while_collectors_make_progress(
    stalled_for: float, heard: set[str]
) -> None:
    """Collectors that hang for half the watchdog's time leave it hungry."""
    assert set(asyncio.run(fed(stalled_for))) == heard
