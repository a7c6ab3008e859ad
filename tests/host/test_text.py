"""What strangers call themselves is shown, and moves nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.host.text import visible


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
