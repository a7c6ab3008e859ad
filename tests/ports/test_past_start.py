"""A component that is past its start: what a port that it lacks stops, and what it does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.host.facts import Process
from exporter.ports.facts import (
    Endpoint,
    EndpointKey,
    PortEvidence,
    PortVerdict,
    Reason,
    Relation,
    Socket,
)
from exporter.ports.relation import Programs
from exporter.ports.verdict import judge, past_its_start
from tests.support.facts import APP, CLUSTER, OMM, OTHER_USER, endpoint, facts, process, socket

HERE = "10.77.0.2"
OLD_PORT, NEW_PORT = 15400, 15500
GAUSSDB = process(300, f"{APP}_d712af3/bin/gaussdb", data_dir="/data/dn1")
CM_SERVER = process(500)
STRANGER = process(900, "/usr/sbin/nginx", OTHER_USER)
LONG_AFTER = GAUSSDB.start_time + 3600
NO_FAILURE: dict[EndpointKey, PortEvidence] = {}


def _datanode(word: str, port: int, *, binds: bool = True) -> Endpoint:
    one = endpoint(word, HERE, port=port, process="gaussdb", data_dir="/data/dn1", binds=binds)
    return replace(one, component="datanode")


CHANGED = _datanode("datanode", NEW_PORT)
INSTALLED = _datanode("datanode_installed", OLD_PORT, binds=False)
OWN = (socket(HERE, inode=1, port=OLD_PORT, uid=OMM), (GAUSSDB,))
TAKEN = (socket("0.0.0.0", inode=2, port=NEW_PORT), (STRANGER,))  # noqa: S104 -- nothing is bound


def _judged(
    endpoints: list[Endpoint],
    *pairs: tuple[Socket, tuple[Process, ...]],
    now: float = LONG_AFTER,
    evidence: dict[EndpointKey, PortEvidence] = NO_FAILURE,
) -> dict[str, PortVerdict]:
    programs = Programs([GAUSSDB, CM_SERVER], CLUSTER.uid)
    verdicts = judge(endpoints, facts(*pairs), programs, CLUSTER, evidence)
    return {v.endpoint.endpoint: v for v in past_its_start(verdicts, evidence, now)}


def test_a_port_that_was_changed_and_not_restarted_stops_the_next_start() -> None:
    """The database listens on the old port: a stranger on the new one is no conflict of now."""
    seen = _judged([CHANGED, INSTALLED], OWN, TAKEN)["datanode"]
    assert (seen.conflict, seen.next_start_blocked) == (None, Reason.FOREIGN_LISTENER)
    assert [h.pid for h in seen.holders if h.relation is Relation.FOREIGN] == [900]


def test_without_a_stranger_on_the_new_port_nothing_is_wrong() -> None:
    """A changed port alone blocks nothing."""
    seen = _judged([CHANGED, INSTALLED], OWN)["datanode"]
    assert (seen.conflict, seen.next_start_blocked) == (None, None)


@pytest.mark.parametrize("age", [0.0, 10.0, 15.0])
def test_before_the_start_is_over_holding_decides(age: float) -> None:
    """A server that has just opened one of its ports may fail on the next."""
    seen = _judged([CHANGED, INSTALLED], OWN, TAKEN, now=GAUSSDB.start_time + age)["datanode"]
    assert (seen.conflict, seen.next_start_blocked) == (Reason.FOREIGN_LISTENER, None)


def test_a_component_that_listens_nowhere_is_not_past_its_start() -> None:
    """A process alone proves nothing: gaussdb tries a taken port three times before it ends."""
    assert _judged([CHANGED, INSTALLED], TAKEN)["datanode"].conflict is Reason.FOREIGN_LISTENER


@pytest.mark.parametrize(
    ("failed_before", "reason"), [(60.0, Reason.FOREIGN_LISTENER), (7200.0, None)]
)
def test_a_bind_that_failed_after_the_start_is_a_conflict(
    failed_before: float, reason: Reason
) -> None:
    """A reload of listen_addresses onto a taken address fails while the database goes on."""
    evidence = {CHANGED.key: PortEvidence(130, failed_before)}
    seen = _judged([CHANGED, INSTALLED], OWN, TAKEN, evidence=evidence)["datanode"]
    assert seen.conflict is reason


@pytest.mark.parametrize("word", ["datanode_heartbeat", "dms", "my_port"])
def test_of_a_port_that_is_opened_late_holding_decides(word: str) -> None:
    """The heartbeat and DMS are opened after recovery, and nobody knows of a custom port."""
    late = _datanode(word, NEW_PORT)
    assert _judged([late, INSTALLED], OWN, TAKEN)[word].conflict is Reason.FOREIGN_LISTENER


def test_cm_server_needs_each_of_its_addresses() -> None:
    """One of two addresses that a stranger has is a conflict, however long cm_server runs."""
    two = endpoint("cm_server", HERE, "10.88.0.2")
    own = (socket(HERE, uid=OMM), (CM_SERVER,))
    taken = (socket("10.88.0.2", inode=2), (STRANGER,))
    assert _judged([two], own, taken)["cm_server"].conflict is Reason.FOREIGN_LISTENER


def test_what_one_component_holds_says_nothing_of_another() -> None:
    """cm_server runs on while cm_agent dies in a loop on its own port."""
    server = endpoint("cm_server", HERE)
    agent = replace(
        endpoint("cm_agent", HERE, port=15302, process="cm_agent"), component="cm_agent"
    )
    own = (socket(HERE, uid=OMM), (CM_SERVER,))
    taken = (socket("0.0.0.0", inode=2, port=15302), (STRANGER,))  # noqa: S104 -- nothing is bound
    seen = _judged([server, agent], own, taken)
    assert seen["cm_agent"].conflict is Reason.FOREIGN_LISTENER
    assert seen["cm_server"].conflict is None
