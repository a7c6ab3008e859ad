"""One truth: what a diagnosis finds is what the shipped rules fire, word by word."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from exporter.config.words import ENDPOINT_WORDS
from exporter.diagnosis.diagnose import diagnose
from exporter.diagnosis.phrases import phrases
from tests.support.agreement import JUDGED, NOW, World, disagreement
from tests.support.worlds import OWN_WORD, PORTS, worlds

SEED = 5
MOST = 100
CHECK = tuple(phrases()[f"check_{word}"]["en"] for word in ("sees", "blind", "elsewhere"))
"""What may be said of cm_agent's check of a port."""
OF_THE_DATABASE = (
    "OpenGaussDBPortConflict",
    "OpenGaussDBPortConflictAllNodes",
    "OpenGaussPortConflictLatent",
)
MORE = 60 if "FUZZ_INPUTS" in os.environ else 0


def alerts_of(world: World) -> set[str]:
    """Return the alerts that a diagnosis finds."""
    return {finding.alert for finding in diagnose(world.pages, [], NOW).findings}


def told_by(world: World) -> set[str]:
    """Return the alerts that a diagnosis finds, and what each says of cm_agent's check."""
    return alerts_of(world) | {
        finding.alert + said
        for finding in diagnose(world.pages, [], NOW).findings
        for said in CHECK
        if said in finding.description.en
    }


def telling_worlds() -> Iterator[World]:
    """Keep of many clusters those that tell something which none before them tells."""
    told: set[str] = set()
    for world in worlds(SEED, MOST):
        telling = told_by(world)
        if not telling <= told:
            yield world
        told |= telling


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


def test_the_clusters_made_by_chance_show_all_that_is_said_of_the_check() -> None:
    """Whether cm_agent sees a database's port, or cannot, or does not look, is compared as well."""
    said = {alert + said for alert in OF_THE_DATABASE for said in CHECK}
    assert said <= set().union(*map(told_by, telling_worlds()))


def test_the_clusters_made_by_chance_have_every_endpoint() -> None:
    """No word of an endpoint is left out of the comparison."""
    assert set(PORTS) == {*ENDPOINT_WORDS, OWN_WORD}, "PORTS of tests/support/worlds.py"
