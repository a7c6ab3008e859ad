"""Durations in Prometheus' notation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.values import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("15s", 15.0),
        ("1m30s", 90.0),
        ("15m", 900.0),
        ("500ms", 0.5),
        ("1h2m3s4ms", 3723.004),
        ("1y1w1d", (365 + 7 + 1) * 86400.0),
    ],
)
def test_prometheus_durations_are_understood(text: str, seconds: float) -> None:
    """A duration that Prometheus takes has the same length here."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "15", "s", "1.5s", "-1s", "30s1m", "1 s", "15S", "1s\n"])
def test_what_prometheus_refuses_is_refused(text: str) -> None:
    """Numbers without unit, fractions, wrong order and blanks are no durations."""
    assert parse_duration(text) is None


@given(st.integers(0, 10**12))
def test_a_written_duration_is_read_back(milliseconds: int) -> None:
    """Any number of milliseconds survives writing and reading."""
    assert parse_duration(format_duration(milliseconds / 1000)) == milliseconds / 1000
