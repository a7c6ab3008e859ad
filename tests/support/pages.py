"""Metrics pages written by a test, served as if each were a node's exporter."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import final

from exporter.metrics import CATALOGUE
from tests.support.monitoring import Target

_LABELS = {metric.name: set(metric.labels) for metric in CATALOGUE}


def series(name: str, value: float, **labels: str) -> str:
    """Write one line of a page; fails for a metric or a label that the catalogue does not have."""
    assert set(labels) == _LABELS[name], f"{name} has the labels {_LABELS[name]}"
    text = ",".join(f'{label}="{_escaped(found)}"' for label, found in labels.items())
    return f"{name}{{{text}}} {value}\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@final
class Pages:
    """One server with a page for each node; a node without a page answers 503, as if down."""

    def __init__(self) -> None:
        self._pages: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._pages))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Pages:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def show(self, node: str, page: str) -> None:
        """Replace a node's page; the empty page takes the node's exporter away."""
        self._pages[node] = page

    def target(self, node: str, labels: Mapping[str, str]) -> Target:
        """Return the node as a target to scrape."""
        address = f"127.0.0.1:{self._server.server_address[1]}"
        return Target(address, {"instance": f"{node}:19836", **labels}, path=f"/{node}")


def _handler(pages: Mapping[str, str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(self.path.strip("/"), "")
            body = page.encode()
            self.send_response(200 if page else 503)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    return Handler
