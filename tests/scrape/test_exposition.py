"""The page is valid text in both formats, whatever a label holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.core import Metric as LibraryMetric
from prometheus_client.registry import Collector

from exporter.host.text import visible
from exporter.scrape.base import Family, Kind, Metric
from exporter.scrape.exposition import Format, render
from tests.support.exposition import openmetrics_of, parse_openmetrics, parse_text
from tests.support.promtool import check_metrics

RUDE = 'a"b\\c\nd\x00e\udcfff\r\t<b>é\u2028'
TAME = 'a"b\\c\nd\ufffde\ufffdf\ufffd\ufffd<b>é\ufffd'

SPEAKABLE = st.text(st.characters().filter(lambda c: c.isprintable() or c == "\n"))
VALUES = st.floats(allow_nan=True, allow_infinity=True)


class Given(Collector):
    """A registry for the client library that holds what it was given."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = tuple(families)

    def collect(self) -> Iterable[LibraryMetric]:
        """Return it."""
        return self._families


def page(kind: Kind, text: str, samples: Sequence[tuple[str, str, float]]) -> tuple[Family, ...]:
    """Build a page of one family, with and without labels."""
    suffix = "_total" if kind is Kind.COUNTER else ""
    labelled = Metric(f"m{suffix}", text, ("z", "a"), kind)
    family = labelled.family(((first, second), value) for first, second, value in samples)
    return family, Metric(f"n{suffix}", text, kind=kind).single(1.0)


PAGES = st.builds(
    page,
    st.sampled_from(Kind),
    SPEAKABLE,
    st.lists(st.tuples(SPEAKABLE, SPEAKABLE, VALUES), max_size=4),
)


@given(PAGES)
def test_the_text_is_that_of_the_client_library(families: tuple[Family, ...]) -> None:
    """Both formats are, byte by byte, what the Prometheus client library writes."""
    registry = Given(families)
    assert render(families, Format.TEXT) == generate_latest(registry)
    assert render(families, Format.OPENMETRICS) == openmetrics_of(registry)


@given(st.text(st.characters()))
def test_any_text_makes_a_valid_page(text: str) -> None:
    """What does not print is replaced, the rest of a label comes back as it was."""
    family = Metric("m", "Help.", ("a",)).family([((text,), 1.0)])
    body = render([family], Format.TEXT).decode("utf-8")
    (parsed,) = parse_text(body)
    assert parsed.samples[0].labels == {"a": visible(text)}
    assert len(body.splitlines()) == body.count("\n") == 3


def test_rude_text_in_both_formats() -> None:
    """Quotes, line ends, HTML and bytes that are no UTF-8 survive or are replaced."""
    family = Metric("m", RUDE, ("a",)).family([((RUDE,), 2.0)])
    escaped = TAME.replace("\\", "\\\\").replace("\n", "\\n")
    quoted = escaped.replace('"', '\\"')
    assert render([family], Format.TEXT).decode() == (
        f'# HELP m {escaped}\n# TYPE m gauge\nm{{a="{quoted}"}} 2.0\n'
    )
    assert render([family], Format.OPENMETRICS).decode() == (
        f'# HELP m {quoted}\n# TYPE m gauge\nm{{a="{quoted}"}} 2.0\n# EOF\n'
    )


def test_openmetrics_names_counters_without_their_suffix() -> None:
    """A counter is ``m`` in OpenMetrics' metadata, ``m_total`` in the older format's."""
    family = Metric("m_total", "Help.", kind=Kind.COUNTER).single(3)
    assert b"# TYPE m_total counter\nm_total 3.0\n" in render([family], Format.TEXT)
    text = render([family], Format.OPENMETRICS).decode()
    assert "# TYPE m counter\nm_total 3.0\n" in text
    (parsed,) = parse_openmetrics(text)
    assert parsed.type == "counter"


@pytest.mark.parametrize("text", [RUDE, "x" * 5000, "", "{}[],=#"])
def test_promtool_takes_any_label(text: str) -> None:
    """Prometheus's own parser reads the page."""
    family = Metric("m_info", "Help.", ("a",)).family([((text,), 1.0)])
    check_metrics(render([family], Format.TEXT))


@given(PAGES, st.sampled_from(Format))
def test_a_family_that_stays_has_the_text_that_it_had(
    families: tuple[Family, ...], style: Format
) -> None:
    """A family on the next page again is not written again, in any form that it was written in."""
    first = {form: render(families, form) for form in Format}
    for family in families:
        family.samples.clear()
    assert render(families, style) == first[style]


def test_a_page_without_zeros_is_a_form_of_its_own() -> None:
    """One client's page without zeros changes nothing of another's with them."""
    family = Metric("m", "Help.", ("a",)).family([(("x",), 0.0), (("y",), 1.0)])
    full = render([family], Format.TEXT)
    assert b'm{a="x"} 0.0' in full
    assert b'a="x"' not in render([family], Format.TEXT, frozenset({"m"}))
    assert render([family], Format.TEXT) == full
