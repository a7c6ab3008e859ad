"""The query against a made cluster: states, answers, pace, and what it leaves alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.cluster.facts import QueryOutcome
from exporter.config.schema import CmQuery
from exporter.host.files import HostFiles
from exporter.installation.facts import Installation
from exporter.installation.markers import read_markers
from exporter.installation.static_config_parser import parse_static_config
from exporter.parts import query_parts
from tests.lab.cluster import Lab, await_
from tests.lab.occupiers import Occupier
from tests.lab.standins import procs
from tests.support.directories import open_directory

Page = dict[str, set[tuple[str, ...]]]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Two nodes, up and Normal."""
    with Lab(nodes=2) as made:
        made.await_query(1, "cluster_state   : Normal")
        yield made


class Watcher:
    """An exporter's query on node 1, asked when the test says so."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        node = lab.node(1)
        self.log_directory = node.log_dir("cm_ctl")
        self.runtime = directory
        installation = Installation(
            lab.account.pw_name,
            lab.account.pw_uid,
            node.name,
            lab.environment(1),
            static=parse_static_config((node.bin / "cluster_static_config").read_bytes()),
            node_id=1,
        )
        self.poller, self.collector = query_parts(
            CmQuery(),
            lambda: installation,
            tuple,
            lambda: True,
            {"RUNTIME_DIRECTORY": str(directory)},
        )

    def ask(self) -> Page:
        """Ask once, whatever the pace is, and take the series that are 1."""
        self.poller._due = 0.0
        self.poller.step()
        page: Page = {}
        for family in self.collector.collect():
            page[family.name] = {
                tuple(sample.labels.values()) for sample in family.samples if sample.value == 1
            }
        return page


@pytest.fixture
def watcher(lab: Lab) -> Iterator[Watcher]:
    """An exporter's query with a directory for private logs that every user may pass."""
    with open_directory() as directory:
        yield Watcher(lab, directory)


def test_a_healthy_cluster_is_seen_as_it_is(watcher: Watcher) -> None:
    """As the cluster user, whoever runs the exporter: every state, role, port and answer."""
    page: Page = {}

    def normal() -> bool:  # a busy machine lets the made cluster falter
        page.update(watcher.ask())
        return page["opengauss_cm_cluster_state"] == {("Normal",)}

    await_(normal, 30, lambda: str(page))
    assert page["opengauss_cm_query_outcome"] == {("ok",)}
    assert page["opengauss_cm_server_state"] == {
        ("1", "node1", "1", "Primary"),
        ("2", "node2", "2", "Standby"),
    }
    assert page["opengauss_cm_server_answer"] == {
        ("1", "node1", "1", "connected"),
        ("2", "node2", "2", "connected"),
    }
    assert page["opengauss_cm_datanode_state"] == {
        ("1", "node1", "6001", "Normal"),
        ("2", "node2", "6002", "Normal"),
    }
    ports = {labels[-2] for labels in page["opengauss_cm_datanode_info"]}
    assert all(port.isdigit() for port in ports)


def test_the_cluster_s_own_log_stays_untouched(lab: Lab, watcher: Watcher) -> None:
    """The query writes nothing there, and its private directory is gone afterwards."""

    def queries() -> list[str]:  # the made cluster asks cm_ctl other things all the time
        logs = (path.read_text() for path in sorted(watcher.log_directory.glob("*.log")))
        return [line for log in logs for line in log.split("\n") if "cm_ctl query" in line]

    lab.cm_ctl(1, "query", "-Cv")
    before = queries()
    assert before, "an operator's query is logged there"
    watcher.ask()
    assert queries() == before
    assert list(watcher.runtime.iterdir()) == []


@pytest.fixture
def stranger(lab: Lab, request: pytest.FixtureRequest) -> Iterator[None]:
    """A foreign server on node 2's CM port, and afterwards its cm_server again."""
    node = lab.node(2)
    lab.fault(2, "cm_server_dies")
    procs.stop(lab.pids(2, "cm_server"))
    occupiers: list[Occupier] = []

    def taken() -> bool:
        with contextlib.suppress(RuntimeError):
            occupiers.append(lab.occupy(2, node.cm_port, answer=request.param))
        return bool(occupiers)

    await_(taken, 10, lambda: "the port did not get free")
    lab.fault(2, "cm_server_dies", None)
    yield
    lab.release(occupiers[0])
    lab.await_query(1, "cm_server Standby")


@pytest.mark.parametrize(
    ("stranger", "answer"),
    [("HTTP/1.0 400 Bad", "not_cm_server"), ("close", "closed")],
    indirect=["stranger"],
)
@pytest.mark.usefixtures("stranger")
def test_a_stranger_on_a_cm_port_is_told_from_a_server_that_is_down(
    watcher: Watcher, answer: str
) -> None:
    """Down says nothing; the answer says that somebody else speaks on that port."""
    page = watcher.ask()
    assert ("2", "node2", "2", "Down") in page["opengauss_cm_server_state"]
    assert ("2", "node2", "2", answer) in page["opengauss_cm_server_answer"]


@pytest.mark.parametrize(
    ("marker", "runs", "asked"),
    [
        ("cluster_manual_start", False, False),
        ("cluster_manual_start", True, True),
        ("cluster_manual_pause", False, True),
        ("instance_manual_start_6001", False, True),
    ],
)
def test_a_stopped_cluster_is_not_asked(
    tmp_path: Path, marker: str, runs: bool, asked: bool
) -> None:
    """With the node's stop marker and no cm_server it is left alone, and only then."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / marker).touch()
    installation = Installation("nobody", 4711, "n", {"GAUSSHOME": str(tmp_path)})
    poller, _ = query_parts(
        CmQuery(),
        lambda: installation,
        lambda: read_markers(HostFiles(), str(tmp_path)),
        lambda: runs,
        {},
    )
    poller.step()
    assert (poller.snapshot().outcome is not None) is asked


def test_an_installation_that_cannot_be_looked_at_is_asked_all_the_same() -> None:
    """What cannot be listed says nothing of a stop."""
    unknown = Installation("nobody", 4711, "n")
    poller, _ = query_parts(
        CmQuery(), lambda: unknown, lambda: read_markers(HostFiles(), ""), lambda: False, {}
    )
    poller.step()
    assert poller.snapshot().outcome is QueryOutcome.NO_ENVIRONMENT
