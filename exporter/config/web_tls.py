"""The section ``tls_server_config`` of the web configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Callable, NoReturn, Optional

from exporter.config.reading import Reader, Section, Value, each, section
from exporter.config.report import RefusedError, shown
from exporter.config.values import boolean, one_of, text
from exporter.config.web_facts import ClientAuth, TlsConfig, TlsVersion

TlsProblems = Callable[[TlsConfig], Iterator[tuple[str, str]]]
"""Tells what is wrong with the files and words of a TLS configuration, by key."""

CIPHER_SUITES = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
}
"""Go's names, which the format has, and OpenSSL's; only suites without known weakness."""

_WEAK = {
    "RequestClientCert": "it asks for a certificate that nobody checks",
    "RequireAnyClientCert": "it takes any certificate, whoever signed it",
}


def no_tls_problems(_: TlsConfig) -> Iterator[tuple[str, str]]:
    """Look at no file."""
    return iter(())


def tls(directory: Path, problems: TlsProblems) -> Reader[Optional[TlsConfig]]:
    """Make the reader of ``tls_server_config``; paths are relative to the directory."""
    near = _near(directory)

    def read(value: Value) -> Optional[TlsConfig]:
        before = len(value.report)
        with section(value) as keys:
            found = TlsConfig(
                cert_file=keys.need("cert_file", near, ""),
                key_file=keys.need("key_file", near, ""),
                client_auth=keys.get("client_auth_type", _client_auth, ClientAuth.NONE),
                client_ca_file=keys.get("client_ca_file", near, None),
                client_allowed_sans=keys.get("client_allowed_sans", each(_san, most=100), ()),
                min_version=keys.get("min_version", _version, TlsVersion.TLS12),
                max_version=keys.get("max_version", _version, TlsVersion.TLS13),
                cipher_suites=keys.get("cipher_suites", each(_cipher, least=1, most=20), ()),
                prefer_server_cipher_suites=keys.get("prefer_server_cipher_suites", boolean, True),
            )
            _refuse_what_python_lacks(keys)
            _bind_together(keys, found)
            if len(value.report) == before:
                for key, message in problems(found):
                    keys.problem(key, message)
        return found

    return read


def _refuse_what_python_lacks(keys: Section) -> None:
    for key in ("cert", "key", "client_ca"):
        keys.get(key, _refused(f"Python's ssl takes it from a file only; use {key}_file"), None)
    keys.get("curve_preferences", _refused("Python's ssl cannot choose among curves"), None)


def _bind_together(keys: Section, found: TlsConfig) -> None:
    """Check the keys that mean something only together."""
    if found.min_version > found.max_version:
        keys.problem("min_version", f"above max_version, which is {found.max_version.value}")
    if found.cipher_suites and found.min_version is TlsVersion.TLS13:
        keys.problem("cipher_suites", "they are those of TLS 1.2, which min_version leaves out")
    verifies = found.client_auth is not ClientAuth.NONE
    if verifies and not found.client_ca_file:
        keys.problem("client_ca_file", f"missing; {found.client_auth.value} needs it")
    if found.client_ca_file and not verifies:
        keys.problem("client_ca_file", "without client_auth_type nobody is asked for a certificate")
    if found.client_allowed_sans and found.client_auth is not ClientAuth.REQUIRED:
        needed = ClientAuth.REQUIRED.value
        keys.problem("client_allowed_sans", f"only with client_auth_type: {needed}")


def _refused(reason: str) -> Reader[None]:
    def read(_: Value) -> NoReturn:
        raise RefusedError(f"cannot be honoured: {reason}")

    return read


def _near(directory: Path) -> Reader[str]:
    def read(value: Value) -> str:
        return str(directory / text(value))

    return read


def _client_auth(value: Value) -> ClientAuth:
    word = text(value)
    if word in _WEAK:
        raise RefusedError(
            f"{word} cannot be honoured: {_WEAK[word]}, and Python's ssl always checks;"
            f" use {ClientAuth.REQUIRED.value}"
        )
    return ClientAuth(one_of(tuple(policy.value for policy in ClientAuth))(value))


def _version(value: Value) -> TlsVersion:
    word = text(value)
    if word in {"TLS10", "TLS11"}:
        raise RefusedError(
            f"{word} cannot be honoured: OpenSSL does not serve it without giving up its own"
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
