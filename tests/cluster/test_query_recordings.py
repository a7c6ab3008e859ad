"""Outputs of real clusters: each scenario's states, as its name and README tell, by every flag."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import pytest

from exporter.cluster.facts import Problem
from exporter.cluster.query import parse
from exporter.errors import ParseError
from tests.support.cluster_views import States, Topology, expected

RECORDINGS = Path(__file__).parent.parent / "samples" / "cm_cluster"

_NODES = (("node1", "10.77.0.1"), ("node2", "10.77.0.2"), ("node3", "10.77.0.3"))
TWO = Topology(_NODES[:2], 15400, "PS")
THREE = Topology(_NODES, 15400, "PSS")

UP = ("Primary", "Normal")
BY = ("Standby", "Normal")
NOBODY = Problem.NO_PRIMARY
HEALTHY2 = States("Normal", "Primary Standby", [UP, BY])
CMS_DOWN = States("Normal", "Primary Down", [UP, BY])
HEALTHY3 = States("Normal", "Primary Standby Standby", [UP, BY, BY])
SWITCHED3 = States("Normal", "Standby Primary Standby", [UP, BY, BY])
PAUSED3 = States("Normal", "Primary Standby Standby", [UP, BY, BY], paused=True)
STOPPING3 = States(
    "Unavailable", "Primary Standby Standby", [("Down", "Unknown")] * 3, balanced=False
)
STOPPED3 = States(cms="Down Down Down", problem=NOBODY)


def _pooled(
    cluster: str, dss3: str, dms3: str, dn3: tuple[str, str] = ("Pending", "Normal")
) -> States:
    """What was said with two defined resources, whose third instances are in the given states."""
    rows = [(name, 20001 + i, "OnLine") for name in ("dss", "dms_res") for i in range(3)]
    rows[2], rows[5] = ("dss", 20003, dss3), ("dms_res", 20003, dms3)
    return States(cluster, "Primary Standby Standby", [UP, BY, dn3], rows)


# By directory; the longest tag that fits counts, so that a file may differ from its directory.
EXPECTED: dict[str, tuple[Topology, dict[str, States]]] = {
    "a_healthy_2node": (TWO, {"": HEALTHY2}),
    "b1_cmport_0.0.0.0_node2": (TWO, {"": CMS_DOWN}),
    "b1b_cmport_python_httpserver_as_omm_node2": (TWO, {"": CMS_DOWN}),
    "b3_cmport_ipv6_any_dual_node2": (TWO, {"": CMS_DOWN}),
    "b4_cmport_ipv6_any_v6only_node2": (TWO, {"": HEALTHY2}),
    "b6_cmport_ESTABLISHED_ephemeral_node2": (TWO, {"": CMS_DOWN}),
    "b7_cm_HAport15301_0.0.0.0_node2": (TWO, {"": CMS_DOWN}),
    "c1_cmport_all_nodes_2node": (TWO, {"": States(cms="Down Down", problem=NOBODY)}),
    "d1_dbport_0.0.0.0_node2_start_t150": (
        TWO,
        {"": States("Degraded", "Primary Standby", [UP, ("Down", "Port conflicting")])},
    ),
    "e2_cmserver_primary_kill9": (
        THREE,
        {
            "": SWITCHED3,
            "node2/cmd/seq01": States(cms="Down Standby Standby", problem=NOBODY),
            "node2/cmd/seq02": States(cms="Standby Standby Standby", problem=NOBODY),
            "node2/cmd/seq03": States(cms="Standby Standby Standby", problem=NOBODY),
        },
    ),
    "e5_dn_manually_stopped_node3": (
        THREE,
        {"": States("Degraded", "Primary Standby Standby", [UP, BY, ("Down", "Manually stopped")])},
    ),
    "e8_pause_resume": (THREE, {"": PAUSED3, "node1/cmd/after": HEALTHY3}),
    "e9_cluster_stop": (
        THREE,
        {
            "": STOPPING3,
            "node3/cmd/q_Cvipdw": States(cms="Standby Standby Standby", problem=NOBODY),
            **{
                f"node{i}/cmd/q_{flags}.2": STOPPED3
                for i in (1, 2, 3)
                for flags in ("Cv", "Cvipd", "Cvipdw")
            },
        },
    ),
    "g_resources_ss_dms_dss_3node": (
        THREE,
        {
            "": _pooled("Normal", "OnLine", "OnLine", BY),
            "node1/cmd/dss3_rc1": _pooled("Degraded", "OffLine", "OnLine", BY),
            "node1/cmd/dss3_rc2": _pooled("Degraded", "Unknown", "OnLine"),
            "node1/cmd/dss3_rc2.Cv": _pooled("Degraded", "Unknown", "OffLine"),
            "node1/cmd/dss3_rc2.Cvipd": _pooled("Degraded", "Unknown", "OnLine"),
            "node1/cmd/dss3_rc2.Cvx": _pooled("Degraded", "Unknown", "OffLine"),
            "node1/cmd/dss3_rc3": _pooled("Degraded", "OnLine", "OnLine"),
            "node1/cmd/dss3_rc3.Cvipdw": _pooled("Degraded", "OnLine", "OffLine", BY),
            "node1/cmd/dms3_rc2": _pooled("Degraded", "OffLine", "Unknown"),
            "node1/cmd/dms3_rc2.Cvipdw": _pooled("Degraded", "OffLine", "Unknown", BY),
            "node1/cmd/back": _pooled("Degraded", "OffLine", "OnLine"),
            "node1/cmd/back.Cvx": _pooled("Degraded", "OffLine", "OffLine"),
        },
    ),
}

# What other OS users and other environments got from the healthy cluster.
SURROUNDINGS: dict[str, Optional[States]] = {
    "bare_ld": States(problem=Problem.ENVIRONMENT),
    "bare_ld_home": HEALTHY2,
    "bare_ld_home_log": HEALTHY2,
    "bare_noenv": None,
    "mon_env_ownlog": States(cms="Down Down", problem=NOBODY),
    "mon_env_readable": States(cms="Down Down", problem=NOBODY),
    "mon_noenv": None,
    "omm_closed_stdout": None,
    "omm_env_i_cron": HEALTHY2,
    "omm_nogausslog": HEALTHY2,
    "omm_nopghost": HEALTHY2,
    "omm_nopsql": HEALTHY2,
    "omm_rologdir": HEALTHY2,
    "omm_wronghome": States(problem=Problem.ENVIRONMENT),
    "root_env": States(problem=Problem.ROOT),
}


def _queries(understood: bool) -> list[str]:
    """List the recorded commands that are queries of the state, or all others."""
    return sorted(
        str(path.relative_to(RECORDINGS)).removesuffix(".cmd")
        for path in RECORDINGS.glob("*/node*/cmd/*.cmd")
        if path.parts[-4] in EXPECTED and _asks_for_states(path.read_text()) is understood
    )


def _asks_for_states(command: str) -> bool:
    """Tell a query that cm_ctl accepts from its other commands, barriers and wrong flags."""
    words = command.split()
    return words[1] == "query" and not {"-g", "-C", "-r", "-Cvq"} & set(words)


def _states(scenario: str, tag: str) -> States:
    _, by_tag = EXPECTED[scenario]
    return by_tag[max((known for known in by_tag if tag.startswith(known)), key=len)]


def _seen_by(command: str, states: States) -> tuple[str, States]:
    """Take from what there is what the flags leave to be seen."""
    flags = "".join(word[1:] for word in command.partition(";")[0].split() if word.startswith("-"))
    columns = "".join(set(flags) & set("ipdz"))
    if "C" not in flags:
        return _detailed(states) if "v" in flags else ("", _only(states))
    if "S" in flags:
        return columns, _only(states, balanced=None)
    if "s" in flags:
        return columns, States()
    if "x" in flags:
        return columns, _abnormal(states)
    if "F" in flags:
        return columns, States(states.cluster, states.cms, states.dn)
    return columns, states


def _only(states: States, *, balanced: Optional[bool] = True) -> States:
    return States(states.cluster, balanced=balanced, problem=states.problem)


def _detailed(states: States) -> tuple[str, States]:
    # A datanode's build reason is always told here; a stopped one's is not known.
    rows = [(*row, "Unknown" if row[0] == "Down" else "Normal") for row in states.dn]
    return "vid", States(states.cluster, states.cms, rows, paused=states.paused)


def _abnormal(states: States) -> States:
    shown = [row for row in states.resources if row[2] != "OnLine"]
    rows = states.dn if any(row[1] != "Normal" for row in states.dn) else []
    return States(states.cluster, "", rows, shown)


@pytest.mark.parametrize("recording", _queries(understood=True))
def test_a_recording_says_what_its_scenario_says(recording: str) -> None:
    """Whatever the flags, the states are those that the scenario's name and README tell."""
    scenario, tag = recording.split("/", 1)
    base = RECORDINGS / recording
    command = Path(f"{base}.cmd").read_text()
    columns, states = _seen_by(command, _states(scenario, tag))
    view = parse(Path(f"{base}.stdout").read_text())
    assert view == expected(EXPECTED[scenario][0], columns, states)


@pytest.mark.parametrize("recording", _queries(understood=False))
def test_any_other_command_s_output_is_an_error(recording: str) -> None:
    """Starts, stops, views, barriers and refused flags never pass for a state of the cluster."""
    with pytest.raises(ParseError, match="nothing in the output"):
        parse(Path(f"{RECORDINGS / recording}.stdout").read_text())


@pytest.mark.parametrize("tag", SURROUNDINGS)
def test_surroundings_are_told_from_states(tag: str) -> None:
    """CM's own log lines, another user's view and errors on stdout are each what they are."""
    base = RECORDINGS / "a2_env_and_users_2node" / "node1" / "cmd" / tag
    output = Path(f"{base}.stdout").read_text()
    states = SURROUNDINGS[tag]
    if states is None:
        with pytest.raises(ParseError):
            parse(output)
    else:
        columns = "ipd" if "-Cvipd" in Path(f"{base}.cmd").read_text() else ""
        assert parse(output) == expected(TWO, columns, states)


def test_recordings_while_the_log_rotates() -> None:
    """A rotation of cm_ctl's own log between the queries changes nothing."""
    outputs = sorted((RECORDINGS / "f_log_rotation_2node").glob("q_*.stdout"))
    assert len(outputs) == 14
    assert {parse(path.read_text()) for path in outputs} == {expected(TWO, "", HEALTHY2)}


def test_no_recording_is_forgotten() -> None:
    """Every recorded scenario with commands has its line above."""
    recorded = {path.parts[-4] for path in RECORDINGS.glob("*/node*/cmd/*.cmd")}
    assert recorded == {*EXPECTED, "a2_env_and_users_2node"}
