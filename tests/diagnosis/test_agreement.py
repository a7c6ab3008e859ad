"""One truth: what a diagnosis finds is what the shipped rules fire, word by word."""

from __future__ import annotations

import os
from pathlib import Path

from exporter.diagnosis import diagnose
from tests.support.agreement import JUDGED, NOW, WATCHED_ONLY, disagreement
from tests.support.rules import rules
from tests.support.worlds import worlds

SEED = 256  # with it few clusters show every alert
NUMBER = 60 if "FUZZ_INPUTS" in os.environ else 7


def test_rules_and_diagnosis_agree_on_clusters_made_by_chance(tmp_path: Path) -> None:
    """The same alerts with the same labels and the same texts in both languages, no more."""
    told = disagreement(worlds(SEED, NUMBER), tmp_path)
    assert told == "", told[:20_000]


def test_every_alert_about_a_cluster_is_judged() -> None:
    """No alert of the rules is left out of the comparison but those about the exporters."""
    about_clusters = {r.name for r in rules() if r.is_alert and r.file.name != WATCHED_ONLY}
    assert set(JUDGED) == about_clusters


def test_the_clusters_made_by_chance_show_every_alert() -> None:
    """The comparison is of something: each alert is there at least once."""
    made = (diagnose(world.pages, [], NOW) for world in worlds(SEED, NUMBER))
    assert {finding.alert for each in made for finding in each.findings} == set(JUDGED)
