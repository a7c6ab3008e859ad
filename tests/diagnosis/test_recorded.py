"""One truth on every scenario: pages of made clusters, judged by the rules and by a diagnosis.

``RECORD_PAGES=1 make e2e`` writes the pages anew.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exporter.diagnosis.diagnose import diagnose
from tests.lab import diagnosing
from tests.lab.scenario import Scenario, load_all
from tests.support.agreement import NOW, World, disagreement

RECORDED = sorted(diagnosing.RECORDED.glob("*.txt"))
SCENARIOS = load_all()


def phase_of(path: Path) -> tuple[Scenario, str]:
    """Return the scenario and the phase's name as the file has it."""
    scenario, _, phase = path.stem.partition("--")
    return SCENARIOS[scenario], phase


def test_every_scenario_is_recorded() -> None:
    """No phase of a scenario that can be shown is left out, and no file is of one that is gone."""
    wanted = {
        f"{scenario.name}--{re.sub('[^a-z0-9]+', '_', phase.name.lower())}"
        for scenario in SCENARIOS.values()
        for phase in scenario.phases
    }
    told = "`RECORD_PAGES=1 .venv/bin/python -m tests.lab.e2e NAME` writes tests/golden/scenarios"
    assert {path.stem for path in RECORDED} == wanted, told


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_diagnosis_says_what_the_scenario_expects(path: Path) -> None:
    """It tells the alerts that people are told of, and finds no conflict where there is none."""
    scenario, name = phase_of(path)
    (phase,) = (p for p in scenario.phases if re.sub("[^a-z0-9]+", "_", p.name.lower()) == name)
    diagnosis = diagnose(diagnosing.recorded(path), [], NOW)
    assert diagnosing.problems(phase.expect, diagnosis) == []


def test_the_rules_say_the_same_of_every_scenario(tmp_path: Path) -> None:
    """Of the same pages Prometheus makes the same alerts, with the same words."""
    worlds = [
        World(path.stem, pages[0].samples["opengauss_node_info"][0].labels["cluster_name"], pages)
        for path in RECORDED
        for pages in [diagnosing.recorded(path)]
    ]
    told = disagreement(worlds, tmp_path)
    assert told == "", told[:20_000]
