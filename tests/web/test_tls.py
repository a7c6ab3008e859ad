"""TLS with client certificates that are really asked for, in this server."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import pytest

from exporter.config.web import ClientAuth, TlsConfig, TlsVersion
from exporter.scrape.metrics import Refusal
from exporter.web.connection import Limits
from exporter.web.tls import Tls, make_tls, names_of, tls_problems
from tests.support.pki import Pair, Pki, make_pki
from tests.support.web import PATIENCE_SECONDS, ServedSite, read_all


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """Certificates for all tests of this file."""
    return make_pki(tmp_path_factory.mktemp("pki"))


def server_tls(pki: Pki, **keys: Any) -> Tls:  # noqa: ANN401 -- any keys of the configuration
    """Make what a server that requires a client certificate serves with."""
    given: dict[str, Any] = {
        "cert_file": str(pki.server.certificate),
        "key_file": str(pki.server.key),
        "client_ca_file": str(pki.authority.certificate),
        "client_auth": ClientAuth.REQUIRED,
    }
    return make_tls(TlsConfig(**{**given, **keys}))


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
    tls = server_tls(pki)
    with ServedSite(limits=Limits(header=2.0), tls=lambda: tls) as served:
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
    tls = server_tls(pki)
    with ServedSite(limits=Limits(header=0.4), tls=lambda: tls) as site:
        assert site.exchange(b"") == b""
        assert site.settled()[Refusal.TLS] == 1


def test_plain_text_instead_of_tls_is_refused(site: ServedSite) -> None:
    """HTTP on the TLS port ends at once."""
    site.exchange(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    assert site.settled()[Refusal.TLS] == 1


def test_a_handshake_loses_its_place_to_a_newcomer(pki: Pki) -> None:
    """Connections in a handshake count, and can be dropped for one that asks."""
    tls = server_tls(pki)
    with ServedSite(limits=Limits(connections=2), tls=lambda: tls) as site:
        silent: list[socket.socket] = [site.connect(), site.connect()]
        assert ask(site, client_context(pki, pki.client)) == 200
        assert read_all(silent[0]) == b""
        for client in silent:
            client.close()
        assert site.refusals.counts[Refusal.CONNECTION_LIMIT] == 1


def test_a_new_certificate_counts_from_the_next_connection(pki: Pki, tmp_path: Path) -> None:
    """The context is asked for at every accept: a renewal needs no restart."""
    renewed = make_pki(tmp_path)
    served = [server_tls(pki)]
    with ServedSite(tls=lambda: served[-1]) as site:
        assert ask(site, client_context(pki, pki.client)) == 200
        served.append(server_tls(renewed))
        assert ask(site, client_context(renewed, renewed.client)) == 200
        with pytest.raises(ssl.SSLError):
            ask(site, client_context(pki, pki.client))


def test_each_answer_over_tls_is_known_to_be_taken(site: ServedSite, pki: Pki) -> None:
    """One answer behind the other, then a refusal: none is waited for once it has left."""
    context = client_context(pki, pki.client)
    with context.wrap_socket(site.connect(), server_hostname="127.0.0.1") as client:
        client.sendall(b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n" * 3 + b"\x00 rubbish\r\n\r\n")
        received = read_all(client)
    assert received.count(b"HTTP/1.1 200 ") == 3
    assert received.count(b"HTTP/1.1 400 ") == 1
    assert site.settled()[Refusal.TIMEOUT] == 0


def test_a_server_without_client_policy_asks_nobody(pki: Pki) -> None:
    """Without a policy a client needs no certificate."""
    tls = server_tls(pki, client_ca_file=None, client_auth=ClientAuth.NONE)
    with ServedSite(tls=lambda: tls) as site:
        assert ask(site, client_context(pki, None)) == 200


def test_a_certificate_that_is_given_is_verified(pki: Pki) -> None:
    """VerifyClientCertIfGiven lets in who has none, and not who has a stranger's."""
    tls = server_tls(pki, client_auth=ClientAuth.IF_GIVEN)
    with ServedSite(tls=lambda: tls) as site:
        assert ask(site, client_context(pki, None)) == 200
        assert ask(site, client_context(pki, pki.client)) == 200
        with pytest.raises(OSError):  # noqa: PT011 -- a TLS alert, a reset or an end: all refused
            ask(site, client_context(pki, pki.stranger))


@pytest.mark.parametrize(
    ("allowed", "enters"),
    [("127.0.0.1", True), ("localhost", True), ("127.0.0.2", False), ("LOCALHOST", False)],
)
def test_only_allowed_names_enter(pki: Pki, allowed: str, *, enters: bool) -> None:
    """A verified certificate without an allowed name is left without an answer, and counted."""
    tls = server_tls(pki, client_allowed_sans=(allowed,))
    with ServedSite(tls=lambda: tls) as site:
        if enters:
            assert ask(site, client_context(pki, pki.client)) == 200
        else:
            with pytest.raises(OSError):  # noqa: PT011 -- a reset or an end
                ask(site, client_context(pki, pki.client))
        assert site.settled()[Refusal.TLS] == (not enters)


def test_a_client_that_offers_less_than_the_minimum_is_refused(pki: Pki) -> None:
    """TLS 1.2 is not enough for a server of TLS 1.3, nor TLS 1.3 for one of TLS 1.2."""
    newest, oldest = ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2
    for config, offered in (
        ({"min_version": TlsVersion.TLS13}, oldest),
        ({"max_version": TlsVersion.TLS12}, newest),
    ):
        tls = server_tls(pki, **config)
        context = client_context(pki, pki.client)
        context.minimum_version = context.maximum_version = offered
        with ServedSite(tls=lambda tls=tls: tls) as site:  # type: ignore[misc]  # bound at once
            with pytest.raises(OSError):  # noqa: PT011 -- which alert it is, is OpenSSL's choice
                ask(site, context)
            assert site.settled()[Refusal.TLS] == 1


def test_only_the_chosen_suites_are_spoken(pki: Pki) -> None:
    """The client ends up with the server's suite, and without a common one with nothing."""
    chosen = "ECDHE-ECDSA-AES256-GCM-SHA384"
    tls = server_tls(pki, max_version=TlsVersion.TLS12, cipher_suites=(chosen,))
    with ServedSite(tls=lambda: tls) as site:
        raw = client_context(pki, pki.client).wrap_socket(
            site.connect(), server_hostname="127.0.0.1"
        )
        with raw:
            used = raw.cipher()
        assert used
        assert used[0] == chosen
        other = client_context(pki, pki.client)
        other.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
        other.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(OSError):  # noqa: PT011 -- as above
            ask(site, other)


def test_all_that_is_wrong_with_the_files_is_told(pki: Pki, tmp_path: Path) -> None:
    """Missing, unreadable, of another kind, or not belonging together: each on its own key."""
    rubbish, pipe = tmp_path / "rubbish", tmp_path / "pipe"
    rubbish.write_text("rubbish", encoding="utf-8")
    os.mkfifo(pipe)
    good = {"cert_file": str(pki.server.certificate), "key_file": str(pki.server.key)}
    for keys, problems in (
        ({}, {}),
        ({"key_file": str(pki.client.key)}, {"key_file": "KEY_VALUES_MISMATCH"}),
        (
            {"cert_file": str(tmp_path / "no"), "key_file": str(tmp_path / "none")},
            {"cert_file": "No such file", "key_file": "No such file"},
        ),
        ({"cert_file": str(rubbish)}, {"cert_file": "no certificate in PEM format"}),
        ({"key_file": str(rubbish)}, {"key_file": "not the PEM key of the certificate"}),
        ({"key_file": str(pipe)}, {"key_file": "not a regular file"}),
        ({"client_ca_file": str(rubbish)}, {"client_ca_file": "no certificate in PEM format"}),
        ({"cipher_suites": ("NO-SUCH",)}, {"cipher_suites": "No cipher can be selected"}),
        (
            {"cipher_suites": ("NO-SUCH", "ECDHE-RSA-AES128-GCM-SHA256")},
            {"cipher_suites": "this host's OpenSSL does not have NO-SUCH"},
        ),
    ):
        told = dict(tls_problems(TlsConfig(**{**good, **keys})))  # type: ignore[arg-type]  # keys
        assert told.keys() == problems.keys()
        assert all(problems[key] in told[key] for key in told), told


def test_an_encrypted_key_is_refused_and_nobody_is_asked(pki: Pki, tmp_path: Path) -> None:
    """OpenSSL would ask for the password on the terminal, and wait."""
    encrypted = tmp_path / "encrypted.key"
    words = ["openssl", "pkey", "-in", str(pki.server.key), "-out", str(encrypted), "-aes256"]
    subprocess.run([*words, "-passout", "pass:secret"], check=True, capture_output=True)
    told = dict(tls_problems(TlsConfig(str(pki.server.certificate), str(encrypted))))
    assert told == {"key_file": "the key is encrypted; a daemon has nobody to ask for its password"}


def test_names_of_a_certificate() -> None:
    """Addresses are compared by value, whatever their spelling."""
    names = (("DNS", "a.example"), ("IP Address", "2001:DB8:0:0:0:0:0:1"), ("email", "a@b"))
    assert set(names_of({"subjectAltName": names})) == {"a.example", "2001:db8::1", "a@b"}
    assert set(names_of({})) == set()
