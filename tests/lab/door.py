"""A way for a Prometheus on the host to a page in a node's network namespace."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from http.client import OK
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import final

_SECONDS = 20.0


@final
class Door:
    """Answers on the host's loopback with what `address` answers inside; gone when closed.

    It stands for a network of the monitoring's own: a partition between the nodes leaves it whole.
    """

    def __init__(self, inside: Callable[[], AbstractContextManager[None]], address: str) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(inside, address))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Where Prometheus scrapes it."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Answer nobody any more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(
    inside: Callable[[], AbstractContextManager[None]], address: str
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = f"http://{address}{self.path}"
            with inside(), urllib.request.urlopen(url, timeout=_SECONDS) as answer:
                body = answer.read()
                kind = answer.headers["Content-Type"]
            self.send_response(OK)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(OSError):  # the scrape's time was over
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    return Handler
