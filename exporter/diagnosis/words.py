"""How texts are made: phrases in both languages, and values as Prometheus' templates write them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Callable, Union

from exporter.diagnosis import phrases_en, phrases_zh
from exporter.diagnosis.facts import Text

Say = Callable[..., str]
"""Takes a phrase's key and its values; returns the words in one language."""

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_ESCAPES = {
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    "\\": r"\\",
    '"': r"\"",
}


def _speaker(phrases: Mapping[str, str]) -> Say:
    def say(key: str, /, **values: Union[str, int]) -> str:
        return phrases[key].format(**values)

    return say


LANGUAGES: tuple[Say, Say] = (_speaker(phrases_en.PHRASES), _speaker(phrases_zh.PHRASES))


def in_both(write: Callable[[Say], str]) -> Text:
    """Have one text written in each language."""
    english, chinese = LANGUAGES
    return Text(write(english), write(chinese))


def phrase(key: str, /, **values: Union[str, int]) -> Text:
    """Say one phrase in each language."""
    return in_both(lambda say: say(key, **values))


def place(say: Say, cluster: str, node: str = "") -> str:
    """Say where: the node of its cluster, or the cluster where no node is named."""
    kind = "on_node" if node else "in_cluster"
    return say(f"{kind}_of", cluster=cluster, node=node) if cluster else say(kind, node=node)


def quoted(text: str) -> str:
    """Quote the words of a stranger as ``%q`` does: on one line, with nothing hidden in it."""
    return '"' + "".join(map(_quoted_character, text)) + '"'


def _quoted_character(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char == " " or char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:  # noqa: PLR2004  # the last of ASCII
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004  # 16 bits


def moment(seconds: float) -> str:
    """Write a time since the epoch as ``humanizeTimestamp`` does: to the millisecond, in UTC."""
    milliseconds = int(seconds * 1e9) // 1_000_000
    when = _EPOCH + timedelta(milliseconds=milliseconds)
    fraction = f".{milliseconds % 1000:03d}".rstrip("0").rstrip(".")
    return f"{when:%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"


def start_of_process(seconds: int) -> str:
    """Write a time since the epoch as ``ps -o lstart`` does in UTC."""
    return (_EPOCH + timedelta(seconds=seconds)).ctime()
