"""The file of ``--web.config.file``, in the format that Prometheus' exporters share.

Stricter than they are: what would be ignored there, or cannot be done here, is a problem.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Callable, NoReturn, Optional

from exporter.config.document import RefusedError, shown
from exporter.config.loader import NO_CHECKS, parse, read_file
from exporter.config.reading import (
    Checks,
    Key,
    Reader,
    Section,
    Value,
    list_of,
    mapping_of,
    section,
)
from exporter.config.values import boolean, duration, note, number, one_of, text

HEADERS: dict[str, Reader[str]] = {
    "Content-Security-Policy": text,
    "X-Frame-Options": one_of(("deny", "sameorigin")),
    "X-Content-Type-Options": one_of(("nosniff",)),
    "X-XSS-Protection": text,
    "Strict-Transport-Security": text,
}
COSTLIEST = 14
"""Of a bcrypt hash: about a second of CPU. A stranger can make us spend that."""
CIPHER_SUITES = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
}
"""Go's names, which the format has, and OpenSSL's; only suites without known weakness."""

_MOST_USERS = 100
_WEAK = {
    "RequestClientCert": "it asks for a certificate that nobody checks",
    "RequireAnyClientCert": "it takes any certificate, whoever signed it",
}


class ClientAuth(str, enum.Enum):
    """Go's policies for client certificates, as far as Python's ssl has them."""

    NONE = "NoClientCert"
    IF_GIVEN = "VerifyClientCertIfGiven"
    REQUIRED = "RequireAndVerifyClientCert"


class TlsVersion(str, enum.Enum):
    """Versions of TLS that may be served."""

    TLS12 = "TLS12"
    TLS13 = "TLS13"


def _near(value: Value) -> str:
    """Read a path that is relative to the file's own directory."""
    return str(Path(value.checks.directory) / text(value))


def _client_auth(value: Value) -> ClientAuth:
    policy = text(value)
    if policy in _WEAK:
        raise RefusedError(
            f"{policy} cannot be honoured: {_WEAK[policy]}, and Python's ssl always checks;"
            f" use {ClientAuth.REQUIRED.value}"
        )
    return ClientAuth(one_of(tuple(policy.value for policy in ClientAuth))(value))


def _version(value: Value) -> TlsVersion:
    version = text(value)
    if version in {"TLS10", "TLS11"}:
        raise RefusedError(
            f"{version} cannot be honoured: OpenSSL does not serve it without giving up its own"
            " security level; allowed: TLS12, TLS13"
        )
    return TlsVersion(one_of(tuple(version.value for version in TlsVersion))(value))


def _cipher(value: Value) -> str:
    name = text(value)
    if re.fullmatch(r"TLS_(AES|CHACHA20)_\w+", name):
        raise RefusedError(
            f"{shown(name)} cannot be honoured: Python's ssl cannot choose among the suites of"
            " TLS 1.3, which are all on"
        )
    return CIPHER_SUITES[one_of(tuple(CIPHER_SUITES))(value)]


def _san(value: Value) -> str:
    name = text(value)
    try:
        return str(ip_address(name))
    except ValueError:
        return name


@dataclass(frozen=True)
class TlsConfig:
    """How to serve TLS; paths are as the operating system takes them.

    ``cipher_suites`` are OpenSSL's names, best first, empty for its own choice; they are those of
    TLS 1.2. ``client_allowed_sans`` empty lets every verified client in.
    """

    cert_file: Annotated[str, Key(_near)]
    key_file: Annotated[str, Key(_near)]
    client_auth: Annotated[ClientAuth, Key(_client_auth, "client_auth_type")] = ClientAuth.NONE
    client_ca_file: Annotated[Optional[str], Key(_near)] = None
    client_allowed_sans: Annotated[tuple[str, ...], Key(list_of(_san, most=100))] = ()
    min_version: Annotated[TlsVersion, Key(_version)] = TlsVersion.TLS12
    max_version: Annotated[TlsVersion, Key(_version)] = TlsVersion.TLS13
    cipher_suites: Annotated[tuple[str, ...], Key(list_of(_cipher, least=1, most=20))] = ()
    prefer_server_cipher_suites: Annotated[bool, Key(boolean)] = True

    @property
    def files(self) -> tuple[str, ...]:
        """Every file whose change matters."""
        named = (self.cert_file, self.key_file, self.client_ca_file)
        return tuple(path for path in named if path)


TlsProblems = Callable[[TlsConfig], Iterable[tuple[str, str]]]
"""Tells what is wrong with the files and words of a TLS configuration, by key."""


def _tls_can_be_served(keys: Section, tls: TlsConfig) -> None:
    for key in ("cert", "key", "client_ca"):
        keys.get(key, _refused(f"Python's ssl takes it from a file only; use {key}_file"), None)
    keys.get("curve_preferences", _refused("Python's ssl cannot choose among curves"), None)
    _bind_together(keys, tls)
    if keys.is_sound:
        for key, message in keys.checks.tls_problems(tls):
            keys.problem(key, message)


def _refused(reason: str) -> Reader[None]:
    def read(_: Value) -> NoReturn:
        raise RefusedError(f"cannot be honoured: {reason}")

    return read


def _bind_together(keys: Section, tls: TlsConfig) -> None:
    """Check the keys that mean something only together."""
    if tls.min_version > tls.max_version:
        keys.problem("min_version", f"above max_version, which is {tls.max_version.value}")
    if tls.cipher_suites and tls.min_version is TlsVersion.TLS13:
        keys.problem("cipher_suites", "they are those of TLS 1.2, which min_version leaves out")
    verifies = tls.client_auth is not ClientAuth.NONE
    if verifies and not tls.client_ca_file:
        keys.problem("client_ca_file", f"missing; {tls.client_auth.value} needs it")
    if tls.client_ca_file and not verifies:
        keys.problem("client_ca_file", "without client_auth_type nobody is asked for a certificate")
    if tls.client_allowed_sans and tls.client_auth is not ClientAuth.REQUIRED:
        needed = ClientAuth.REQUIRED.value
        keys.problem("client_allowed_sans", f"only with client_auth_type: {needed}")


@dataclass(frozen=True)
class RateLimit:
    """A token bucket: one more request each ``interval`` seconds, ``burst`` at once; 0 is none."""

    interval: Annotated[float, Key(duration(0.0, 3600.0))]
    burst: Annotated[int, Key(number(1, 10_000))]


def _http(value: Value) -> tuple[tuple[str, str], ...]:
    keys = Section(value)
    keys.get("http2", _http2, None)
    headers: tuple[tuple[str, str], ...] = keys.get("headers", _headers, ())
    keys.close()
    return headers


def _http2(value: Value) -> None:
    if boolean(value):
        raise RefusedError("cannot be honoured: HTTP/2 is not served; allowed: false")


def _headers(value: Value) -> tuple[tuple[str, str], ...]:
    keys = Section(value)
    contents = {name: keys.get(name, _ascii(reader), "") for name, reader in HEADERS.items()}
    keys.close()
    return tuple((name, content) for name, content in contents.items() if content)


def _ascii(reader: Reader[str]) -> Reader[str]:
    def read(value: Value) -> str:
        content = reader(value) if note(value) else ""
        if not content.isascii():
            raise RefusedError("a header takes ASCII only")
        return content

    return read


def _hash_of(user: str) -> Reader[bytes]:
    def read(value: Value) -> bytes:
        if not user or ":" in user or not user.isprintable():
            raise RefusedError("a user's name is printable, not empty, and has no colon")
        return _hash(value)

    return read


def _hash(value: Value) -> bytes:
    """Read a bcrypt hash; what is refused is not shown, as it may be a password."""
    match = re.fullmatch(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}", text(value))
    if not match:
        raise RefusedError("not a bcrypt hash; make one with: htpasswd -nBC 10 USER")
    if not 4 <= int(match[1]) <= COSTLIEST:  # noqa: PLR2004 -- bcrypt's own lower bound
        raise RefusedError(f"cost {int(match[1])} is not allowed; allowed: 4 to {COSTLIEST}")
    return match[0].encode("ascii")


_USERS = mapping_of(_hash_of, most=_MOST_USERS)


@dataclass(frozen=True)
class WebConfig:
    """The whole file. ``users`` are bcrypt hashes by name, none: nobody has to say who they are."""

    tls: Annotated[
        Optional[TlsConfig], Key(section(TlsConfig, _tls_can_be_served), "tls_server_config")
    ] = None
    headers: Annotated[tuple[tuple[str, str], ...], Key(_http, "http_server_config")] = ()
    users: Annotated[Mapping[str, bytes], Key(_USERS, "basic_auth_users")] = field(
        default_factory=dict, repr=False
    )
    rate_limit: Annotated[RateLimit, Key(section(RateLimit))] = RateLimit(0.0, 0)


_WEB_CONFIG = section(WebConfig)


def load_web_config(path: Path, tls_problems: TlsProblems = NO_CHECKS.tls_problems) -> WebConfig:
    """Read the file; raises ConfigError with every problem, also when it cannot be read."""
    return parse_web_config(read_file(path), path, tls_problems)


def parse_web_config(
    data: bytes, path: Path, tls_problems: TlsProblems = NO_CHECKS.tls_problems
) -> WebConfig:
    """Read the file's bytes; paths in it are relative to its own directory."""
    checks = Checks(tls_problems=tls_problems, directory=str(path.parent))
    return parse(data, str(path), _WEB_CONFIG, checks)
