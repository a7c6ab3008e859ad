"""The daemon's life: listen, become ready, reload on request, end on request."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import Coroutine, Sequence
from typing import Any, Callable, Optional, TypeVar

import structlog

from exporter.host.service_manager import ServiceManager
from exporter.host.worker import Worker
from exporter.scrape.registry import Registry
from exporter.web.reloading import Reloader
from exporter.web.server import Server, address_text
from exporter.web.site import settled

DRAIN_SECONDS = 5.0
STOP_SECONDS = 10.0
WARM_UP_BUDGET_SECONDS = 9.5
WARM_UP_PAUSE_SECONDS = 1.0
LOOK_SECONDS = 5.0

T = TypeVar("T")


class Daemon:
    """Serves until SIGTERM or SIGINT; SIGHUP reloads. Made and run in one event loop.

    The manager's watchdog is fed by this loop, and only while collectors make progress: a daemon
    whose loop or whose collectors all hang is restarted by it.
    """

    def __init__(self, reloader: Reloader, manager: ServiceManager) -> None:
        self._reloader = reloader
        self._manager = manager
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failure: Optional[BaseException] = None
        self._reloading = asyncio.Lock()
        self._next_reload: Optional[asyncio.Task[str]] = None
        self._worker = Worker("reload")
        self._warm_up: Optional[asyncio.Task[None]] = None

    def registry(self) -> Registry:
        """Return the collectors in force."""
        return self._reloader.current.registry

    async def reload(self) -> str:
        """Have the configuration read anew; returns what is wrong, empty when nothing is.

        Whoever asks while a reload runs shares the one that follows it: never more than one
        waits, however many ask.
        """
        return await asyncio.shield(self._want_reload())  # who goes away must not cancel it

    def _want_reload(self) -> asyncio.Task[str]:
        if self._next_reload is None:
            self._next_reload = self._in_background(self._reload())
        return self._next_reload

    async def _reload(self) -> str:
        async with self._reloading:
            self._next_reload = None
            before = self.registry()
            problem = await self._in_thread(self._reloader.reload)
            if self.registry() is not before:
                self._begin_warm_up()
            return problem

    async def run(self, server: Server, listeners: Sequence[socket.socket]) -> None:
        """Serve on these sockets until told to end; answers in work are finished.

        Ends by itself, and raises what it was, when one of the works in the background fails: a
        manager starts it again, and nothing goes on without its reloads or its watchdog.
        """
        self._handle_signals()
        self._reloader.current.start()
        server.start(listeners)
        for listener in listeners:
            name = listener.getsockname()
            structlog.get_logger().info("listening", address=address_text(name), port=name[1])
        self._manager.tell("READY=1")
        self._begin_warm_up()
        self._in_background(self._look_at_files())
        self._in_background(self._feed_watchdog())
        await self._stop.wait()
        self._manager.tell("STOPPING=1")
        structlog.get_logger().info("ending")
        await server.close(DRAIN_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.wait_for(self._in_thread(self._reloader.stop), STOP_SECONDS)
        if self._failure is not None:
            raise self._failure

    def _in_background(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin it; a failure of it ends the daemon."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._end_after_failure)
        return task

    def _end_after_failure(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception():
            self._failure = self._failure or task.exception()
            self._stop.set()

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._want_reload)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)

    async def _look_at_files(self) -> None:
        """Notice new certificates and users, whose files nobody reloads by hand."""
        while self._reloader.look is not None:
            await asyncio.sleep(LOOK_SECONDS)
            await self._in_thread(self._reloader.look)

    async def _feed_watchdog(self) -> None:
        patience = self._manager.watchdog_seconds
        while patience is not None:
            if self.registry().stalled_for() < patience / 2:
                self._manager.tell("WATCHDOG=1")
            await asyncio.sleep(patience / 4)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        """Run what may take seconds without holding up the answers; one call after the other."""
        return await asyncio.wrap_future(self._worker.submit(call))

    def _begin_warm_up(self) -> None:
        if self._warm_up is not None:
            self._warm_up.cancel()
        self._warm_up = self._in_background(self._until_ready())

    async def _until_ready(self) -> None:
        """Run the collectors until each has succeeded once, so that nobody has to scrape first."""
        registry = self.registry()
        while registry.not_ready:
            scrape = registry.begin(WARM_UP_BUDGET_SECONDS)
            await settled(scrape)
            scrape.families()  # logs what failed
            if registry.not_ready:
                await asyncio.sleep(WARM_UP_PAUSE_SECONDS)
        _settle_memory()
        structlog.get_logger().info("ready")


def _settle_memory() -> None:
    """Take what is there now out of the garbage collector's sight, for it stays to the end.

    To look through it took 30 ms time and again, in the middle of a page (docs/adr/0032). What an
    earlier configuration left is collected first.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
