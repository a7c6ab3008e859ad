"""One client's connection: requests one after the other, each step with a time limit.

h11 parses and frames; this module moves the bytes. What a client may cost is bounded: the header
in size and time, the body in size and time, the answer in time, the pause between two requests.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Optional

import h11
import structlog

from exporter.scrape.metrics import Refusal
from exporter.web.messages import Handler, Request, Response, plain
from exporter.web.refusals import Refusals

_CHUNK = 16 * 1024


@dataclass(frozen=True)
class Limits:
    """What clients may cost: times in seconds, sizes in bytes.

    ``idle`` is for the pause between two requests of one connection: Prometheus keeps its
    connection open from scrape to scrape. ``header`` also bounds a TLS handshake.
    """

    header: float = 10.0
    idle: float = 300.0
    write: float = 30.0
    linger: float = 1.0
    header_bytes: int = 16 * 1024
    body_bytes: int = 64 * 1024
    connections: int = 512


class _RefusedError(Exception):
    """The request is answered with the reason, and the connection is closed."""

    def __init__(self, status: int, reason: Refusal, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.reason = reason


class Connection:
    """Serves one client until it leaves, errs, or is too slow.

    ``busy`` is true from a request's last byte to its answer's, ``served`` counts the answers.
    Set ``closing`` to have the next answer be the last. ``peer`` is the client's address.
    """

    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter

    def __init__(self, peer: str, handler: Handler, limits: Limits, refusals: Refusals) -> None:
        self.peer = peer
        self.busy = False
        self.closing = False
        self.served = 0
        self._handler = handler
        self._limits = limits
        self._refusals = refusals
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.header_bytes)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve until the end; raises nothing but CancelledError."""
        self._reader, self._writer = reader, writer
        # drain() then waits for the last byte; at 0 asyncio's TLS would wait with nothing to send
        writer.transport.set_write_buffer_limits(high=1, low=0)
        try:
            while await self._one_request():
                self.served += 1
            self._writer.close()
            await asyncio.wait_for(self._writer.wait_closed(), self._limits.linger)
        except _RefusedError as refused:
            self._refusals.add(refused.reason, self.peer, str(refused))
            await self._turn_away(refused)
        except (OSError, asyncio.TimeoutError):
            pass  # the client went away, or does not take its answer
        finally:
            self._writer.transport.abort()

    async def _one_request(self) -> bool:
        """Serve one request; False when it was the last or there is none."""
        request = await self._next_request() if await self._begun() else None
        if request is None:
            return False
        self.busy = True
        await self._send(await self._answer(request), head=request.method == "HEAD")
        self.busy = False
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return not self.closing

    async def _begun(self) -> bool:
        """Wait for a request's first bytes; a pipelined one is there already."""
        if self._http.trailing_data[0]:
            return True
        limit = self._limits.idle if self.served else self._limits.header
        try:
            data = await asyncio.wait_for(self._reader.read(_CHUNK), limit)
        except asyncio.TimeoutError:
            if not self.served:
                self._refusals.add(Refusal.TIMEOUT, self.peer, "no request")
            return False
        if data:
            self._http.receive_data(data)
        return bool(data)

    async def _next_request(self) -> Optional[Request]:
        try:
            return await asyncio.wait_for(self._read_request(), self._limits.header)
        except asyncio.TimeoutError:
            raise _RefusedError(408, Refusal.TIMEOUT, "the request took too long") from None
        except h11.RemoteProtocolError as error:
            large = error.error_status_hint == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            reason = Refusal.HEADER_TOO_LARGE if large else Refusal.MALFORMED
            raise _RefusedError(error.error_status_hint, reason, str(error)) from None

    async def _read_request(self) -> Optional[Request]:
        head = await self._event()
        if not isinstance(head, h11.Request):
            return None
        _check_head(head)
        size = 0
        while isinstance(event := await self._event(), h11.Data):
            size += len(event.data)
            if size > self._limits.body_bytes:
                raise _RefusedError(413, Refusal.BODY_TOO_LARGE, "the request's body is too large")
        return to_request(head, self.peer)

    async def _event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                self._writer.write(self._http.send(go_on) or b"")
            self._http.receive_data(await self._reader.read(_CHUNK))
        return event

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._handler(request)
        except Exception:  # noqa: BLE001 -- a page that fails costs its own request only
            structlog.get_logger().exception("request failed", path=request.path)
            return plain(500, "internal error, see the exporter's log")

    async def _send(self, response: Response, *, head: bool = False) -> None:
        headers = [
            ("Date", formatdate(usegmt=True)),
            ("Content-Type", response.content_type),
            ("Content-Length", str(len(response.body))),
            *response.all_headers,
            *([("Connection", "close")] if self.closing else []),
        ]
        reason = HTTPStatus(response.status).phrase
        start = h11.Response(status_code=response.status, headers=headers, reason=reason)
        events: list[h11.Event] = [start, h11.EndOfMessage()]
        if not head:
            events.insert(1, h11.Data(data=response.body))
        self._writer.write(b"".join(self._http.send(event) or b"" for event in events))
        try:
            await asyncio.wait_for(self._writer.drain(), self._limits.write)
        except asyncio.TimeoutError:
            self._refusals.add(Refusal.TIMEOUT, self.peer, "the answer is not taken")
            # else the kernel would go on offering what is left, long after we closed
            _discard_unsent(self._writer)
            raise

    async def _turn_away(self, refused: _RefusedError) -> None:
        """Tell why, then let the client read it: what it still sends is thrown away for a while.

        Without that the kernel answers unread bytes with a reset, which discards our text.
        """
        self.closing = True
        try:
            # the status alone: the text may hold what the client sent
            await self._send(plain(refused.status, HTTPStatus(refused.status).phrase))
            if self._writer.can_write_eof():
                self._writer.write_eof()
            await asyncio.wait_for(self._discard(), self._limits.linger)
        except (OSError, asyncio.TimeoutError, h11.LocalProtocolError):
            pass  # it does not want to know

    async def _discard(self) -> None:
        while await self._reader.read(_CHUNK):
            pass


def _check_head(head: h11.Request) -> None:
    """Refuse what h11 takes, though it is no request for us."""
    if head.method == b"CONNECT":  # h11 would take a page as the consent to a tunnel
        raise _RefusedError(405, Refusal.MALFORMED, "CONNECT is for proxies")
    framing = {name for name, _ in head.headers} & {b"content-length", b"transfer-encoding"}
    if len(framing) > 1:  # a proxy that believes the other one would let a second request through
        raise _RefusedError(400, Refusal.MALFORMED, "the body has two lengths")


def to_request(head: h11.Request, peer: str) -> Request:
    """Translate h11's request."""
    target, _, query = head.target.decode("latin-1").partition("?")
    scheme, slashes, rest = target.partition("://")
    if slashes and scheme.lower() in {"http", "https"}:
        target = "/" + rest.partition("/")[2]  # the absolute form, which a server must accept
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
    return Request(head.method.decode("latin-1"), target, headers, peer, query)


def _discard_unsent(writer: asyncio.StreamWriter) -> None:
    connected = writer.get_extra_info("socket")
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
