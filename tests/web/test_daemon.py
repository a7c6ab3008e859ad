"""The daemon and the manager that started it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from socket import socket
from typing import cast

import pytest

from exporter.host.service_manager import ServiceManager
from exporter.scrape.registry import Registry
from exporter.web.daemon import Daemon
from exporter.web.reloading import Reloader
from exporter.web.server import Server

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


class Faulty(Stage):
    """An application that is ready, a server of it, and a reload that goes wrong."""

    look = None
    not_ready = ()

    def start(self, listeners: Sequence[socket] = ()) -> None:
        """Be started, as an application and as a server."""
        self.told.append(f"started {len(listeners)}")

    async def close(self, drain: float) -> None:
        """Finish the answers in work."""
        self.told.append(f"closed within {drain:g} s")

    def reload(self) -> str:
        """Fail as nobody thought of."""
        raise LookupError("not thought of")

    def stop(self) -> None:
        """Be stopped."""
        self.told.append("stopped")


async def fed(stalled_for: float) -> list[str]:
    """Let the watchdog's task look a few times; returns what the manager heard."""
    stage = Stage(stalled_for, watchdog_seconds=0.04)
    daemon = Daemon(cast("Reloader", stage), cast("ServiceManager", stage))
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


async def reload_once(told: list[str]) -> None:
    """Run a daemon, and have it reload."""
    stage = Faulty(stalled_for=0.0, watchdog_seconds=60.0)
    stage.told = told
    daemon = Daemon(cast("Reloader", stage), cast("ServiceManager", stage))
    running = asyncio.ensure_future(daemon.run(cast("Server", stage), []))
    reload = asyncio.ensure_future(daemon.reload())
    try:
        await asyncio.wait_for(running, 30)
    finally:
        reload.cancel()


def test_a_failure_that_nobody_thought_of_ends_the_daemon_in_order() -> None:
    """It answers to the end, stops what runs, and says what it was, instead of living on deaf."""
    told: list[str] = []
    with pytest.raises(LookupError, match="not thought of"):
        asyncio.run(reload_once(told))
    assert told[-3:] == ["STOPPING=1", "closed within 5 s", "stopped"]
