"""Phrases in two languages, and values as Prometheus' templates write them."""

from __future__ import annotations

from string import Formatter

import pytest

from exporter.diagnosis.phrases import phrases
from exporter.diagnosis.words import moment, quoted


def fields(phrase: str) -> set[str]:
    """Name the values that a phrase takes."""
    return {field for _, field, _, _ in Formatter().parse(phrase) if field}


def test_both_languages_have_the_same_phrases() -> None:
    """What can be said in one language can be said in the other, with the same values."""
    for key, phrase in phrases().items():
        assert phrase.keys() == {"en", "zh"}, key
        assert fields(phrase["en"]) == fields(phrase["zh"]), key


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("nginx", '"nginx"'),
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("a\nb\tc", '"a\\nb\\tc"'),
        ("\x1b[31m\x7f", '"\\x1b[31m\\x7f"'),
        ("数据库", '"数据库"'),
        ("\u202e\u2028", '"\\u202e\\u2028"'),
        ("\U000e0001", '"\\U000e0001"'),
    ],
)
def test_words_of_strangers_are_quoted_on_one_line(text: str, written: str) -> None:
    """Nothing in a name can end the line, hide, or move a terminal's cursor."""
    assert quoted(text) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "1970-01-01 00:00:00 +0000 UTC"),
        (1792752000, "2026-10-23 10:40:00 +0000 UTC"),
        (1792752000.32, "2026-10-23 10:40:00.32 +0000 UTC"),
    ],
)
def test_a_moment_is_written_as_on_the_page(seconds: float, written: str) -> None:
    """The time to compare with ``ps`` reads the same in the page and in the diagnosis."""
    assert moment(seconds) == written
