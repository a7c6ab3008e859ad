"""A web server of a test's own, on a loopback port for as long as a ``with`` lasts."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, TypeVar

L = TypeVar("L", bound="Loopback")


class Answer(NamedTuple):
    """What a request gets."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


Respond = Callable[[str, bytes], Answer]
"""From a path without its query, and what was posted, to the answer."""


class Loopback:
    """Answers GET and POST from entering to leaving; the port is the kernel's choice."""

    def __init__(self, respond: Respond) -> None:
        self._server = _Server(("127.0.0.1", 0), _handler(respond))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self: L) -> L:  # noqa: PYI019 -- typing has Self from Python 3.11 on
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def address(self) -> str:
        """Host and port, also before it serves."""
        return f"127.0.0.1:{self._server.server_address[1]}"


class _Server(ThreadingHTTPServer):
    request_queue_size = 1024  # a fleet's scrapes come together

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 -- the base's
        """Let a client that went away be so; any other error is printed."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def _handler(respond: Respond) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, posted: bytes) -> None:
            answer = respond(self.path.partition("?")[0], posted)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    return Handler
