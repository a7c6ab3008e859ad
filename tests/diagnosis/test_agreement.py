"""One truth: what a diagnosis finds is what the shipped rules fire, word by word."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from exporter.diagnosis import diagnose
from exporter.model.words import ENDPOINT_WORDS
from tests.support.agreement import JUDGED, NOW, World, disagreement
from tests.support.worlds import OWN_WORD, PORTS, worlds

SEED = 5
MOST = 100
MORE = 60 if "FUZZ_INPUTS" in os.environ else 0


def alerts_of(world: World) -> set[str]:
    """Return the alerts that a diagnosis finds."""
    return {finding.alert for finding in diagnose(world.pages, [], NOW).findings}


def telling_worlds() -> Iterator[World]:
    """Keep of many clusters those that show an alert which none before them shows."""
    shown: set[str] = set()
    for world in worlds(SEED, MOST):
        alerts = alerts_of(world)
        if not alerts <= shown:
            yield world
        shown |= alerts
        if shown >= set(JUDGED):
            return


def test_rules_and_diagnosis_agree_on_clusters_made_by_chance(tmp_path: Path) -> None:
    """The same alerts with the same labels and the same texts in both languages, no more."""
    told = disagreement(chain(telling_worlds(), worlds(SEED + 1, MORE)), tmp_path)
    assert told == "", told[:20_000]


def test_zeros_that_are_left_out_change_no_alert(tmp_path: Path) -> None:
    """Prometheus says of pages without them what the diagnosis says, and that of whole ones."""
    sparse = [(world, world.without_zeros()) for world in telling_worlds()]
    assert all(alerts_of(without) == alerts_of(world) for world, without in sparse)
    told = disagreement((without for _, without in sparse), tmp_path)
    assert told == "", told[:20_000]


def test_rules_and_diagnosis_agree_where_there_is_no_cm(tmp_path: Path) -> None:
    """Of a cluster that is known to have none neither says what CM would do."""
    told = disagreement((world.without_cm() for world in telling_worlds()), tmp_path)
    assert told == "", told[:20_000]


def test_the_clusters_made_by_chance_show_every_alert() -> None:
    """Each alert about a cluster is found by a diagnosis, and so compared at least once."""
    found = set().union(*map(alerts_of, telling_worlds()))
    assert found == set(JUDGED), (
        "an alert that no diagnosis finds: exporter/diagnosis must judge as its rule does, and "
        "tests/support/worlds.py must make what raises it (CONTRIBUTING.md, Adding an alert)"
    )


def test_the_clusters_made_by_chance_have_every_endpoint() -> None:
    """No word of an endpoint is left out of the comparison."""
    assert set(PORTS) == {*ENDPOINT_WORDS, OWN_WORD}, "PORTS of tests/support/worlds.py"
