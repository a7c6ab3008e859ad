"""The web server under rubbish, in clear and over TLS, with a good request now and then."""

from __future__ import annotations

import socket
import ssl
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Optional

from exporter.config.web import TlsConfig
from exporter.web.connection import Limits
from exporter.web.tls import make_tls
from tests.fuzz.mutation import Mutator
from tests.fuzz.running import Result
from tests.support.pki import Pki, make_pki
from tests.support.web import ServedSite, read_all

GOOD = b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
SEEDS: Sequence[bytes] = (
    GOOD,
    b"GET /m HTTP/1.1\r\nHost: h\r\nAccept: text/plain;q=0.5\r\nAccept-Encoding: gzip\r\n\r\n",
    b"POST /-/reload HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello" + GOOD,
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
    b"GET / HTTP/1.0\r\nAuthorization: Basic YTpi\r\n\r\n",
)
HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(32) + b"\x20" + bytes(32)
QUICK = Limits(header=0.5, idle=0.5, write=2.0, linger=0.05)


def fuzz_server(seed: int, *, tls: bool, seconds: float, most: int) -> Result:
    """Send inputs, each on a connection of its own; every answer must be HTTP, none a 500."""
    with tempfile.TemporaryDirectory() as name:
        pki = make_pki(Path(name)) if tls else None
        mutator = Mutator((HELLO, *SEEDS) if tls else SEEDS, seed)
        result, end = Result(), time.monotonic() + seconds
        served = make_tls(_config(pki)) if pki else None
        with ServedSite(limits=QUICK, tls=lambda: served) as site:
            while result.inputs < most and time.monotonic() < end:
                data = mutator.make()
                result.inputs += 1
                kind = _answer_problem(_exchange(site, data), tls=tls)
                if result.inputs % 100 == 0:
                    kind = kind or _health_problem(site, pki)
                if kind:
                    result.found.setdefault(kind, data)
    return result


def _config(pki: Pki) -> TlsConfig:
    return TlsConfig(str(pki.server.certificate), str(pki.server.key))


def _exchange(site: ServedSite, data: bytes) -> bytes:
    with site.connect() as client:
        with suppress(OSError):  # it hung up already
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
        return read_all(client)


def _answer_problem(answer: bytes, *, tls: bool) -> str:
    if tls:  # an alert, or nothing: our bytes were no handshake
        return "" if answer[:1] in {b"", b"\x15", b"\x16"} else f"not TLS: {answer[:40]!r}"
    if answer and not answer.startswith(b"HTTP/1.1 "):
        return f"not HTTP: {answer[:40]!r}"
    return "an internal error" if b"HTTP/1.1 500 " in answer else ""


def _health_problem(site: ServedSite, pki: Optional[Pki]) -> str:
    with site.connect() as raw:
        client = raw
        if pki:
            context = ssl.create_default_context(cafile=str(pki.authority.certificate))
            client = context.wrap_socket(raw, server_hostname="127.0.0.1")
        client.sendall(GOOD)
        answer = read_all(client)
        client.close()
    return "" if answer.startswith(b"HTTP/1.1 200 ") else f"not served any more: {answer[:40]!r}"
