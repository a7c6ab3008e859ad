"""Scenario files: every one loads, and what is not meant is an error with the file's name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.lab.expectations import cause_names
from tests.lab.runner import Runner
from tests.lab.scenario import DIRECTORY, ScenarioError, load, load_all

ROWS = {
    f"{letter}{number}"
    for letter, last in {"R": 4, "L": 11, "N": 5, "X": 20, "T": 4}.items()
    for number in range(1, last + 1)
}
NOT_SHOWN = "not shown: "


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


def shown_rows() -> dict[str, str]:
    """Read the table of rows and scenarios in the lab's page."""
    page = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    return dict(re.findall(r"(?m)^\| ([A-Z]\d+) \|[^|]*\| (.*) \|$", page))


def test_every_row_of_the_diagnosis_is_played_or_has_its_reason() -> None:
    """The lab's page lists each row once, with just the scenarios whose files name it."""
    wanted: dict[str, str] = {}
    for scenario in load_all().values():
        for row in scenario.rows:
            assert (row in wanted) <= (scenario.not_shown is None), row
            before = f"{wanted[row]} " if row in wanted else NOT_SHOWN * bool(scenario.not_shown)
            wanted[row] = f"{before}`{scenario.name}`"
    assert set(wanted) == ROWS
    assert shown_rows() == wanted


def test_a_look_alike_and_a_transient_expect_no_cause() -> None:
    """What must never be called a conflict has no cause among its alerts, but for a real one."""
    real = {"cm_port_all_but_one_of_three", "other_network_namespace"}
    causes = cause_names() - {"OpenGaussAddressMissing"}
    for scenario in load_all().values():
        if scenario.name not in real and any(row[0] in "XT" for row in scenario.rows):
            alerts = [alert for phase in scenario.phases for alert in phase.expect.alerts or ()]
            assert {alert["alertname"] for alert in alerts} & causes == set(), scenario.name
