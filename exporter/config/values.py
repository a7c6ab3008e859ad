"""Readers of single values. YAML 1.1's guesses are not trusted: ``1:30`` is no number here."""

from __future__ import annotations

import re
import zoneinfo
from ipaddress import IPv6Address, ip_address
from typing import Optional

import yaml

from exporter.config.document import RefusedError, shown
from exporter.config.reading import Reader, Value, wrong_type
from exporter.host.facts import IPAddress

_LONGEST_PATH = 4095  # PATH_MAX without its NUL
_LONGEST_TEXT = 4096
_DECIMAL = re.compile(r"0|-?[1-9][0-9]{0,18}")
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


def boolean(value: Value) -> bool:
    """Read true or false."""
    if value.tag != "bool":
        raise wrong_type(value, "true or false")
    return value.node.value.lower() in {"true", "yes", "on"}


def number(least: int, most: int) -> Reader[int]:
    """Make a reader of whole decimal numbers."""
    allowed = f"a whole number from {least} to {most}"

    def read(value: Value) -> int:
        if value.tag != "int":
            raise wrong_type(value, allowed)
        digits = value.node.value
        if not _DECIMAL.fullmatch(digits) or not least <= int(digits) <= most:
            raise RefusedError(f"{shown(digits)} is not allowed; allowed: {allowed}")
        return int(digits)

    return read


def text(value: Value) -> str:
    """Read printable text of at most 4096 characters."""
    if value.tag != "str":
        quotes = ' (in quotes: "…")' if isinstance(value.node, yaml.ScalarNode) else ""
        raise wrong_type(value, f"text{quotes}")
    return _printable(value.node.value)


def note(value: Value) -> str:
    """Read text that may be empty."""
    return "" if value.tag == "str" and not value.node.value else text(value)


def _printable(content: str) -> str:
    if not content or len(content) > _LONGEST_TEXT:
        raise RefusedError(
            f"{len(content)} characters are not allowed; allowed: 1 to {_LONGEST_TEXT}"
        )
    strange = next((char for char in content if not char.isprintable()), None)
    if strange:
        raise RefusedError(f"character U+{ord(strange):04X} is not allowed; allowed: one line")
    return content


def word(pattern: str, allowed: str) -> Reader[str]:
    """Make a reader of text that matches a pattern whole."""
    compiled = re.compile(pattern, re.ASCII)

    def read(value: Value) -> str:
        content = text(value)
        if not compiled.fullmatch(content):
            raise RefusedError(f"{shown(content)} is not allowed; allowed: {allowed}")
        return content

    return read


def one_of(words: tuple[str, ...]) -> Reader[str]:
    """Make a reader of one word of a closed set."""
    return word("|".join(map(re.escape, words)), ", ".join(words))


def identifier(value: Value) -> str:
    """Read CM's number of an instance, with or without quotes, or a word of one's own."""
    allowed = "1 to 64 of the characters A-Z a-z 0-9 _ . -"
    if value.tag not in {"str", "int"}:
        raise wrong_type(value, allowed)
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", value.node.value):
        raise RefusedError(f"{shown(value.node.value)} is not allowed; allowed: {allowed}")
    return str(value.node.value)


def absolute_path(value: Value) -> str:
    """Read an absolute path."""
    content = text(value)
    if not content.startswith("/") or len(content.encode()) > _LONGEST_PATH:
        raise RefusedError(
            f"{shown(content)} is not allowed; allowed: an absolute path of at most"
            f" {_LONGEST_PATH} bytes"
        )
    return content


def executable(value: Value) -> str:
    """Read the file name of a program, or its full path."""
    content = text(value)
    return absolute_path(value) if "/" in content else content


def address(value: Value) -> IPAddress:
    """Read an IPv4 or IPv6 address, also where YAML 1.1 takes it for a number (``1:2:…:8``)."""
    if not isinstance(value.node, yaml.ScalarNode):
        raise wrong_type(value, "an IPv4 or IPv6 address")
    content = value.node.value
    refusal = f"{shown(content)} is not allowed; allowed: an IPv4 or IPv6 address without a zone"
    try:
        ip = ip_address(content)
    except ValueError:
        raise RefusedError(refusal) from None
    if isinstance(ip, IPv6Address) and ip.scope_id:
        raise RefusedError(refusal)
    return ip


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


def duration(least: float, most: float) -> Reader[float]:
    """Make a reader of durations; the bounds are in seconds."""
    allowed = f"a duration such as 15s or 1m30s, from {format_duration(least)}"
    allowed += f" to {format_duration(most)}"

    def read(value: Value) -> float:
        if value.tag not in {"str", "int"}:  # the one number among them is 0
            raise wrong_type(value, allowed)
        seconds = parse_duration(value.node.value)
        if seconds is None or not least <= seconds <= most:
            raise RefusedError(f"{shown(value.node.value)} is not allowed; allowed: {allowed}")
        return seconds

    return read


def timezone(value: Value) -> str:
    """Read the name of a time zone that this host's zone files know."""
    name = text(value)
    try:
        zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        # OSError: the name of a directory of zones, or a name too long for a file.
        raise RefusedError(
            f"{shown(name)} is no time zone of this host; allowed: a name such as Asia/Shanghai"
        ) from None
    return name
