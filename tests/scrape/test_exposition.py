"""The page is valid text in both formats, whatever a label holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from exporter.host.text import visible
from exporter.scrape.exposition import Format, PageWriter, render
from tests.support.exposition import openmetrics_of, parse_openmetrics, parse_text
from tests.support.promtool import check_metrics

RUDE = 'a"b\\c\nd\x00e\udcfff\r\t<b>é\u2028'
TAME = 'a"b\\c\nd\ufffde\ufffdf\ufffd\ufffd<b>é\ufffd'

SPEAKABLE = st.text(st.characters().filter(lambda c: c.isprintable() or c == "\n"))
VALUES = st.floats(allow_nan=True, allow_infinity=True)


class Given(Collector):
    """A registry for the client library that holds what it was given."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = tuple(families)

    def collect(self) -> Iterable[Metric]:
        """Return it."""
        return self._families


def page(kind: str, text: str, samples: Sequence[tuple[str, str, float]]) -> tuple[Metric, ...]:
    """Build a page of one family, with and without labels."""
    family = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
    labelled = family("m", text, labels=("z", "a"))
    for first, second, value in samples:
        labelled.add_metric((first, second), value)
    return labelled, family("n", text, value=1.0)


PAGES = st.builds(
    page,
    st.sampled_from(["gauge", "counter"]),
    SPEAKABLE,
    st.lists(st.tuples(SPEAKABLE, SPEAKABLE, VALUES), max_size=4),
)


@given(PAGES)
def test_the_text_is_that_of_the_client_library(families: tuple[Metric, ...]) -> None:
    """Both formats are, byte by byte, what the Prometheus client library writes."""
    registry = Given(families)
    assert render(families, Format.TEXT) == generate_latest(registry)
    assert render(families, Format.OPENMETRICS) == openmetrics_of(registry)


@given(st.text(st.characters()))
def test_any_text_makes_a_valid_page(text: str) -> None:
    """What does not print is replaced, the rest of a label comes back as it was."""
    family = GaugeMetricFamily("m", "Help.", labels=("a",))
    family.add_metric((text,), 1.0)
    body = render([family], Format.TEXT).decode("utf-8")
    (parsed,) = parse_text(body)
    assert parsed.samples[0].labels == {"a": visible(text)}
    assert len(body.splitlines()) == body.count("\n") == 3


def test_rude_text_in_both_formats() -> None:
    """Quotes, line ends, HTML and bytes that are no UTF-8 survive or are replaced."""
    family = GaugeMetricFamily("m", RUDE, labels=("a",))
    family.add_metric((RUDE,), 2.0)
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
    family = CounterMetricFamily("m_total", "Help.", value=3)
    assert b"# TYPE m_total counter\nm_total 3.0\n" in render([family], Format.TEXT)
    text = render([family], Format.OPENMETRICS).decode()
    assert "# TYPE m counter\nm_total 3.0\n" in text
    (parsed,) = parse_openmetrics(text)
    assert parsed.type == "counter"


@pytest.mark.parametrize("text", [RUDE, "x" * 5000, "", "{}[],=#"])
def test_promtool_takes_any_label(text: str) -> None:
    """Prometheus's own parser reads the page."""
    family = GaugeMetricFamily("m_info", "Help.", labels=("a",))
    family.add_metric((text,), 1.0)
    check_metrics(render([family], Format.TEXT))


@given(st.lists(PAGES, min_size=2, max_size=4), st.sampled_from(Format))
def test_a_family_that_stays_has_the_text_that_it_had(
    pages: list[tuple[Metric, ...]], style: Format
) -> None:
    """A writer that has written other pages before writes what a new one would."""
    writer = PageWriter()
    staying, *changing = pages
    for families in changing:
        page_now = (*staying, *families)
        assert writer.write(page_now, style) == render(page_now, style)
        assert writer.write(page_now, style) == render(page_now, style)


def test_a_page_without_zeros_is_a_form_of_its_own() -> None:
    """One client's page without zeros changes nothing of another's with them."""
    family = GaugeMetricFamily("m", "Help.", labels=("a",))
    family.add_metric(("x",), 0.0)
    family.add_metric(("y",), 1.0)
    writer = PageWriter()
    full = writer.write([family], Format.TEXT)
    assert b'm{a="x"} 0.0' in full
    assert b'a="x"' not in writer.write([family], Format.TEXT, frozenset({"m"}))
    assert writer.write([family], Format.TEXT) == full
