"""What the file of ``--web.config.file`` says, checked and frozen."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Optional


class ClientAuth(str, enum.Enum):
    """Go's policies for client certificates, as far as Python's ssl has them."""

    NONE = "NoClientCert"
    IF_GIVEN = "VerifyClientCertIfGiven"
    REQUIRED = "RequireAndVerifyClientCert"


class TlsVersion(str, enum.Enum):
    """Versions of TLS that may be served."""

    TLS12 = "TLS12"
    TLS13 = "TLS13"


@dataclass(frozen=True)
class TlsConfig:
    """How to serve TLS; paths are as the operating system takes them.

    ``cipher_suites`` are OpenSSL's names, best first, empty for its own choice; they are those of
    TLS 1.2. ``client_allowed_sans`` empty lets every verified client in.
    """

    cert_file: str
    key_file: str
    client_auth: ClientAuth = ClientAuth.NONE
    client_ca_file: Optional[str] = None
    client_allowed_sans: tuple[str, ...] = ()
    min_version: TlsVersion = TlsVersion.TLS12
    max_version: TlsVersion = TlsVersion.TLS13
    cipher_suites: tuple[str, ...] = ()
    prefer_server_cipher_suites: bool = True

    @property
    def files(self) -> tuple[str, ...]:
        """Every file whose change matters."""
        named = (self.cert_file, self.key_file, self.client_ca_file)
        return tuple(path for path in named if path)


@dataclass(frozen=True)
class RateLimit:
    """A token bucket: one more request each ``interval`` seconds, ``burst`` at once; 0 is none."""

    interval: float = 0.0
    burst: int = 0


@dataclass(frozen=True)
class WebConfig:
    """The whole file. ``users`` are bcrypt hashes by name, none: nobody has to say who they are."""

    tls: Optional[TlsConfig] = None
    headers: tuple[tuple[str, str], ...] = ()
    users: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    rate_limit: RateLimit = RateLimit()
