"""The fleet's pages are pages as exporters write them."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from exporter.build import CATALOGUE, ZERO_IS_NONE
from exporter.commands.diagnose import PAGE_SHAPES
from exporter.diagnosis.page import parse_page
from tests.bench.fleet_pages import ABSENT, CLUSTERS, NODES, STARTED, page, places


def test_the_fleet_is_as_large_as_it_says() -> None:
    """There are 1,000 nodes in 111 clusters of nine or ten."""
    sizes = Counter(place.cluster for place in places())
    assert (len(sizes), sum(sizes.values())) == (CLUSTERS, NODES)
    assert set(sizes.values()) == {9, 10}


def test_a_page_has_every_metric_and_no_other() -> None:
    """Every metric is there that such a node has, and the page is one that a diagnosis accepts."""
    text = page(next(places(taken_each=1)), STARTED)
    names = {line.split("{")[0].split(" ")[0] for line in text.splitlines()}
    assert names == {m.name for m in CATALOGUE if m.name.startswith("opengauss_")} - ABSENT
    assert len(text.splitlines()) >= 600
    assert parse_page(text, PAGE_SHAPES)


def test_a_page_has_the_collectors_of_an_exporter() -> None:
    """The rules read as many of them as of a real node."""
    real = (Path(__file__).parents[1] / "golden" / "metrics.txt").read_text(encoding="utf-8")
    made = page(next(places()), STARTED)
    found = [re.findall(r'collector_success{collector="(\w+)"}', text) for text in (made, real)]
    assert sorted(found[0]) == sorted(found[1])


def test_a_page_without_zeros_lacks_nothing_else() -> None:
    """What it leaves out of the whole page are zeros of metrics whose zero is none."""
    place = next(places(taken_each=1))
    whole, without = (set(page(place, STARTED, zeros=z).splitlines()) for z in (True, False))
    left_out = whole - without
    assert without < whole
    assert all(line.endswith(" 0.0") for line in left_out)
    assert {line.split("{")[0] for line in left_out} == ZERO_IS_NONE
