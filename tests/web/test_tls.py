"""TLS with client certificates that are really asked for, in this server."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import pytest

from exporter.model.exporter import Refusal
from exporter.web.connection import Limits
from tests.support.pki import Pair, Pki, make_pki
from tests.support.web import PATIENCE_SECONDS, ServedSite, read_all


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """Certificates for all tests of this file."""
    return make_pki(tmp_path_factory.mktemp("pki"))


def server_context(pki: Pki, server: Optional[Pair] = None) -> ssl.SSLContext:
    """Make the context of a server that requires a client certificate."""
    pair = server or pki.server
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    context.load_verify_locations(pki.authority.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(pki: Pki, pair: Optional[Pair]) -> ssl.SSLContext:
    """Make the context of a client."""
    context = ssl.create_default_context(cafile=str(pki.authority.certificate))
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    return context


def ask(site: ServedSite, context: ssl.SSLContext) -> int:
    """Ask once over TLS; returns the status."""
    client = http.client.HTTPSConnection(*site.address, timeout=PATIENCE_SECONDS, context=context)
    try:
        client.request("GET", "/x")
        return client.getresponse().status
    finally:
        client.close()


@pytest.fixture
def site(pki: Pki) -> Iterator[ServedSite]:
    """A server that requires a client certificate."""
    context = server_context(pki)
    with ServedSite(limits=Limits(header=2.0), tls=lambda: context) as served:
        yield served


def test_a_client_with_a_certificate_of_our_authority_is_served(site: ServedSite, pki: Pki) -> None:
    """The certificate opens the door, and the answer comes whole."""
    assert ask(site, client_context(pki, pki.client)) == 200
    assert sum(site.settled().values()) == 0


@pytest.mark.parametrize("who", ["nobody", "stranger"])
def test_everyone_else_is_refused_and_counted(site: ServedSite, pki: Pki, who: str) -> None:
    """No certificate, or one of another authority, gets no answer; the next client is served."""
    pair = pki.stranger if who == "stranger" else None
    with pytest.raises(OSError):  # noqa: PT011 -- a TLS alert, a reset or an end: all refused
        ask(site, client_context(pki, pair))
    assert ask(site, client_context(pki, pki.client)) == 200
    assert site.settled()[Refusal.TLS] == 1


def test_a_handshake_that_never_ends_is_ended(pki: Pki) -> None:
    """Silence instead of a handshake is cut at the header's time limit, and counted."""
    context = server_context(pki)
    with ServedSite(limits=Limits(header=0.4), tls=lambda: context) as site:
        assert site.exchange(b"") == b""
        assert site.settled()[Refusal.TLS] == 1


def test_plain_text_instead_of_tls_is_refused(site: ServedSite) -> None:
    """HTTP on the TLS port ends at once."""
    site.exchange(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert site.settled()[Refusal.TLS] == 1


def test_a_handshake_loses_its_place_to_a_newcomer(pki: Pki) -> None:
    """Connections in a handshake count, and can be dropped for one that asks."""
    context = server_context(pki)
    with ServedSite(limits=Limits(connections=2), tls=lambda: context) as site:
        silent: list[socket.socket] = [site.connect(), site.connect()]
        assert ask(site, client_context(pki, pki.client)) == 200
        assert read_all(silent[0]) == b""
        for client in silent:
            client.close()
        assert site.refusals.counts[Refusal.CONNECTION_LIMIT] == 1


def test_a_new_certificate_counts_from_the_next_connection(pki: Pki, tmp_path: Path) -> None:
    """The context is asked for at every accept: a renewal needs no restart."""
    renewed = make_pki(tmp_path)
    contexts = [server_context(pki)]
    with ServedSite(tls=lambda: contexts[-1]) as site:
        assert ask(site, client_context(pki, pki.client)) == 200
        contexts.append(server_context(renewed))
        assert ask(site, client_context(renewed, renewed.client)) == 200
        with pytest.raises(ssl.SSLError):
            ask(site, client_context(pki, pki.client))
