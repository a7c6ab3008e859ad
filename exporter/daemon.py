"""The daemon's life: listen, become ready, reload when told, end when told."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Optional

import structlog

from exporter.registry import Registry
from exporter.reloading import Reloader
from exporter.web.server import Server
from exporter.web.site import settled
from exporter.worker import Worker

DRAIN_SECONDS = 5.0
WARM_UP_BUDGET_SECONDS = 9.5
WARM_UP_PAUSE_SECONDS = 1.0


class Daemon:
    """Serves until SIGTERM or SIGINT; SIGHUP reloads. Made and run in one event loop."""

    def __init__(self, reloader: Reloader) -> None:
        self._reloader = reloader
        self._stop = asyncio.Event()
        self._reload_wanted = asyncio.Event()
        self._next_reload: Optional[asyncio.Future[str]] = None
        self._worker = Worker("reload")
        self._warm_up: Optional[asyncio.Task[None]] = None

    def registry(self) -> Registry:
        """Return the collectors in force."""
        return self._reloader.current.registry

    def reload(self) -> asyncio.Future[str]:
        """Have the configuration read anew; the result is what is wrong, empty when nothing is.

        Whoever asks while a reload runs shares the one that follows it: never more than one
        waits, however many ask.
        """
        if self._next_reload is None:
            self._next_reload = asyncio.get_running_loop().create_future()
            self._reload_wanted.set()
        return self._next_reload

    async def run(self, server: Server, listeners: Sequence[socket.socket]) -> None:
        """Serve on these sockets until told to end; answers in work are finished."""
        self._handle_signals()
        self._reloader.current.start()
        server.start(listeners)
        for listener in listeners:
            host, port = listener.getsockname()[:2]
            structlog.get_logger().info("listening", address=f"{host}:{port}", port=port)
        self._begin_warm_up()
        reloads = asyncio.ensure_future(self._reload_when_told())
        await self._stop.wait()
        structlog.get_logger().info("ending")
        await server.close(DRAIN_SECONDS)
        reloads.cancel()
        self._reloader.current.stop()

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self.reload)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)

    async def _reload_when_told(self) -> None:
        while await self._reload_wanted.wait():
            self._reload_wanted.clear()
            wanted, self._next_reload = self._next_reload, None
            problem = await self._reload_in_thread()
            if not problem:
                self._begin_warm_up()
            if wanted is not None and not wanted.done():
                wanted.set_result(problem)

    async def _reload_in_thread(self) -> str:
        """Reload without holding up the answers: looking at the installation may take seconds."""
        result: Future[str] = Future()
        self._worker.submit(lambda: result.set_result(self._reloader.reload()))
        return await asyncio.wrap_future(result)

    def _begin_warm_up(self) -> None:
        if self._warm_up is not None:
            self._warm_up.cancel()
        self._warm_up = asyncio.ensure_future(self._until_ready())

    async def _until_ready(self) -> None:
        """Run the collectors until each has succeeded once, so that nobody has to scrape first."""
        registry = self.registry()
        while registry.not_ready:
            scrape = registry.begin(WARM_UP_BUDGET_SECONDS)
            await settled(scrape)
            scrape.families()  # logs what failed
            if registry.not_ready:
                await asyncio.sleep(WARM_UP_PAUSE_SECONDS)
        structlog.get_logger().info("ready")
