"""Durations as Prometheus writes them: ``15s``, ``1m30s``, ``500ms``, ``0``."""

from __future__ import annotations

import re
from typing import Optional

# A year has 365 days and a week 7, as in Prometheus' own reading.
_UNITS = (
    ("y", 31_536_000_000),
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
)
# Nine digits of the largest unit stay far inside what a float holds exactly in milliseconds.
_DURATION = re.compile("".join(f"(?:([0-9]{{1,9}}){unit})?" for unit, _ in _UNITS))


def parse_duration(text: str) -> Optional[float]:
    """Read a duration in seconds; None when the text is none."""
    if text == "0":
        return 0.0
    match = _DURATION.fullmatch(text)
    if not text or not match:
        return None
    parts = zip(match.groups(), _UNITS)
    return sum(int(count or 0) * milliseconds for count, (_, milliseconds) in parts) / 1000


def format_duration(seconds: float) -> str:
    """Write seconds, to the millisecond, in the largest units that fit."""
    rest = round(seconds * 1000)
    text = ""
    for unit, milliseconds in _UNITS:
        count, rest = divmod(rest, milliseconds)
        text += f"{count}{unit}" if count else ""
    return text or "0s"
