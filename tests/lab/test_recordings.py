"""The stand-ins against the recordings of the real CM: same answers, same records, same silence.

Each scenario that was recorded is played in network namespaces, as it was recorded. After
`records.RULES` two things must hold of every node and program: whatever a stand-in wrote, the real
program wrote in that scenario, too; and whatever the real one wrote of ports, starts, stops and
states, the stand-in wrote, too. `recorded_besides` in a scenario lists what else was recorded.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.lab import records
from tests.lab.cluster import Lab
from tests.lab.runner import Runner
from tests.lab.scenario import Scenario, load_all

SAMPLES = Path(__file__).resolve().parents[1] / "samples/cm_cluster"
PROGRAMS = ("cm_agent", "cm_server", "om_monitor", "cm_ctl")
CORE = (
    "cm_port_dual_stack",
    "cm_port_listener",
    "cm_port_own_user",  # lsof sees its holder
    "db_port_listener",
    "dn_stopped_by_operator",
)
RECORDED = {name: s for name, s in load_all().items() if s.recording is not None}
CHOSEN = sorted(RECORDED) if os.environ.get("E2E") == "all" else CORE
ELSEWHERE = {
    "a2_env_and_users_2node": "test_environments.py",
    "f_log_rotation_2node": "test_rotation.py",
    "g_resources_ss_dms_dss_3node": "test_resources.py",
}
RECORDED_ELECTION_SECONDS = 3.0  # so that clients meet a cm_server that does not answer yet

Shapes = dict[tuple[int, str], set[str]]
pytestmark = [pytest.mark.privileged, pytest.mark.e2e]


@dataclass(frozen=True)
class Played:
    """What one scenario left: records by node and program, answers by node and command line."""

    shapes: Shapes
    answers: dict[tuple[int, str], list[tuple[int, str]]]


def play(scenario: Scenario) -> Played:
    """Play the first phase, which is what was recorded."""
    lab = Lab(scenario.nodes, scenario.style, "namespaces", variant=scenario.variant)
    lab.prepare()
    try:
        lab.plan = replace(lab.plan, election_seconds=RECORDED_ELECTION_SECONDS)
        lab.plan.write()
        if scenario.started:
            lab.start()
        runner = Runner(lab)
        for step in scenario.phases[0].steps:
            runner.do(step)
        return Played(shapes_of_lab(lab), runner.answers)
    finally:
        lab.stop()


def shapes_of_lab(lab: Lab) -> Shapes:
    """Return the normalised records of every node and program."""
    return {
        (node.node_id, program): records.shapes(node.log_dir(program).glob(f"{program}-*.log"))
        for node, program in itertools.product(lab.plan.nodes, PROGRAMS)
    }


def shapes_of_recording(scenario: Scenario) -> Shapes:
    """Return the same of a recording; only nodes that were recorded."""
    found = {}
    for node, program in itertools.product(range(1, scenario.nodes + 1), PROGRAMS):
        directory = SAMPLES / str(scenario.recording) / f"node{node}"
        files = sorted(directory.glob(f"log/**/{program}-*.log"))
        if (directory / "log").exists():
            found[node, program] = records.shapes(files)
    return found


def answers_of_recording(scenario: Scenario, node: int, command: str) -> list[tuple[int, str]]:
    """Return the exit codes and outputs that were recorded of a command."""
    found = []
    for file in sorted((SAMPLES / str(scenario.recording) / f"node{node}/cmd").glob("*.cmd")):
        if file.read_text().strip() == f"cm_ctl {command}":
            code = int(file.with_suffix(".rc").read_text())
            found.append((code, file.with_suffix(".stdout").read_text()))
    return found


@pytest.fixture(scope="module")
def played() -> Iterator[dict[str, Future[Played]]]:
    """All chosen scenarios, played side by side: they mostly wait."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        yield {name: pool.submit(play, RECORDED[name]) for name in CHOSEN}


@pytest.fixture(scope="module")
def everything() -> dict[str, set[str]]:
    """All recorded records by program."""
    return {
        program: records.shapes(sorted(SAMPLES.glob(f"*/node*/log/**/{program}-*.log")))
        for program in PROGRAMS
    }


def strip_ids(found: set[str]) -> set[str]:
    """Let the numbers of nodes and instances go: not every recording has every node."""
    return {re.sub(r"\d+", "N", shape) for shape in found}


def without(patterns: list[str], found: set[str]) -> set[str]:
    """Leave out what a scenario says was recorded besides."""
    return {shape for shape in found if not any(re.search(p, shape) for p in patterns)}


@pytest.mark.parametrize("name", CHOSEN)
def test_a_stand_in_writes_what_the_real_program_wrote(
    played: dict[str, Future[Played]], name: str
) -> None:
    """Records of ports, starts, stops and states are the recorded ones; no record is invented."""
    scenario = RECORDED[name]
    besides = [*scenario.recorded_besides, records.RACY.pattern]
    ours, theirs = played[name].result().shapes, shapes_of_recording(scenario)
    for place, recorded in theirs.items():
        telling = {shape for shape in recorded if records.TELLING.search(shape)}
        invented = without([*besides, records.EARLY.pattern], ours[place] - recorded)
        assert invented == set(), f"invented at {place}"
        assert without(besides, telling - ours[place]) == set(), f"missing at {place}"


@pytest.mark.parametrize("name", CHOSEN)
def test_no_record_is_of_our_own_making(
    played: dict[str, Future[Played]], everything: dict[str, set[str]], name: str
) -> None:
    """Every record of a stand-in was written by the real program in one recording or other."""
    for (node, program), ours in played[name].result().shapes.items():
        assert strip_ids(ours) - strip_ids(everything[program]) == set(), (node, program)


@pytest.mark.parametrize("name", CHOSEN)
def test_cm_ctl_answers_what_the_real_one_answered(
    played: dict[str, Future[Played]], name: str
) -> None:
    """Every query that was recorded gets the recorded output and exit code."""
    scenario, compared = RECORDED[name], 0
    for (node, command), answers in played[name].result().answers.items():
        recorded = answers_of_recording(scenario, node, command)
        known = {(code, records.normal(text)) for code, text in recorded}
        if known and command.startswith("query"):
            assert {(code, records.normal(text)) for code, text in answers} <= known
            compared += 1
    assert compared > 0 or scenario.recording == "e3b_cmagent_restart_fails_port15302_inherited"


def test_scenarios_that_differ_stay_different(played: dict[str, Future[Played]]) -> None:
    """No two recordings that tell different stories look alike after the rules."""
    for one, other in itertools.combinations(CHOSEN, 2):
        first, second = played[one].result(), played[other].result()
        assert first.shapes != second.shapes, (one, other)
        theirs = shapes_of_recording(RECORDED[one]), shapes_of_recording(RECORDED[other])
        assert theirs[0] != theirs[1], (one, other)


def test_no_recording_is_left_out() -> None:
    """Each recording is that of a scenario, or a test file of its own compares it."""
    played = {scenario.recording for scenario in RECORDED.values()}
    assert {path.name for path in SAMPLES.iterdir() if path.is_dir()} == played | set(ELSEWHERE)
    for recording, file in ELSEWHERE.items():
        assert recording in Path(__file__).with_name(file).read_text(encoding="utf-8")


def test_at_most_ten_rules_stand_between_run_and_recording() -> None:
    """What is changed before comparing is a short list, each with its reason."""
    assert len(records.RULES) <= 10
    assert all(reason for _, _, reason in records.RULES)


def test_no_stand_in_knows_the_samples() -> None:
    """The stand-ins cannot copy what they are compared with."""
    sources = (Path(__file__).parent / "standins").glob("*.py")
    assert all("samples" not in source.read_text() for source in sources)
