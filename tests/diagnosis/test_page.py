"""The page of another exporter: taken as it is, or refused as a whole."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.diagnosis.page import LONGEST_LINE, Sample, Shape, parse_page
from exporter.errors import ParseError

SHAPES = {
    "opengauss_port_conflict": Shape(
        frozenset({"port", "reason"}), {"reason": frozenset({"foreign_listener"})}
    ),
    "opengauss_port_holder_pid": Shape(frozenset({"unit", "container"}), {}),
    "opengauss_marker_mtime_seconds": Shape(frozenset(), {}),
}
CONFLICT = 'opengauss_port_conflict{port="15300",reason="foreign_listener"} 1\n'


def holder(pid: str = "1", unit: str = "", container: str = "") -> str:
    """Write a holder's line."""
    return f'opengauss_port_holder_pid{{unit="{unit}",container="{container}"}} {pid}\n'


def test_known_metrics_are_taken_and_others_left() -> None:
    """A newer exporter's further metrics and labels do no harm."""
    text = (
        f'{CONFLICT}opengauss_new{{a="b"}} 1\nother 2\nopengauss_marker_mtime_seconds{{x="y"}} 3\n'
    )
    assert parse_page(text, SHAPES) == (
        Sample("opengauss_port_conflict", {"port": "15300", "reason": "foreign_listener"}, 1),
        Sample("opengauss_marker_mtime_seconds", {"x": "y"}, 3),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html><body>login</body></html>",
        "go_info 1\n",
        'opengauss_port_conflict{port="15300"} 1\n',
        'opengauss_port_conflict{port="1; reboot",reason="foreign_listener"} 1\n',
        'opengauss_port_conflict{port="15300",reason="because"} 1\n',
        'opengauss_port_conflict{port="15300",reason="foreign_listener} 1\n',
        holder(container="x; reboot"),
        holder(unit="a'b.service"),
        holder(pid="-1"),
        holder(pid="1.5"),
        holder(pid="NaN"),
        holder(pid="1e300"),
        "opengauss_marker_mtime_seconds -5\n",
        f'{CONFLICT}opengauss_new{{a="{LONGEST_LINE * "x"}"}} 1\n',
        "opengauss_marker_mtime_seconds 1e12\n",
    ],
)
def test_a_page_that_this_exporter_does_not_write_is_refused(text: str) -> None:
    """Nothing that could become a wrong word or command gets through."""
    with pytest.raises(ParseError):
        parse_page(text, SHAPES)


@given(st.text() | st.text(alphabet='opengauss_port_conflict{}="\\,# \n1').map(CONFLICT.__add__))
def test_any_text_is_taken_or_refused(text: str) -> None:
    """Whatever another program answers, there are samples or a ParseError."""
    with contextlib.suppress(ParseError):
        assert parse_page(text, SHAPES)
