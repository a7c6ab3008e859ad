"""The file of ``--web.config.file``, in the format that Prometheus' exporters share.

Stricter than they are: what would be ignored there, or cannot be done here, is a problem.
"""

from __future__ import annotations

import re
from pathlib import Path

from exporter.config.loader import parse, read_file
from exporter.config.reading import Reader, Value, section, table
from exporter.config.report import RefusedError
from exporter.config.values import boolean, duration, note, number, one_of, text
from exporter.config.web_facts import RateLimit, WebConfig
from exporter.config.web_tls import TlsProblems, no_tls_problems, tls

HEADERS: dict[str, Reader[str]] = {
    "Content-Security-Policy": text,
    "X-Frame-Options": one_of(("deny", "sameorigin")),
    "X-Content-Type-Options": one_of(("nosniff",)),
    "X-XSS-Protection": text,
    "Strict-Transport-Security": text,
}
COSTLIEST = 14
"""Of a bcrypt hash: about a second of CPU. A stranger can make us spend that."""

_MOST_USERS = 100


def load_web_config(path: Path, tls_problems: TlsProblems = no_tls_problems) -> WebConfig:
    """Read the file; raises ConfigError with every problem, also when it cannot be read."""
    return parse_web_config(read_file(path), path, tls_problems)


def parse_web_config(
    data: bytes, path: Path, tls_problems: TlsProblems = no_tls_problems
) -> WebConfig:
    """Read the file's bytes; paths in it are relative to its own directory."""
    return parse(data, str(path), _web(path.parent, tls_problems), WebConfig())


def _web(directory: Path, tls_problems: TlsProblems) -> Reader[WebConfig]:
    def read(value: Value) -> WebConfig:
        with section(value) as keys:
            return WebConfig(
                tls=keys.get("tls_server_config", tls(directory, tls_problems), None),
                headers=keys.get("http_server_config", _http, ()),
                users=keys.get("basic_auth_users", table(_user, _hash, most=_MOST_USERS), {}),
                rate_limit=keys.get("rate_limit", _rate_limit, RateLimit()),
            )

    return read


def _http(value: Value) -> tuple[tuple[str, str], ...]:
    with section(value) as keys:
        keys.get("http2", _http2, None)
        return keys.get("headers", _headers, ())


def _http2(value: Value) -> None:
    if boolean(value):
        raise RefusedError("cannot be honoured: HTTP/2 is not served; allowed: false")


def _headers(value: Value) -> tuple[tuple[str, str], ...]:
    with section(value) as keys:
        read = ((name, keys.get(name, _latin(reader), "")) for name, reader in HEADERS.items())
        return tuple((name, content) for name, content in read if content)


def _latin(reader: Reader[str]) -> Reader[str]:
    def read(value: Value) -> str:
        content = reader(value) if note(value) else ""
        if not content.isascii():
            raise RefusedError("a header takes ASCII only")
        return content

    return read


def _user(name: str) -> str:
    if not name or ":" in name or not name.isprintable():
        raise RefusedError("a user's name is printable, not empty, and has no colon")
    return name


def _hash(value: Value) -> bytes:
    """Read a bcrypt hash; what is refused is not shown, as it may be a password."""
    found = re.fullmatch(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}", text(value))
    if not found:
        raise RefusedError("not a bcrypt hash; make one with: htpasswd -nBC 10 USER")
    if not 4 <= int(found[1]) <= COSTLIEST:  # noqa: PLR2004 -- bcrypt's own lower bound
        raise RefusedError(f"cost {int(found[1])} is not allowed; allowed: 4 to {COSTLIEST}")
    return text(value).encode("ascii")


def _rate_limit(value: Value) -> RateLimit:
    with section(value) as keys:
        return RateLimit(
            interval=keys.need("interval", duration(0.0, 3600.0), 0.0),
            burst=keys.need("burst", number(1, 10_000), 1),
        )
