"""What a client said it would take: format, compression, zeros, and for how long it waits. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Optional

from exporter.scrape.exposition import Format

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
    """Tell whether the client leaves zeros to be understood: ``zeros=omit`` in the query."""
    return "zeros=omit" in query.split("&")


def scrape_budget(timeout: Optional[str]) -> float:
    """Return for how many seconds collectors may take, from the scrape-timeout header.

    A value that is none counts as Prometheus's default of 10 s. What is left of a timeout is
    never less than half of it, and a stranger cannot ask for more than two minutes.
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
