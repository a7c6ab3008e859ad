"""Scenario files: every one loads, and what is not meant is an error with the file's name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.runner import Runner
from tests.lab.scenario import DIRECTORY, ScenarioError, load, load_all


def test_every_scenario_loads_and_knows_its_steps() -> None:
    """Each file is understood, and each of its steps is an action of the runner."""
    for scenario in load_all().values():
        assert scenario.title
        for phase in scenario.phases:
            for step in phase.steps:
                assert hasattr(Runner, f"step_{step.action}"), (scenario.name, step.action)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title: t\nrows: []\nphase: []\n", r"unknown keys \['phase'\]"),
        ("title: t\nrows: []\n", "either phases or not_shown"),
        ("title: t\nrows: []\nlab: {node: 2}\nphases: []\n", r"lab: unknown keys \['node'\]"),
        ("title: t\nrows: []\nphases: [{name: n, steps: [{a: 1, b: 2}]}]\n", "one action"),
        ("title: t\nrows: []\nphases: [{name: n, expect: {alert: []}}]\n", "unknown keys"),
    ],
)
def test_a_file_that_is_no_scenario_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """The error names the file and what is wrong."""
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(ScenarioError, match=rf"wrong\.yaml.*{message}"):
        load(path)


def test_names_say_what_happens() -> None:
    """Names are words joined by underscores, so that `make demo SCENARIO=name` is easy to type."""
    for path in DIRECTORY.iterdir():
        assert path.suffix == ".yaml"
        assert path.stem.replace("_", "").isalnum()
