"""The printed tables, to the blank: views written by hand against the recorded outputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lab.standins import ctl_query, tables
from tests.lab.standins.ctl_base import BadUsageError, parse
from tests.lab.standins.tables import Datanode, Flags, Resource, Server, View

SAMPLES = Path(__file__).resolve().parents[1] / "samples/cm_cluster"
PRIMARY = ("Primary", "Normal", "Normal")
STANDBY = ("Standby", "Normal", "Normal")
RESOURCES = (("dss", ("OnLine", "OnLine", "OffLine")), ("dms_res", ("OnLine",) * 3))

# directory, tags, states of the cm_servers, datanodes, cluster state
CASES = [
    ("a_healthy_2node/node1", "*", ("Primary", "Standby"), (PRIMARY, STANDBY), "Normal"),
    ("b1_cmport_0.0.0.0_node2/node2", "q_*", ("Primary", "Down"), (PRIMARY, STANDBY), "Normal"),
    ("c1_cmport_all_nodes_2node/node2", "q_*", ("Down", "Down"), (), None),
    (
        "d1_dbport_0.0.0.0_node2_start_t150/node2",
        "q_*",
        ("Primary", "Standby"),
        (PRIMARY, ("Down", "Port conflicting", "Unknown")),
        "Degraded",
    ),
    (
        "e5_dn_manually_stopped_node3/node1",
        "q_*",
        ("Primary", "Standby", "Standby"),
        (PRIMARY, STANDBY, ("Down", "Manually stopped", "Unknown")),
        "Degraded",
    ),
    (
        "e8_pause_resume/node1",
        "q_*",
        ("Primary", "Standby", "Standby"),
        (PRIMARY, STANDBY, STANDBY),
        "Normal",
    ),
    (
        "g_resources_ss_dms_dss_3node/node1",
        "dss3_rc1*",
        ("Primary", "Standby", "Standby"),
        (PRIMARY, STANDBY, STANDBY),
        "Degraded",
    ),
]


def recorded(case: tuple[str, str, object, object, object]) -> list[Path]:
    """Return the outputs of one case's queries; -g and -l are not for tables."""
    found = sorted((SAMPLES / case[0] / "cmd").glob(f"{case[1]}.cmd"))
    lines = {path: path.read_text().split() for path in found}
    queries = [p for p, words in lines.items() if words[:2] == ["cm_ctl", "query"]]
    return [path for path in queries if not {"-g", "-l"} & set(lines[path])]


def printed(file: Path, servers: list[Server], view: View | None) -> str:
    """Print what the stand-in prints for the same command line."""
    try:
        command = parse(file.read_text().split()[1:])
    except BadUsageError as error:
        return f'cm_ctl: {error}\ncm_ctl: Try "cm_ctl --help" for more information.\n'
    flags = Flags(frozenset(command.options))
    before = "\n" if "s" in flags else ""
    if {"v", "C"} <= flags.letters and not {"S", "s"} & flags.letters:
        before = tables.server_section(servers, flags) + "\n"
    if view is None:
        return f"{before}cm_ctl: {ctl_query.NO_PRIMARY}\n"
    return before + ctl_query.rest(view, servers, flags)


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_the_tables_are_the_recorded_ones_to_the_blank(
    case: tuple[str, str, tuple[str, ...], tuple[tuple[str, str, str], ...], str | None],
) -> None:
    """Every recorded query of a state is printed byte by byte."""
    _, _, states, datanodes, cluster_state = case
    servers = [
        Server(n, f"node{n}", f"10.77.0.{n}", "/opt/huawei/install/cm/cm_server", state)
        for n, state in enumerate(states, start=1)
    ]
    view = None
    if cluster_state is not None:
        view = _view(datanodes, cluster_state, case[0])
    files = recorded(case)
    assert len(files) >= 3
    for file in files:
        assert printed(file, servers, view) == file.with_suffix(".stdout").read_text(), file


def _view(datanodes: tuple[tuple[str, str, str], ...], state: str, directory: str) -> View:
    made = tuple(
        Datanode(
            n,
            f"node{n}",
            f"10.77.0.{n}",
            15400,
            6000 + n,
            "/opt/huawei/install/data/dn",
            "P" if n == 1 else "S",
            *words,
        )
        for n, words in enumerate(datanodes, start=1)
    )
    resources = tuple(
        Resource(n, f"node{n}", f"10.77.0.{n}", name, 20000 + n, word)
        for name, words in (RESOURCES if directory.startswith("g_") else ())
        for n, word in enumerate(words, start=1)
    )
    pausing = directory.startswith("e8_")
    return View(state, balanced=True, datanodes=made, resources=resources, pausing=pausing)
