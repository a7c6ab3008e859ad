"""Certificates for a test: an authority, a server, a client, and a client of a stranger."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Pki:
    """Two authorities, and what they signed for 127.0.0.1."""

    authority: Pair
    server: Pair
    client: Pair
    stranger: Pair


def make_pki(directory: Path) -> Pki:
    """Write all certificates below ``directory``; they hold for a day."""
    authority = _self_signed(directory, "authority")
    server = _signed(directory, "server", authority)
    client = _signed(directory, "client", authority)
    other = _self_signed(directory, "other")
    return Pki(authority, server, client, _signed(directory, "stranger", other))


def _self_signed(directory: Path, name: str) -> Pair:
    pair = Pair(directory / f"{name}.pem", directory / f"{name}.key")
    # without it the certificates are refused from Python 3.13 on, which verifies strictly
    words = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    _write(pair, name, words)
    return pair


def _signed(directory: Path, name: str, authority: Pair) -> Pair:
    pair = Pair(directory / f"{name}.pem", directory / f"{name}.key")
    words = ["-CA", authority.certificate, "-CAkey", authority.key]
    words += ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    words += ["-addext", "basicConstraints=critical,CA:FALSE"]
    _write(pair, name, words)
    return pair


def _write(pair: Pair, name: str, words: Sequence[object]) -> None:
    files = ("-keyout", pair.key, "-out", pair.certificate)
    _openssl("req", "-x509", *_KEY, *files, *words, "-subj", f"/CN={name}")


_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1")


def _openssl(*words: object) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=60)
