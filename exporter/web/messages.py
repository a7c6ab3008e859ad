"""A request and its answer, as far as the pages care."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"

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
