"""The client's headers decide format, compression and patience, and can do no harm."""

from __future__ import annotations

from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.scrape.exposition import Format
from exporter.web.messages import accepts_gzip, choose_format, omits_zeros, scrape_budget

PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;"
    "escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_3_PROTOBUF = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
    "encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
TEXT_FIRST = "text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5"
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", Format.TEXT),
        ("*/*", Format.TEXT),
        (FIREFOX, Format.TEXT),
        (PROMETHEUS_3, Format.OPENMETRICS),
        (PROMETHEUS_3_PROTOBUF, Format.OPENMETRICS),
        (TEXT_FIRST, Format.TEXT),
        ("application/openmetrics-text", Format.OPENMETRICS),
        ("Application/OpenMetrics-Text; Version=1.0.0", Format.OPENMETRICS),
        ("text/plain, application/openmetrics-text", Format.OPENMETRICS),
        ("application/openmetrics-text, text/plain", Format.OPENMETRICS),
        ("application/openmetrics-text;version=2.0.0,text/plain;q=0.1", Format.TEXT),
        ("application/openmetrics-text;version=0.0.1", Format.TEXT),
        ("application/openmetrics-text;q=0", Format.TEXT),
        ("application/openmetrics-text;q=rubbish", Format.TEXT),
        ("application/openmetrics-text;q=nan", Format.TEXT),
        ("application/json", Format.TEXT),
    ],
)
def test_the_format_is_the_one_weighed_highest(accept: str, chosen: Format) -> None:
    """OpenMetrics only for who asks for version 1.0.0 of it, and does not prefer the text."""
    assert choose_format(accept) is chosen


@pytest.mark.parametrize(
    ("accept", "taken"),
    [
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("deflate, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("*", True),
        ("*;q=0", False),
        ("identity", False),
        ("x-gzipped", False),
    ],
)
def test_gzip_is_for_who_takes_it(accept: str, *, taken: bool) -> None:
    """Compression needs the client's word, and ``q=0`` is a no."""
    assert accepts_gzip(accept) is taken


@pytest.mark.parametrize(
    ("timeout", "budget"),
    [
        (None, 9.5),
        ("", 9.5),
        ("10", 9.5),
        ("15.5", 15.0),
        ("0.8", 0.4),
        ("0", 9.5),
        ("-3", 9.5),
        ("nan", 9.5),
        ("inf", 9.5),
        ("ten", 9.5),
        ("1e9", 119.5),
    ],
)
def test_collectors_get_the_scrapes_time_less_an_offset(
    timeout: Optional[str], budget: float
) -> None:
    """The answer leaves half a second before Prometheus gives up, two minutes at most."""
    assert scrape_budget(timeout) == budget


@given(st.text(max_size=300))
def test_no_header_is_an_error(header: str) -> None:
    """Whatever stands in a header, there is an answer."""
    assert choose_format(header) in Format
    assert accepts_gzip(header) in {True, False}
    assert 0.0 < scrape_budget(header) <= 119.5


@pytest.mark.parametrize(
    ("query", "omits"),
    [
        ("", False),
        ("zeros=omit", True),
        ("a=b&zeros=omit", True),
        ("zeros=omit&a=b", True),
        ("zeros", False),
        ("zeros=", False),
        ("zeros=omitted", False),
        ("nozeros=omit", False),
        ("a=b;zeros=omit", False),
    ],
)
def test_zeros_are_left_out_only_for_who_asks(query: str, omits: bool) -> None:
    """One word of the query asks for it, and nothing that merely looks like it."""
    assert omits_zeros(query) is omits
