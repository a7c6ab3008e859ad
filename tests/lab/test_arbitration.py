"""What cm_server decides: states of the cluster, the primary database, the leading cm_server."""

from __future__ import annotations

import pytest

from tests.lab.standins import arbitration
from tests.lab.standins.arbitration import Candidate, Report

STANDBY = Report("Standby", "Normal", "Normal", {}, stopped=False)
PRIMARY = Report("Primary", "Normal", "Normal", {}, stopped=False)
DOWN = Report("Down", "Port conflicting", "Unknown", {}, stopped=False)
PENDING = Report("Pending", "Normal", "Normal", {}, stopped=False)


@pytest.mark.parametrize(
    ("reports", "state"),
    [
        ([PRIMARY, STANDBY], "Normal"),
        ([PRIMARY, DOWN], "Degraded"),
        ([STANDBY, STANDBY], "Unavailable"),
        ([PRIMARY, PRIMARY], "Unavailable"),
        ([PRIMARY, Report("Standby", "Normal", "Normal", {"dss": "OffLine"}, False)], "Degraded"),  # noqa: FBT003
        ([PRIMARY, Report("Standby", "Normal", "Normal", {}, True)], "Degraded"),  # noqa: FBT003
    ],
)
def test_the_cluster_is_what_its_datanodes_and_resources_are(
    reports: list[Report], state: str
) -> None:
    """One normal primary and all else well is Normal; without exactly one it is Unavailable."""
    assert arbitration.cluster_state(reports) == state


@pytest.mark.parametrize(
    ("report", "age", "since", "seen"),
    [
        (PRIMARY, 5.9, 100.0, ("Primary", "Normal")),
        (PRIMARY, 6.0, 100.0, ("Down", "Unknown")),
        (None, 0.0, 5.9, ("Unknown", "Unknown")),
        (None, 0.0, 6.0, ("Down", "Unknown")),
    ],
)
def test_silence_of_six_seconds_is_down(
    report: Report | None, age: float, since: float, seen: tuple[str, str]
) -> None:
    """A new leader shows Unknown until then, as after a failover."""
    found = arbitration.seen(report, age, since)
    assert (found.role, found.state) == seen


@pytest.mark.parametrize(
    ("reports", "waited", "orders"),
    [
        ({1: PENDING, 2: PENDING}, -1.0, {1: "Standby", 2: "Standby"}),
        ({1: STANDBY, 2: STANDBY}, -0.1, {}),
        ({1: STANDBY, 2: STANDBY}, 0.0, {1: "Primary"}),
        ({1: DOWN, 2: STANDBY}, 5.9, {}),
        ({1: DOWN, 2: STANDBY}, 6.0, {2: "Primary"}),
        ({1: DOWN, 2: DOWN}, 60.0, {}),
        ({1: STANDBY, 2: PRIMARY}, -1.0, {}),
        ({1: PRIMARY, 2: PRIMARY}, -1.0, {2: "Standby"}),
    ],
)
def test_the_installed_primary_comes_first_and_others_wait(
    reports: dict[int, Report], waited: float, orders: dict[int, str]
) -> None:
    """A pending database becomes standby, then one becomes primary, and never two."""
    assert arbitration.orders(reports, 1, waited) == orders


def peer(node_id: int, role: str = "Standby", up: float = 60.0) -> Candidate:
    """Make a cm_server that answers."""
    return Candidate(node_id, up, role)


@pytest.mark.parametrize(
    ("own", "peers", "total", "role"),
    [
        (peer(1), [peer(2)], 2, "Primary"),
        (peer(2), [peer(1)], 2, "Standby"),
        (peer(2), [], 2, "Primary"),
        (peer(1), [], 3, "Standby"),
        (peer(2), [peer(3)], 3, "Primary"),
        (peer(3), [peer(2, "Primary")], 3, "Standby"),
        (peer(1, up=1.0), [peer(2), peer(3)], 3, "Standby"),
        (peer(2), [peer(1, up=1.0), peer(3)], 3, "Primary"),
        (peer(2, "Primary"), [peer(1)], 2, "Primary"),
        (peer(2, "Primary"), [peer(1, "Primary")], 2, "Standby"),
    ],
)
def test_a_leader_needs_a_majority_of_three(
    own: Candidate, peers: list[Candidate], total: int, role: str
) -> None:
    """Of two one goes on alone; whoever has just been started gives way to those that have not."""
    assert arbitration.elect(own, peers, total) == role


def test_of_two_the_one_that_has_followed_does_not_lead_alone() -> None:
    """Half is no majority, but one that leads already goes on (recording o_primary_2node)."""
    assert arbitration.elect(peer(2), [], 2, followed=True) == "Standby"
    assert arbitration.elect(peer(1, "Primary"), [], 2, followed=True) == "Primary"
    assert arbitration.elect(peer(2), [peer(1, up=1.0)], 2, followed=True) == "Primary"
