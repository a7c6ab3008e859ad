"""Families stay the same objects exactly as long as their facts do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from exporter.scrape.base import Family, FamilyCache, Metric

ENTRY = Metric("opengauss_m", "Help.", ("a",))


def _families(number: int, *_: object) -> Iterator[Family]:
    yield ENTRY.family([((str(number),), number)])


def test_the_same_facts_give_the_same_families() -> None:
    """Facts that are equal, though other objects, build nothing anew."""
    kept = FamilyCache(_families)
    first = kept(1, {"x": (1, 2)})
    assert kept(1, {"x": (1, 2)}) is first
    assert first[0].samples[0].labels == {"a": "1"}


def test_other_facts_give_other_families() -> None:
    """Every change shows, the one back to what was before as well."""
    kept = FamilyCache(_families)
    shown = [kept(number)[0].samples[0].value for number in (1, 2, 1, 0, 0)]
    assert shown == [1, 2, 1, 0, 0]


def test_families_that_could_not_be_built_are_not_kept() -> None:
    """A build that raises leaves the next one to be made."""
    kept = FamilyCache(
        lambda number: [ENTRY.family([((), number)])] if number else _families(number)
    )
    for _ in range(2):
        with pytest.raises(ValueError, match="takes the labels"):
            kept(1)
    assert kept(0)[0].samples[0].value == 0
