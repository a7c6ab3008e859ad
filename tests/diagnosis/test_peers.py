"""Asking other nodes' exporters: what is sent, what is believed, and when it is given up."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Optional

import pytest

from exporter.diagnosis.peers import Answer, PeerAccess, Peers, PeerUrl
from exporter.errors import SourceError
from tests.support.pki import Pki, make_pki

WITHIN = 30.0


class _Handler(BaseHTTPRequestHandler):
    """Answers with the page, a redirect, or what it was asked with."""

    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/metrics")
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        body = self.headers.get("Authorization", "") if self.path == "/who" else "page"
        self.wfile.write(body.encode() if self.path != "/binary" else b"\xff\xfe")

    def log_message(self, *_: object) -> None:
        """Stay silent."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Let a client that does not like our certificate go away."""


@contextmanager
def server(tls: Optional[ssl.SSLContext] = None) -> Iterator[int]:
    """Serve on a free port."""
    serving = _Server(("127.0.0.1", 0), _Handler)
    if tls:
        serving.socket = tls.wrap_socket(
            serving.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=serving.serve_forever, daemon=True)
    thread.start()
    try:
        yield int(serving.server_address[1])
    finally:
        serving.shutdown()
        thread.join()
        serving.server_close()


def ask(port: int, path: str = "/metrics", scheme: str = "http", **access: object) -> Answer:
    """Ask one exporter."""
    peers = Peers(PeerAccess(**access))  # type: ignore[arg-type]  # as the test names them
    (answer,) = peers.ask([PeerUrl(scheme, "127.0.0.1", port, path)])
    return answer.result(WITHIN)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """Certificates for a day."""
    return make_pki(tmp_path_factory.mktemp("pki"))


@contextmanager
def tls_server(pki: Pki) -> Iterator[int]:
    """Serve to those who show a certificate of the authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.server.certificate, pki.server.key)
    context.load_verify_locations(pki.authority.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    with server(context) as port:
        yield port


def test_a_page_is_the_answer() -> None:
    """What the exporter says arrives as it is."""
    with server() as port:
        assert ask(port) == "page"


@pytest.mark.parametrize(
    ("path", "reason"), [("/moved", "status 302"), ("/binary", "can't decode byte 0xff")]
)
def test_other_answers_are_no_page(path: str, reason: str) -> None:
    """A redirect is not followed, and bytes that are no text are refused."""
    with server() as port:
        answer = ask(port, path)
    assert isinstance(answer, SourceError)
    assert reason in str(answer)


def test_who_is_not_there_is_told() -> None:
    """A refused connection is the answer, at once."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        answer = ask(nobody.getsockname()[1])
    assert isinstance(answer, SourceError)
    assert str(answer) == "Connection refused"


def test_who_does_not_answer_is_given_up() -> None:
    """An exporter that takes the connection and stays silent costs the timeout, no more."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        peers = Peers(PeerAccess(), timeout=0.1)
        (answer,) = peers.ask([PeerUrl("http", "127.0.0.1", silent.getsockname()[1], "/")])
        assert str(answer.result(WITHIN)) == "no answer in time"


def test_basic_auth_is_sent(tmp_path: Path) -> None:
    """User and password go with the request, the password without its file's newline."""
    secret = tmp_path / "password"
    secret.write_text("pass:word\n")
    with server() as port:
        answer = ask(port, "/who", username="omm", password_file=secret)
    assert answer == "Basic " + base64.b64encode(b"omm:pass:word").decode()


def test_tls_with_a_client_certificate(pki: Pki) -> None:
    """Both sides prove who they are."""
    with tls_server(pki) as port:
        answer = ask(
            port,
            scheme="https",
            ca_file=pki.authority.certificate,
            cert_file=pki.client.certificate,
            key_file=pki.client.key,
        )
    assert answer == "page"


def test_an_exporter_that_nobody_vouches_for_is_not_believed(pki: Pki) -> None:
    """Without its authority the certificate is refused."""
    with tls_server(pki) as port:
        answer = ask(port, scheme="https")
    assert isinstance(answer, SourceError)
    assert "certificate verify failed" in str(answer)


@pytest.mark.parametrize("name", ["ca_file", "cert_file", "password_file"])
def test_files_that_are_not_there_are_told(name: str, tmp_path: Path) -> None:
    """A wrong path is an error before anything is asked."""
    access = {name: tmp_path / "none", "username": "omm"}
    with pytest.raises(SourceError):
        Peers(PeerAccess(**access))  # type: ignore[arg-type]  # as the test names them


def test_an_address_reads_as_it_was_written() -> None:
    """IPv6 addresses stand in brackets."""
    assert str(PeerUrl("https", "fd00::2", 19836, "/metrics")) == "https://[fd00::2]:19836/metrics"
