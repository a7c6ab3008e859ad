"""A request and its answer, and what a request says that its client would take. Pure."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Callable, Optional

from exporter.scrape.exposition import Format

TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"

TIMEOUT_HEADER = "x-prometheus-scrape-timeout-seconds"
DEFAULT_TIMEOUT_SECONDS = 10.0
LONGEST_TIMEOUT_SECONDS = 120.0
TIMEOUT_OFFSET_SECONDS = 0.5
"""Time that the answer needs on its way; blackbox_exporter takes the same."""

_LONGEST_HEADER = 4096
_MEDIA = {
    "application/openmetrics-text": Format.OPENMETRICS,
    "text/plain": Format.TEXT,
    "text/*": Format.TEXT,
    "*/*": Format.TEXT,
}
_VERSIONS = {
    Format.OPENMETRICS: {None, "1.0.0"},
    # 1.0.0 differs from 0.0.4 in quoted UTF-8 names only, and we have none
    Format.TEXT: {None, "0.0.4", "1.0.0"},
}

# On every answer: nothing here is ever framed, scripted, cached or guessed at.
SECURITY_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    ),
    ("Cache-Control", "no-store"),
)


@dataclass(frozen=True)
class Request:
    """One request without its body; header names are in lower case, the last of a name counts.

    ``query`` is what stands behind the path's question mark, as it came.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    peer: str = ""
    query: str = ""


@dataclass(frozen=True)
class Response:
    """One answer; lengths, date and connection headers are the server's business."""

    status: int
    body: bytes
    content_type: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def all_headers(self) -> tuple[tuple[str, str], ...]:
        """The security headers and its own; a header of its own replaces theirs."""
        own = {name.lower() for name, _ in self.headers}
        kept = (header for header in SECURITY_HEADERS if header[0].lower() not in own)
        return (*kept, *self.headers)


def plain(status: int, text: str, *headers: tuple[str, str]) -> Response:
    """Answer with one line of text."""
    return Response(status, f"{text}\n".encode(errors="replace"), TEXT, headers)


Handler = Callable[[Request], Awaitable[Response]]


def choose_format(accept: str) -> Format:
    """Return the format that the header weighs highest, the text format when it names none.

    OpenMetrics wins a draw, as it is the one that has to be asked for by name.
    """
    best, weight = Format.TEXT, 0.0
    for name, parameters in _elements(accept):
        candidate = _MEDIA.get(name)
        if candidate is None or parameters.get("version") not in _VERSIONS[candidate]:
            continue
        quality = _quality(parameters)
        if quality > weight or (quality == weight > 0.0 and candidate is Format.OPENMETRICS):
            best, weight = candidate, quality
    return best


def accepts_gzip(accept_encoding: str) -> bool:
    """Tell whether the client takes gzip: by its name, else by ``*``."""
    weights = {name: _quality(parameters) for name, parameters in _elements(accept_encoding)}
    return weights.get("gzip", weights.get("*", 0.0)) > 0.0


def omits_zeros(query: str) -> bool:
    """Tell whether zeros that add no information are left out: ``zeros=omit`` in the query."""
    return "zeros=omit" in query.split("&")


def scrape_budget(timeout: Optional[str]) -> float:
    """Return for how many seconds collectors may take, from the scrape-timeout header.

    What is no positive number counts as Prometheus's default of 10 s. What is left of a timeout is
    never less than half of it, and nobody can ask for more than two minutes.
    """
    try:
        seconds = float(timeout) if timeout else DEFAULT_TIMEOUT_SECONDS
    except ValueError:
        seconds = DEFAULT_TIMEOUT_SECONDS
    if not seconds > 0.0 or math.isinf(seconds):
        seconds = DEFAULT_TIMEOUT_SECONDS
    seconds = min(seconds, LONGEST_TIMEOUT_SECONDS)
    return max(seconds - TIMEOUT_OFFSET_SECONDS, seconds / 2)


def _elements(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    for element in header[:_LONGEST_HEADER].lower().split(","):
        name, *parameters = (part.strip() for part in element.split(";"))
        pairs = (parameter.partition("=") for parameter in parameters)
        yield name, {key.strip(): value.strip().strip('"') for key, _, value in pairs}


def _quality(parameters: dict[str, str]) -> float:
    try:
        quality = float(parameters.get("q", "1"))
    except ValueError:
        return 0.0
    return quality if 0.0 <= quality <= 1.0 else 0.0
