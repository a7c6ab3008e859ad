"""The web server in a thread of the test, on a port of the kernel's choice."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future
from typing import Any, Callable, Optional, TypeVar, final

from exporter.scrape.metrics import Refusal
from exporter.web.connection import Limits
from exporter.web.messages import Handler, Request, Response, plain
from exporter.web.refusals import Refusals
from exporter.web.server import Server, open_listeners
from exporter.web.tls import Tls

PATIENCE_SECONDS = 30.0

T = TypeVar("T")


async def hello(request: Request) -> Response:
    """Answer with what was asked for."""
    return plain(200, f"{request.method} {request.path}")


class Gated:
    """A page that answers only once the test opens the gate; ``entered`` counts who waits."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self._gate: Future[None] = Future()
        self._gate.set_running_or_notify_cancel()

    async def __call__(self, _: Request) -> Response:
        """Wait at the gate."""
        self.entered.release()
        await asyncio.wrap_future(self._gate)
        return plain(200, "late")

    def wait_for(self, number: int) -> None:
        """Wait until so many more requests are at the gate."""
        assert all(self.entered.acquire(timeout=PATIENCE_SECONDS) for _ in range(number))

    def open(self) -> None:
        """Let all requests pass."""
        self._gate.set_result(None)


@final
class ServedSite:
    """A running server; ``close`` ends it as the daemon does, with a grace of its own."""

    def __init__(
        self,
        handler: Handler = hello,
        limits: Limits = Limits(),  # noqa: B008 -- frozen
        tls: Callable[[], Optional[Tls]] = lambda: None,
        host: str = "127.0.0.1",
    ) -> None:
        self.refusals = Refusals(time.monotonic)
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(lambda _, context: self._errors.append(context))
        self._errors: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self._listeners = open_listeners([(host, 0)])
        self.address: tuple[str, int] = self._listeners[0].getsockname()[:2]
        self._server = self.run(self._start(handler, limits, tls))

    def __enter__(self) -> ServedSite:
        return self

    def __exit__(self, *_: object) -> None:
        self.close(0.0)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(PATIENCE_SECONDS)
        self.loop.close()
        gc.collect()  # an error that nobody looked at is told when its task is collected
        assert not self._errors, self._errors

    def close(self, grace: float) -> None:
        """Stop accepting and end the connections."""
        self.run(self._server.close(grace))

    def begin_close(self, grace: float) -> Future[None]:
        """Begin to close, without waiting."""
        return asyncio.run_coroutine_threadsafe(self._server.close(grace), self.loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the server's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE_SECONDS)

    def settled(self) -> Mapping[Refusal, int]:
        """Wait until the server is done with all connections; returns what it refused."""
        self.run(self._settle())
        return self.refusals.counts

    async def _settle(self) -> None:
        await asyncio.gather(*self._server._clients, return_exceptions=True)

    def connect(self) -> socket.socket:
        """Open a client's connection."""
        return socket.create_connection(self.address, PATIENCE_SECONDS)

    def exchange(self, data: bytes) -> bytes:
        """Send bytes and read to the connection's end."""
        with self.connect() as client:
            client.sendall(data)
            return read_all(client)

    async def _start(
        self, handler: Handler, limits: Limits, tls: Callable[[], Optional[Tls]]
    ) -> Server:
        server = Server(handler, self.refusals, limits, tls)
        server.start(self._listeners)
        return server


def read_all(client: socket.socket) -> bytes:
    """Read until the server closes; a reset ends it, too."""
    received = b""
    try:
        while chunk := client.recv(65_536):
            received += chunk
    except ConnectionResetError:
        pass
    return received


def read_head(client: socket.socket) -> bytes:
    """Read one answer's head, and what came with it."""
    received = b""
    while b"\r\n\r\n" not in received and (chunk := client.recv(65_536)):
        received += chunk
    return received
