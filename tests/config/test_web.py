"""The file of ``--web.config.file``: what it takes, and what is said about the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.config.web import (
    CIPHER_SUITES,
    HEADERS,
    ClientAuth,
    RateLimit,
    TlsConfig,
    TlsVersion,
    WebConfig,
    load_web_config,
    parse_web_config,
)
from exporter.errors import ConfigError

EXAMPLE = Path(__file__).resolve().parents[2] / "config" / "web-config.yml"
FILE = Path("/etc/exporter/web.yml")
HASH = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"
PAIR = "cert_file: a.crt, key_file: a.key"


def read(text: str) -> WebConfig:
    """Read a file that looks at no other file."""
    return parse_web_config(text.encode(), FILE)


def problems(text: str) -> tuple[str, ...]:
    """Return what is wrong with it."""
    with pytest.raises(ConfigError) as caught:
        read(text)
    return caught.value.problems


def tls_problem(keys: str) -> str:
    """Return the one thing that is wrong with these keys beside a certificate and its key."""
    (problem,) = problems(f"tls_server_config: {{{PAIR}, {keys}}}")
    return problem.removeprefix("line 1: tls_server_config.")


def test_every_key_that_can_be_honoured_is_read() -> None:
    """The whole format, as an exporter of the same family takes it."""
    assert read(f"""\
tls_server_config:
  cert_file: tls/node.crt
  key_file: /etc/tls/node.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.crt
  client_allowed_sans: [prometheus.example.org, "2001:DB8::0:1"]
  min_version: TLS12
  max_version: TLS12
  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: false
http_server_config:
  http2: false
  headers:
    X-Frame-Options: sameorigin
    Strict-Transport-Security: max-age=31536000
    X-XSS-Protection: ""
basic_auth_users:
  alice: {HASH}
rate_limit: {{interval: 1s, burst: 20}}
""") == WebConfig(
        TlsConfig(
            "/etc/exporter/tls/node.crt",
            "/etc/tls/node.key",
            ClientAuth.REQUIRED,
            "/etc/exporter/ca.crt",
            ("prometheus.example.org", "2001:db8::1"),
            TlsVersion.TLS12,
            TlsVersion.TLS12,
            ("ECDHE-RSA-AES128-GCM-SHA256",),
            prefer_server_cipher_suites=False,
        ),
        (("X-Frame-Options", "sameorigin"), ("Strict-Transport-Security", "max-age=31536000")),
        {"alice": HASH.encode()},
        RateLimit(1.0, 20),
    )


def test_a_certificate_alone_serves_tls_from_1_2_on() -> None:
    """The defaults ask nobody for a certificate and take no version that is broken."""
    tls = read(f"tls_server_config: {{{PAIR}}}").tls
    assert tls == TlsConfig("/etc/exporter/a.crt", "/etc/exporter/a.key")
    assert tls.min_version is TlsVersion.TLS12
    assert tls.client_auth is ClientAuth.NONE


def test_all_problems_are_told_at_once() -> None:
    """One run names each problem with line and key, in the file's order."""
    assert problems("""\
tls_server_config:
  cert_file: a.crt
  min_version: TLS11
  cert: "-----BEGIN"
http_server_config:
  headers: {Server: nginx, X-Frame-Options: DENY}
basic_auth_users:
  "a:b": x
rate_limit: {interval: 1s}
users: {}
""") == (
        "line 1: tls_server_config.key_file: missing",
        (
            "line 3: tls_server_config.min_version: TLS11 cannot be honoured: OpenSSL does not"
            " serve it without giving up its own security level; allowed: TLS12, TLS13"
        ),
        (
            "line 4: tls_server_config.cert: cannot be honoured: Python's ssl takes it from a file"
            " only; use cert_file"
        ),
        "line 6: http_server_config.headers.Server: unknown key; known keys: " + ", ".join(HEADERS),
        (
            "line 6: http_server_config.headers.X-Frame-Options: DENY is not allowed; allowed:"
            " deny, sameorigin"
        ),
        "line 8: basic_auth_users.a:b: a user's name is printable, not empty, and has no colon",
        "line 9: rate_limit.burst: missing",
        (
            "line 10: users: unknown key; known keys: tls_server_config, http_server_config,"
            " basic_auth_users, rate_limit"
        ),
    )


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("curve_preferences: [X25519]", "Python's ssl cannot choose among curves"),
        ("client_auth_type: RequestClientCert", "it asks for a certificate that nobody checks"),
        ("client_auth_type: RequireAnyClientCert", "it takes any certificate"),
        ("cipher_suites: [TLS_AES_128_GCM_SHA256]", "the suites of TLS 1.3, which are all on"),
        ("max_version: TLS10", "OpenSSL does not serve it"),
    ],
)
def test_what_python_cannot_do_is_refused_and_not_ignored(keys: str, problem: str) -> None:
    """Each key that Python's ssl cannot honour says so."""
    told = tls_problem(keys)
    assert told.startswith(f"{keys.split(':', maxsplit=1)[0]}")
    assert "cannot be honoured" in told
    assert problem in told


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("client_auth_type: RequireAndVerifyClientCert", "client_ca_file: missing"),
        ("client_auth_type: VerifyClientCertIfGiven", "client_ca_file: missing"),
        ("client_ca_file: ca.crt", "nobody is asked for a certificate"),
        ("client_allowed_sans: [a]", "only with client_auth_type: RequireAndVerifyClientCert"),
        ("min_version: TLS13, max_version: TLS12", "min_version: above max_version"),
        (
            "min_version: TLS13, cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]",
            "cipher_suites: they are those of TLS 1.2",
        ),
        ("cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]", "is not allowed; allowed: TLS_ECDHE"),
        ("cipher_suites: []", "0 items are not allowed"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(keys: str, problem: str) -> None:
    """A door that would stand open, or a wish that would come to nothing, is an error."""
    assert problem in tls_problem(keys)


def test_an_empty_tls_section_does_not_mean_plain_text() -> None:
    """Where the section stands, TLS is meant."""
    assert problems("tls_server_config: {}") == (
        "line 1: tls_server_config.cert_file: missing",
        "line 1: tls_server_config.key_file: missing",
    )


def test_http2_is_an_error_when_it_is_asked_for() -> None:
    """It is not served; saying so is better than not doing it."""
    (problem,) = problems("http_server_config: {http2: true}")
    assert "HTTP/2 is not served" in problem


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("secret", "not a bcrypt hash"),
        ("$2x$10$" + "a" * 53, "not a bcrypt hash"),
        ("$2b$10$" + "a" * 52, "not a bcrypt hash"),
        ("$2b$15$" + "a" * 53, "cost 15 is not allowed; allowed: 4 to 14"),
        ("$2b$03$" + "a" * 53, "cost 3 is not allowed; allowed: 4 to 14"),
        ("12345", "text (in quotes"),
    ],
)
def test_a_password_is_never_shown(written: str, told: str) -> None:
    """What stands where a hash should be may be a password: the problem does not repeat it."""
    (problem,) = problems(f"basic_auth_users: {{alice: {written}}}")
    assert told in problem
    assert written not in problem


def test_hashes_are_not_in_the_facts_text() -> None:
    """What is logged of a configuration by mistake has no hash in it."""
    assert HASH not in repr(read(f"basic_auth_users: {{alice: {HASH}}}"))


def test_headers_cannot_be_split() -> None:
    """A line break in a header's value is refused."""
    (problem,) = problems('http_server_config: {headers: {X-XSS-Protection: "1\\r\\nX: y"}}')
    assert "U+000D is not allowed" in problem


def test_the_files_behind_the_keys_are_looked_at() -> None:
    """What the check of the TLS files says stands on the key's own line."""

    def check(config: TlsConfig) -> Iterator[tuple[str, str]]:
        yield "key_file", f"{config.key_file}: Permission denied"

    text = b"tls_server_config:\n  cert_file: a.crt\n  key_file: a.key\n"
    with pytest.raises(ConfigError) as caught:
        parse_web_config(text, FILE, check)
    assert caught.value.problems == (
        "line 3: tls_server_config.key_file: /etc/exporter/a.key: Permission denied",
    )


def test_the_shipped_example_is_valid_and_shows_every_key() -> None:
    """Nothing of the example is refused, and each key that is read stands in it."""
    config = load_web_config(EXAMPLE)
    text = EXAMPLE.read_text(encoding="utf-8")
    assert config.tls
    assert config.users
    keys = ("client_allowed_sans", "min_version", "max_version", "cipher_suites", "http2", "burst")
    assert all(f"{key}:" in text for key in (*keys, *HEADERS))
    assert all(name in text for name in CIPHER_SUITES)


def test_the_list_of_suites_names_openssls_own() -> None:
    """Each of Go's names stands for another suite of OpenSSL."""
    assert len(set(CIPHER_SUITES.values())) == len(CIPHER_SUITES)
