"""The pages of other nodes' exporters, over HTTP.

One GET for each, without redirects and without proxies, bounded in size and in time. The text is
untrusted until ``page.parse_page`` has checked it.
"""

from __future__ import annotations

import base64
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from http.client import OK, HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import NamedTuple, Optional, Union
from urllib.parse import urlsplit

from exporter.errors import SourceError

MOST_BYTES = 4 << 20  # ten times the page of a cluster of nine nodes
TIMEOUT_SECONDS = 5.0
PORTS = {"http": 80, "https": 443}
"""The schemes in which an exporter may answer, with their usual ports."""
_CHUNK = 1 << 16


class PeerUrl(NamedTuple):
    """Where an exporter answers; ``host`` of an IPv6 address is without brackets."""

    scheme: str
    host: str
    port: int
    path: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def peer_url(text: str) -> PeerUrl:
    """Parse the address of an exporter; raises ValueError."""
    try:
        parts = urlsplit(text)
        port = parts.port or PORTS.get(parts.scheme)
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from None
    if "@" in parts.netloc:
        raise ValueError("a password has no place here; see --node.username, --node.password-file")
    odd = parts.query or not text.isprintable() or " " in text
    if parts.scheme not in PORTS or not port or not parts.hostname or odd:
        raise ValueError(f"{text!r} is not http[s]://HOST:PORT[/PATH]")
    return PeerUrl(parts.scheme, parts.hostname, port, parts.path or "/metrics")


@dataclass(frozen=True)
class PeerAccess:
    """How the other exporters are reached: TLS and basic auth; None for what is not needed."""

    ca_file: Optional[Path] = None
    cert_file: Optional[Path] = None
    key_file: Optional[Path] = None
    username: Optional[str] = None
    password_file: Optional[Path] = None


Answer = Union[str, SourceError]


class Peers:
    """Asks the exporters of other nodes; raises SourceError for files that cannot be used."""

    def __init__(self, access: PeerAccess, timeout: float = TIMEOUT_SECONDS) -> None:
        self._timeout = timeout
        self._tls = _tls_context(access)
        self._headers = {
            "Accept": "text/plain; version=0.0.4",
            "X-Prometheus-Scrape-Timeout-Seconds": str(timeout),
            **_authorization(access),
        }

    def ask(self, urls: Sequence[PeerUrl]) -> list[Future[Answer]]:
        """Ask all at once; each answer is the page's text, or why there is none."""
        futures: list[Future[Answer]] = []
        for url in urls:
            future: Future[Answer] = Future()
            futures.append(future)
            # Not a pool's: those are waited for at the program's end, whatever they wait for.
            threading.Thread(target=self._answer, args=(url, future), daemon=True).start()
        return futures

    def _answer(self, url: PeerUrl, future: Future[Answer]) -> None:
        try:
            future.set_result(self._get(url))
        except (OSError, HTTPException, ValueError) as error:
            future.set_result(SourceError(_reason(error)))
        except SourceError as error:
            future.set_result(error)

    def _get(self, url: PeerUrl) -> str:
        deadline = time.monotonic() + self._timeout
        connection = self._connection(url)
        try:
            connection.request("GET", url.path, headers=self._headers)
            with connection.getresponse() as response:
                return self._body(response, deadline)
        finally:
            connection.close()

    def _body(self, response: HTTPResponse, deadline: float) -> str:
        if response.status != OK:
            raise SourceError(f"status {response.status}")
        body = bytearray()
        while chunk := response.read1(_CHUNK):
            body += chunk
            if len(body) > MOST_BYTES or time.monotonic() > deadline:
                raise SourceError(f"more than {MOST_BYTES >> 20} MiB or {self._timeout:g} s")
        return body.decode()

    def _connection(self, url: PeerUrl) -> HTTPConnection:
        if url.scheme == "https":
            tls = self._tls
            return HTTPSConnection(url.host, url.port, timeout=self._timeout, context=tls)
        return HTTPConnection(url.host, url.port, timeout=self._timeout)


def _tls_context(access: PeerAccess) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(access.ca_file) if access.ca_file else None)
        if access.cert_file:
            context.load_cert_chain(access.cert_file, access.key_file)
    except OSError as error:  # ssl.SSLError is one
        raise SourceError(f"TLS files for the other nodes: {_reason(error)}") from error
    return context


def _authorization(access: PeerAccess) -> dict[str, str]:
    if access.username is None:
        return {}
    password = b""
    if access.password_file:
        try:
            password = access.password_file.read_bytes().rstrip(b"\r\n")
        except OSError as error:
            raise SourceError(f"{access.password_file}: {error.strerror}") from error
    token = base64.b64encode(access.username.encode() + b":" + password).decode()
    return {"Authorization": f"Basic {token}"}


def _reason(error: Exception) -> str:
    """Say in few words what went wrong."""
    if isinstance(error, (TimeoutError, socket.timeout)):  # one and the same from Python 3.10 on
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
