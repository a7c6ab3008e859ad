"""What strangers call themselves is shown, and moves nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.host.text import escaped, visible


@pytest.mark.parametrize(
    "rude",
    [
        "\x1b]0;title\x07",
        "\x1b[2J",
        "\x9b31m",
        "a\rb",
        "\x7f",
        "\u202eexe.cod",
        "\u2066",
        "\u2028",
        "\0",
    ],
)
def test_nothing_reaches_a_terminal_but_text(rude: str) -> None:
    """Escape sequences, in both forms, carriage returns and changes of direction are gone."""
    assert visible(rude).isprintable()
    assert len(visible(rude)) == len(rude)


@given(st.text())
def test_what_prints_stays(text: str) -> None:
    """Letters of any language and line ends come back as they were, each in its place."""
    shown = visible(text)
    assert [c for c in shown if c.isprintable() or c == "\n"] == list(shown)
    assert all(a == b for a, b in zip(text, shown) if a.isprintable() or a == "\n")
    assert visible(shown) == shown


@given(st.text())
def test_no_text_plays_tricks_on_a_terminal(text: str) -> None:
    """Whatever a file says, what is written is printable, and plain text stays as it is."""
    assert escaped(text).isprintable()
    assert escaped(text) == text or not text.isprintable()


@given(st.text(), st.text())
def test_different_text_that_prints_stays_different(one: str, other: str) -> None:
    """Escaping changes nothing that prints."""
    if one.isprintable() and other.isprintable():
        assert (escaped(one) == escaped(other)) == (one == other)


def test_text_of_the_longest_length_is_whole() -> None:
    """Only what is longer is cut, and says so."""
    assert escaped("abc", 3) == "abc"
    assert escaped("abcd", 3) == "ab…"
