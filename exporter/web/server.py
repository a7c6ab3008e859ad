"""Listens, accepts, and keeps the number of clients bounded."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator, Sequence
from typing import Callable, Optional, cast

import structlog

from exporter.errors import ListenError
from exporter.scrape.metrics import Refusal
from exporter.web.connection import Connection, Limits
from exporter.web.messages import Handler
from exporter.web.refusals import Refusals
from exporter.web.tls import Tls

ACCEPT_PAUSE_SECONDS = 1.0
_BACKLOG = 128


class Server:
    """Serves ``handler`` on sockets that listen already. For one event loop.

    When all places are taken, a new client gets that of the oldest one without a request in work,
    first of those that were never answered: slow clients cannot keep a scraper out.
    ``tls`` is asked at every accept, so that a renewed certificate counts from the next one.
    A client whose certificate is not admitted is closed without an answer.
    """

    def __init__(
        self,
        handler: Handler,
        refusals: Refusals,
        limits: Limits = Limits(),  # noqa: B008 -- frozen
        tls: Callable[[], Optional[Tls]] = lambda: None,
    ) -> None:
        self._handler = handler
        self._refusals = refusals
        self._limits = limits
        self._tls = tls
        # in the order in which they came; first the task is at the TLS handshake, then at requests
        self._clients: dict[asyncio.Task[None], Connection] = {}
        self._accepting: list[asyncio.Task[None]] = []
        self._listeners: list[socket.socket] = []

    def start(self, listeners: Sequence[socket.socket]) -> None:
        """Accept on these from now on; they become ours."""
        for listener in listeners:
            listener.setblocking(False)  # noqa: FBT003 -- the socket module's own signature
            self._listeners.append(listener)
            self._accepting.append(asyncio.ensure_future(self._accept(listener)))

    async def close(self, grace: float) -> None:
        """Stop accepting, give requests in work ``grace`` seconds to be answered, end the rest."""
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        for listener in self._listeners:
            listener.close()
        for task, connection in self._clients.items():
            if connection.busy:
                connection.closing = True
            else:
                task.cancel()
        if self._clients:
            _, late = await asyncio.wait(tuple(self._clients), timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(listener)
            except OSError as error:  # out of file descriptors, most likely: others may free some
                structlog.get_logger().warning("cannot accept connections", error=str(error))
                await asyncio.sleep(ACCEPT_PAUSE_SECONDS)
                continue
            self._admit(accepted)
            await asyncio.sleep(0)  # an accept that need not wait would not let anyone else work

    def _admit(self, accepted: socket.socket) -> None:
        peer = _peer(accepted)
        if len(self._clients) >= self._limits.connections and not self._make_room(peer):
            accepted.close()
            return
        connection = Connection(peer, self._handler, self._limits, self._refusals)
        task = asyncio.ensure_future(self._serve(connection, accepted))
        self._clients[task] = connection
        task.add_done_callback(lambda _: self._forget(task, accepted))

    def _forget(self, task: asyncio.Task[None], accepted: socket.socket) -> None:
        self._clients.pop(task, None)
        accepted.close()  # of a task that was cancelled before it began nobody else would

    def _make_room(self, peer: str) -> bool:
        """Drop the client that loses least; False when every one has a request in work."""
        self._refusals.add(Refusal.CONNECTION_LIMIT, peer, f"{self._limits.connections} are open")
        waiting = [task for task, connection in self._clients.items() if not connection.busy]
        if not waiting:
            return False
        # the first, so the oldest, of those that never got an answer, or else of all
        victim = min(waiting, key=lambda task: self._clients[task].served > 0)
        del self._clients[victim]
        victim.cancel()
        return True

    async def _serve(self, connection: Connection, accepted: socket.socket) -> None:
        streams = await self._open(connection.peer, accepted)
        if streams is not None:
            await connection.serve(*streams)

    async def _open(
        self, peer: str, accepted: socket.socket
    ) -> Optional[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        loop = cast(asyncio.BaseEventLoop, asyncio.get_running_loop())
        reader = asyncio.StreamReader(limit=self._limits.header_bytes, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        tls = self._tls()
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol,
                accepted,
                ssl=tls.context if tls else None,
                ssl_handshake_timeout=self._limits.header if tls else None,
            )
        except OSError as error:  # of a handshake: a socket that is open already cannot fail
            accepted.close()
            self._refusals.add(Refusal.TLS, peer, str(error) or type(error).__name__)
            return None
        if tls and not tls.admits(transport.get_extra_info("peercert") or {}):
            transport.abort()
            self._refusals.add(Refusal.TLS, peer, "the certificate's names are not allowed")
            return None
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def _peer(accepted: socket.socket) -> str:
    try:
        return address_text(accepted.getpeername())
    except OSError:  # gone already
        return ""


def open_listeners(addresses: Sequence[tuple[str, int]]) -> list[socket.socket]:
    """Listen on every address; raises ListenError, with nothing left open, when one cannot be had.

    An empty host is every address of the node, IPv6 included where the node has it.
    """
    opened: list[socket.socket] = []
    try:
        for host, port in addresses:
            opened.extend(_listen(host, port))
    except OSError as error:
        for listener in opened:
            listener.close()
        resolving = isinstance(error, socket.gaierror)  # has numbers of its own
        reason = error.strerror if resolving else os.strerror(error.errno or 0)
        raise ListenError(f"cannot listen on {host}:{port}: {reason}") from error
    return opened


def address_text(name: Sequence[object]) -> str:
    """Write a socket's address as ``host:port``, an IPv6 host in brackets."""
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


def _listen(host: str, port: int) -> Iterator[socket.socket]:
    if not host and socket.has_dualstack_ipv6():
        yield socket.create_server(
            ("::", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True
        )
        return
    host = host or "0.0.0.0"  # noqa: S104 -- that is what was asked for
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, address in dict.fromkeys((family, address) for family, *_, address in addresses):
        yield socket.create_server(address, family=family, backlog=_BACKLOG)
