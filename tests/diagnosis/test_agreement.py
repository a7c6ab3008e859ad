"""One truth: what a diagnosis finds is what the shipped rules fire, word by word."""

from __future__ import annotations

from pathlib import Path

from tests.support.agreement import disagreement
from tests.support.worlds import worlds

SEED = 20261123
NUMBER = 12


def test_rules_and_diagnosis_agree_on_clusters_made_by_chance(tmp_path: Path) -> None:
    """The same alerts with the same labels and the same texts in both languages, no more."""
    told = disagreement(worlds(SEED, NUMBER), tmp_path)
    assert told == "", told[:20_000]
