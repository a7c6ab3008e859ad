"""TLS as configured: a context for the handshakes, and who is let in after one."""

from __future__ import annotations

import os
import ssl
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Callable, NoReturn

from exporter.config.web import ClientAuth, TlsConfig

_Step = Callable[[ssl.SSLContext, TlsConfig], None]
_VERIFY = {
    ClientAuth.NONE: ssl.CERT_NONE,
    ClientAuth.IF_GIVEN: ssl.CERT_OPTIONAL,
    ClientAuth.REQUIRED: ssl.CERT_REQUIRED,
}


@dataclass(frozen=True)
class Tls:
    """What a handshake needs; ``allowed_sans`` empty lets in whomever ``context`` verified."""

    context: ssl.SSLContext
    allowed_sans: frozenset[str] = frozenset()

    def admits(self, certificate: Mapping[str, Any]) -> bool:
        """Tell whether the client with this verified certificate (``getpeercert()``) may enter."""
        return not self.allowed_sans or not self.allowed_sans.isdisjoint(names_of(certificate))


def names_of(certificate: Mapping[str, Any]) -> Iterator[str]:
    """List the subject alternative names: DNS names, addresses, e-mail addresses, URIs."""
    for kind, name in certificate.get("subjectAltName", ()):
        yield str(ip_address(name.strip())) if kind == "IP Address" else name


def make_tls(config: TlsConfig) -> Tls:
    """Read the files and make the context; raises OSError or ValueError, see ``tls_problems``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for step in _STEPS.values():
        step(context, config)
    return Tls(context, frozenset(config.client_allowed_sans))


def tls_problems(config: TlsConfig) -> Iterator[tuple[str, str]]:
    """Tell all that is wrong with the files and suites, as pairs of key and message."""
    for key, step in _STEPS.items():
        problem = _problem(step, config)
        if problem:
            yield key, problem


def _problem(step: _Step, config: TlsConfig) -> str:
    try:
        step(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), config)
    except (OSError, ValueError) as error:
        return _words(error)
    return ""


def _certificate(_: ssl.SSLContext, config: TlsConfig) -> None:
    _probe(config.cert_file)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(config.cert_file)
    except ssl.SSLError:
        raise ValueError(f"{config.cert_file}: no certificate in PEM format") from None


def _key(context: ssl.SSLContext, config: TlsConfig) -> None:
    _probe(config.key_file)
    try:
        _certificate(context, config)
    except (OSError, ValueError):
        return  # that is said of the other key, and of this one nothing can be
    try:
        context.load_cert_chain(config.cert_file, config.key_file, password=_no_password)
    except ssl.SSLError as error:
        raise ValueError(
            f"{config.key_file}: not the PEM key of the certificate ({_words(error)})"
        ) from None


def _clients(context: ssl.SSLContext, config: TlsConfig) -> None:
    context.verify_mode = _VERIFY[config.client_auth]
    if config.client_ca_file:
        _probe(config.client_ca_file)
        try:
            context.load_verify_locations(config.client_ca_file)
        except ssl.SSLError:
            raise ValueError(f"{config.client_ca_file}: no certificate in PEM format") from None


def _versions(context: ssl.SSLContext, config: TlsConfig) -> None:
    names = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
    context.minimum_version = names[config.min_version.value]
    context.maximum_version = names[config.max_version.value]
    context.options |= ssl.OP_NO_RENEGOTIATION  # a client could make us work without end


def _ciphers(context: ssl.SSLContext, config: TlsConfig) -> None:
    if config.prefer_server_cipher_suites:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if not config.cipher_suites:
        return
    context.set_ciphers(":".join(config.cipher_suites))
    on = {suite["name"] for suite in context.get_ciphers()}
    missing = [name for name in config.cipher_suites if name not in on]
    if missing:  # set_ciphers passes over those
        raise ValueError(f"this host's OpenSSL does not have {', '.join(missing)}")


_STEPS: dict[str, _Step] = {
    "cert_file": _certificate,
    "key_file": _key,
    "client_ca_file": _clients,
    "min_version": _versions,
    "cipher_suites": _ciphers,
}


def _probe(path: str) -> None:
    """Make sure that OpenSSL can read the file, and will not wait for a pipe's writer."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError(f"{path}: not a regular file")
    finally:
        os.close(descriptor)


def _no_password(*_: object) -> NoReturn:
    raise ValueError("the key is encrypted; a daemon has nobody to ask for its password")


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return getattr(error, "reason", None) or str(error)
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}"
    return str(error)
