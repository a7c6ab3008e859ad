"""The cluster as families: every series there, exactly one state of each is 1."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from exporter.cluster.collector import ClusterCollector
from exporter.cluster.facts import (
    Answer,
    ClusterSnapshot,
    ClusterState,
    ClusterView,
    CmServer,
    CmServerState,
    Datanode,
    DatanodeRole,
    DatanodeState,
    Field,
    Place,
    QueryOutcome,
    Resource,
    ResourceState,
    StaticRole,
)
from exporter.cluster.metrics import DATANODE_STATE, QUERY_OUTCOME
from exporter.installation.facts import Member

Page = dict[str, dict[tuple[str, ...], float]]

MEMBERS = (
    Member("1", "ogdb1", "cm_server", "1"),
    Member("1", "ogdb1", "cm_agent", "10001"),
    Member("1", "ogdb1", "datanode", "6001"),
    Member("2", "ogdb2", "cm_server", "2"),
    Member("2", "ogdb2", "datanode", "6002"),
)
VIEW = ClusterView(
    ClusterState.DEGRADED,
    redistributing=False,
    balanced=True,
    paused=True,
    cm_servers=(
        CmServer(Place("1", "ogdb1", "10.0.0.1"), "1", CmServerState.PRIMARY),
        CmServer(Place("2", "ogdb2", "10.0.0.2"), "2", CmServerState.DOWN),
    ),
    datanodes=(
        Datanode(
            Place("1", "ogdb1", "10.0.0.1"),
            "6001",
            DatanodeRole.PRIMARY,
            DatanodeState.NORMAL,
            StaticRole.PRIMARY,
            15400,
        ),
        Datanode(
            Place("2", "ogdb2"),
            "6002",
            DatanodeRole.CASCADE_STANDBY,
            DatanodeState.NEED_REPAIR,
            reason="Disconnected",
        ),
    ),
    resources=(Resource(Place("2", "ogdb2"), "dms_res", "6002", ResourceState.DELETED),),
)
FRESH = ClusterSnapshot(
    QueryOutcome.OK,
    0.5,
    1_700_000_000.0,
    stale=False,
    view=VIEW,
    answers=(("1", Answer.CONNECTED), ("2", Answer.NOT_CM_SERVER)),
    unknown_tokens=((Field.ROW, 3),),
)


def _page(snapshot: ClusterSnapshot, members: Sequence[Member] = ()) -> Page:
    collector = ClusterCollector(lambda: snapshot, lambda: members)
    page: Page = {}
    for family in collector.collect():
        for sample in family.samples:
            series = page.setdefault(sample.name, {})
            labels = tuple(sample.labels.values())
            assert labels not in series, f"{sample.name}{labels} is there twice"
            series[labels] = sample.value
    return page


def _ones(page: Page, name: str) -> set[tuple[str, ...]]:
    return {labels for labels, value in page[name].items() if value == 1}


def test_a_fresh_snapshot_shows_cm_s_own_words() -> None:
    """Each state is the 1 among the 0 of its vocabulary."""
    page = _page(FRESH)
    assert _ones(page, "opengauss_cm_cluster_state") == {("Degraded",)}
    assert _ones(page, "opengauss_cm_server_state") == {
        ("1", "ogdb1", "1", "Primary"),
        ("2", "ogdb2", "2", "Down"),
    }
    assert _ones(page, "opengauss_cm_server_answer") == {
        ("1", "ogdb1", "1", "connected"),
        ("2", "ogdb2", "2", "not_cm_server"),
    }
    assert _ones(page, "opengauss_cm_datanode_role") == {
        ("1", "ogdb1", "6001", "Primary"),
        ("2", "ogdb2", "6002", "Cascade Standby"),
    }
    assert _ones(page, "opengauss_cm_datanode_state") == {
        ("1", "ogdb1", "6001", "Normal"),
        ("2", "ogdb2", "6002", "Need repair"),
    }
    assert _ones(page, "opengauss_cm_resource_state") == {
        ("2", "ogdb2", "dms_res", "6002", "Deleted")
    }
    assert set(page["opengauss_cm_datanode_info"]) == {
        ("1", "ogdb1", "6001", "10.0.0.1", "15400", "P"),
        ("2", "ogdb2", "6002", "", "", ""),
    }


def test_the_query_tells_about_itself() -> None:
    """Outcome, success, duration, time, flags and counters are those of the snapshot."""
    page = _page(FRESH)
    assert _ones(page, "opengauss_cm_query_outcome") == {("ok",)}
    single = {name: values[()] for name, values in page.items() if () in values}
    assert single == {
        "opengauss_cm_query_success": 1,
        "opengauss_cm_query_duration_seconds": 0.5,
        "opengauss_cm_query_timestamp_seconds": 1_700_000_000.0,
        "opengauss_cm_cluster_balanced": 1,
        "opengauss_cm_cluster_redistributing": 0,
        "opengauss_cm_cluster_paused": 1,
    }
    assert page["opengauss_cm_unknown_tokens_total"][("row",)] == 3
    assert len(page["opengauss_cm_unknown_tokens_total"]) == len(Field)


@pytest.mark.parametrize("snapshot", [ClusterSnapshot(), FRESH])
def test_every_value_of_every_state_has_its_series(snapshot: ClusterSnapshot) -> None:
    """The series of the members are the same before the first answer and after it."""
    page = _page(snapshot, MEMBERS)
    assert len(page["opengauss_cm_query_outcome"]) == len(QUERY_OUTCOME.values["outcome"])
    assert len(page["opengauss_cm_cluster_state"]) == len(ClusterState)
    assert len(page["opengauss_cm_server_state"]) == 2 * len(CmServerState)
    assert len(page["opengauss_cm_server_answer"]) == 2 * len(Answer)
    assert len(page["opengauss_cm_datanode_role"]) == 2 * len(DatanodeRole)
    assert len(page["opengauss_cm_datanode_state"]) == 2 * len(DATANODE_STATE.values["state"])


def test_before_the_first_answer_every_member_is_unknown() -> None:
    """No outcome is claimed, and Unknown is the state of the cluster and of each member."""
    page = _page(ClusterSnapshot(), MEMBERS)
    assert _ones(page, "opengauss_cm_query_outcome") == set()
    assert _ones(page, "opengauss_cm_cluster_state") == {("Unknown",)}
    assert _ones(page, "opengauss_cm_server_state") == {
        ("1", "ogdb1", "1", "Unknown"),
        ("2", "ogdb2", "2", "Unknown"),
    }
    assert _ones(page, "opengauss_cm_server_answer") == set()


def test_a_stale_snapshot_keeps_its_series_and_claims_nothing() -> None:
    """Past the longest age every state is Unknown, and the time shows how old the last one is."""
    stale = ClusterSnapshot(
        QueryOutcome.TIMEOUT, 16.0, FRESH.finished_at, stale=True, view=VIEW, answers=FRESH.answers
    )
    page, fresh = _page(stale), _page(FRESH)
    assert {name: set(series) for name, series in page.items()} == {
        name: set(series) for name, series in fresh.items()
    }
    for name in ("cluster", "server", "datanode", "resource"):
        assert {labels[-1] for labels in _ones(page, f"opengauss_cm_{name}_state")} == {"Unknown"}
    assert {labels[-1] for labels in _ones(page, "opengauss_cm_datanode_role")} == {"Unknown"}
    assert _ones(page, "opengauss_cm_server_answer") == set()
    assert page["opengauss_cm_cluster_paused"][()] == 0
    assert page["opengauss_cm_query_timestamp_seconds"][()] == FRESH.finished_at


def test_a_member_that_the_answer_leaves_out_is_unknown() -> None:
    """Without a primary there are no datanode rows, and no datanode is claimed to be fine."""
    cut = ClusterSnapshot(
        QueryOutcome.NO_PRIMARY,
        stale=False,
        finished_at=1.0,
        view=ClusterView(cm_servers=VIEW.cm_servers),
    )
    page = _page(cut, MEMBERS)
    assert {labels[-1] for labels in _ones(page, "opengauss_cm_datanode_state")} == {"Unknown"}
    assert ("2", "ogdb2", "2", "Down") in _ones(page, "opengauss_cm_server_state")


def test_an_instance_that_no_file_lists_shows_all_the_same() -> None:
    """What CM tells of is shown, and a member is not shown twice for another node name."""
    members = (Member("1", "ogdb1.example", "datanode", "6001"),)
    assert _ones(_page(FRESH, members), "opengauss_cm_datanode_role") == {
        ("1", "ogdb1.example", "6001", "Primary"),
        ("2", "ogdb2", "6002", "Cascade Standby"),
    }
