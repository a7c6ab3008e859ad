"""Outputs of cm_ctl's own code, each with what its description says, written by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from exporter.cluster.facts import Problem
from exporter.cluster.query import parse
from tests.support.cluster_views import States, Topology, expected

SAMPLES = Path(__file__).parent.parent / "samples" / "cm_ctl_query"

_PAIR = (("ogdb1", "192.168.10.11"), ("ogdb2", "192.168.10.12"))
OGDB = Topology(_PAIR, 15400, "PS")
CASCADE = Topology((*_PAIR, ("ogdb3", "192.168.10.13")), 15400, "PSC")
V6 = Topology(
    (("ogdb1", "2407:c080:1200:1ab::11"), ("ogdb2", "2407:c080:1200:1ab::12")), 15400, "PS"
)
HOSTS = Topology(
    (
        ("node1_hostname", "192.168.10.11"),
        ("node2_hostname", "192.168.10.12"),
        ("node3_hostname", "192.168.10.13"),
    ),
    15400,
    "PSS",
)
DSS = Topology((("openGauss111", "192.168.10.11"), ("openGauss135", "192.168.10.12")), 12710, "PS")

UP = ("Primary", "Normal")
BY = ("Standby", "Normal")
STOPPED = ("Down", "Manually stopped")
TAKEN = ("Down", "Port conflicting")
NORMAL = States("Normal", "Primary Standby", [UP, BY])
NOBODY = Problem.NO_PRIMARY


def _resources(first: str, second: str) -> list[tuple[str, int, str]]:
    return [
        ("dms_res", 6001, first),
        ("dms_res", 6002, second),
        ("dss", 20001, first),
        ("dss", 20002, second),
    ]


EXPECTED = {
    "01_1p1s_normal_Cvipd": (OGDB, "ipd", NORMAL),
    "02_1p1s_normal_Cvipdw": (OGDB, "ipd", NORMAL),
    "03_1p2s_normal_Cvipd": (
        HOSTS,
        "ipd",
        States("Normal", "Primary Standby Standby", [UP, BY, BY]),
    ),
    "04_1p2s_normal_Cv": (HOSTS, "", States("Normal", "Primary Standby Standby", [UP, BY, BY])),
    "06_dss_normal_Cvipdw": (
        DSS,
        "ipd",
        States("Normal", "Primary Standby", [UP, BY], _resources("OnLine", "OnLine")),
    ),
    "07_dss_cms_down_node2_Cvipd": (
        DSS,
        "ipd",
        States("Normal", "Primary Down", [UP, BY], _resources("OnLine", "OnLine")),
    ),
    "09_all_cms_unreachable_Cvipd": (DSS, "ipd", States(cms="Down Down", problem=NOBODY)),
    "10_all_cms_standby_no_primary_Cvipd": (
        HOSTS,
        "ipd",
        States(cms="Standby Down Down", problem=NOBODY),
    ),
    "11_all_cms_unreachable_plain": (OGDB, "", States(problem=NOBODY)),
    "12_1p1s_dn_port_conflict_standby_Cvipdw": (
        OGDB,
        "ipd",
        States("Degraded", "Primary Standby", [UP, TAKEN]),
    ),
    "13_1p1s_dn_port_conflict_all_Cvipd": (
        OGDB,
        "ipd",
        States("Unavailable", "Primary Standby", [TAKEN, TAKEN], balanced=False),
    ),
    "14_dss_dn_port_conflict_after_limit_Cvipdw": (
        DSS,
        "ipd",
        States("Degraded", "Primary Standby", [UP, STOPPED], _resources("OnLine", "Deleted")),
    ),
    "16_dss_all_dn_down_unavailable_Cvipd": (
        DSS,
        "ipd",
        States(
            "Unavailable",
            "Primary Standby",
            [STOPPED, STOPPED],
            _resources("Deleted", "Deleted"),
            balanced=False,
        ),
    ),
    "17_dss_node_heartbeat_lost_Cvipdw": (
        DSS,
        "ipd",
        States(
            "Degraded", "Primary Down", [UP, ("Down", "Unknown")], _resources("OnLine", "Deleted")
        ),
    ),
    "19_unavailable_stopped_on_purpose_Cvipdw": (
        OGDB,
        "ipd",
        States("Unavailable", "Primary Standby", [STOPPED, STOPPED], balanced=False),
    ),
    "20_building_catchup_Cvipdw": (
        HOSTS,
        "ipd",
        States(
            "Degraded",
            "Primary Standby Standby",
            [UP, ("Standby", "Building", "37%"), ("Standby", "Catchup")],
        ),
    ),
    "21_cascade_Cvipdw": (
        CASCADE,
        "ipd",
        States("Normal", "Primary Standby Standby", [UP, BY, ("Cascade Standby", "Normal")]),
    ),
    "23_ipv6_normal_Cvipd": (V6, "ipd", NORMAL),
    "25_dual_cluster_standby_Cvipdw": (
        DSS,
        "ipd",
        States(
            "Normal",
            "Primary Standby",
            [("Main Standby", "Normal"), BY],
            _resources("OnLine", "OnLine"),
        ),
    ),
    "26_single_node_without_cm_Cvipd": (OGDB, "ipd", States(problem=NOBODY)),
    "27_switched_over_Cvipd": (
        OGDB,
        "ipd",
        States("Normal", "Standby Primary", [BY, UP], balanced=False),
    ),
    "28_paused_Cvipd": (OGDB, "ipd", States("Normal", "Primary Standby", [UP, BY], paused=True)),
    "29_reloading_Cv": (OGDB, "", States("Unknown", "Primary Standby", balanced=False)),
    "30_starting_Cvipdw": (
        OGDB,
        "ipd",
        States(
            "Unavailable",
            "Primary Standby",
            [("Down", "Starting"), ("Down", "Starting")],
            balanced=False,
        ),
    ),
    "31_start_status_CvS": (OGDB, "", States("Normal", balanced=None)),
    "32_balance_Cvs": (OGDB, "", States(dn=[UP, BY])),
    "33_abnormal_Cvx_all_good": (OGDB, "", States("Normal")),
    "35_fenced_udf_CvF": (
        OGDB,
        "",
        States("Normal", "Primary Standby", [UP, BY]),
    ),
    "36_plain_normal": (OGDB, "", States("Normal")),
    "37_detail_v_port_conflict": (
        OGDB,
        "vid",
        States(
            "Degraded",
            "Primary Standby",
            [(*UP, "Normal"), (*TAKEN, "Unknown")],
        ),
    ),
    "38_minority_az_Cvi": (V6, "i", States("Normal", "Primary Skip", [UP, BY])),
    "39_Cvp_header_misaligned": (OGDB, "p", NORMAL),
    "41_disk_damaged_readonly_Cvipdw": (
        HOSTS,
        "ipd",
        States(
            "Degraded",
            "Primary Standby Standby",
            [("Primary", "ReadOnly"), ("Down", "Disk damaged"), BY],
        ),
    ),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_sample_says_what_its_description_says(name: str) -> None:
    """Every column and every state is read, and nothing is unknown."""
    topology, columns, states = EXPECTED[name]
    assert parse((SAMPLES / f"{name}.stdout").read_text()) == expected(topology, columns, states)


def test_no_sample_is_forgotten() -> None:
    """Each sample of the index is in the table above."""
    listed = json.loads((SAMPLES / "index.json").read_text())
    assert {entry["file"] for entry in listed} == {f"{name}.stdout" for name in EXPECTED}
