"""Facts about the exporter itself."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Refusal(str, enum.Enum):
    """Why the web server turned a connection or a request away."""

    BODY_TOO_LARGE = "body_too_large"
    CONNECTION_LIMIT = "connection_limit"
    HEADER_TOO_LARGE = "header_too_large"
    MALFORMED = "malformed"
    RATE_LIMIT = "rate_limit"
    REQUEST_LIMIT = "request_limit"
    TIMEOUT = "timeout"
    TLS = "tls"
    UNAUTHORIZED = "unauthorized"


@dataclass(frozen=True)
class ReloadStatus:
    """How the last reading of the configuration went.

    ``loaded_at`` is when the one in force was read, in seconds since the epoch; ``problem`` says
    why the one that was read last is not in force, empty when it is.
    """

    loaded_at: float
    problem: str = ""
