"""What a diagnosis makes of one node, of several, and of nodes that do not answer."""

from __future__ import annotations

import pytest

from exporter.diagnosis.diagnose import diagnose
from exporter.diagnosis.findings import Certainty, Verdict
from exporter.diagnosis.page import Page, Sample, Silent
from tests.support.judging import CM, NOW, conflict, page

INFO = ("node_id", "node_name", "cluster_name", "cluster_id")
RISK = Sample("opengauss_port_ephemeral_risk", CM, 1)


def alerts(*pages: Page) -> list[tuple[str, str]]:
    """Name what is found, in its order, each with its node."""
    return [(each.alert, each.node_name) for each in diagnose(pages, [], NOW).findings]


def test_a_healthy_node_has_no_finding() -> None:
    """Nothing is wrong, and nothing is left open."""
    diagnosis = diagnose([page(1)], [], NOW)
    assert diagnosis.verdict is Verdict.NONE
    assert (diagnosis.findings, diagnosis.open) == ((), ())


def test_a_conflict_comes_before_a_risk() -> None:
    """What keeps something down now stands before what might one day."""
    assert alerts(page(1, RISK, *conflict())) == [
        ("OpenGaussCMPortConflict", "ogdb1"),
        ("OpenGaussPortEphemeralRisk", "ogdb1"),
    ]


def test_a_risk_alone_is_no_conflict() -> None:
    """A port that might be taken one day is told, and the verdict is that none is."""
    diagnosis = diagnose([page(1, RISK)], [], NOW)
    assert diagnosis.verdict is Verdict.NONE
    assert len(diagnosis.findings) == 1


def down(node_id: str) -> list[Sample]:
    """Have CM say that the cm_server of a node is down."""
    names = {"node_id": node_id, "node_name": f"ogdb{node_id}", "instance_id": node_id}
    return [
        Sample("opengauss_cm_query_outcome", {"outcome": "ok"}, 1),
        Sample("opengauss_cm_server_state", {**names, "state": "Down"}, 1),
    ]


def test_trouble_on_a_node_that_was_not_looked_at_is_not_cleared() -> None:
    """Where CM reports another node's cm_server down, its port may be taken there."""
    alone = diagnose([page(1, *down("2"), nodes=2)], [], NOW)
    assert alone.verdict is Verdict.CANNOT_TELL
    assert alone.headline.en.endswith("port conflict. Not looked at: ogdb2.")
    assert "diagnose --all-nodes" in alone.first[0].en
    both = diagnose([page(1, *down("2"), nodes=2), page(2, nodes=2)], [], NOW)
    assert (both.verdict, both.first) == (Verdict.NONE, ())


@pytest.mark.parametrize("state", ["Primary", "Standby", "Pending"])
def test_a_cm_server_that_answers_one_node_is_not_down(state: str) -> None:
    """Another node that gets no answer does not make it so, whatever role it has."""
    instance = {"node_id": "1", "node_name": "ogdb1", "instance_id": "1"}
    ok = Sample("opengauss_cm_query_outcome", {"outcome": "ok"}, 1)
    answer = Sample("opengauss_cm_server_state", {**instance, "state": state}, 1)
    assert alerts(page(1, ok, answer, nodes=2), page(2, *down("1"), nodes=2)) == []


def test_the_headline_says_what_it_comes_to() -> None:
    """One line has the place of the surest conflict, or the nodes that have none."""
    found = {
        "No port conflict on ogdb1.": [page(1)],
        "No port conflict on ogdb1. Not looked at: ogdb2, ogdb3.": [page(1, nodes=3)],
        "Port conflict: ogdb1, port 15300 of cm_server.": [page(1, RISK, *conflict(), nodes=2)],
        "Port conflict: cm_server on every node.": [
            page(node, *conflict(), nodes=2) for node in (1, 2)
        ],
        "By the records there is or was a port conflict: ogdb1, port 15300 of cm_server.": [
            page(1, *conflict("unidentified"))
        ],
    }
    assert {diagnose(pages, [], NOW).headline.en: pages for pages in found.values()} == found


def test_what_all_nodes_say_comes_first() -> None:
    """All nodes' own verdicts together are a finding of their own, before those of the nodes."""
    pages = [page(node, *conflict(), nodes=2) for node in (1, 2)]
    assert alerts(*pages) == [
        ("OpenGaussCMPortConflictAllNodes", ""),
        ("OpenGaussCMPortConflict", "ogdb1"),
        ("OpenGaussCMPortConflict", "ogdb2"),
    ]


def test_a_lone_node_does_not_speak_for_all() -> None:
    """Without the others' pages nothing is said of all nodes, and they are named."""
    diagnosis = diagnose([page(1, *conflict(), nodes=3)], [], NOW)
    assert [each.alert for each in diagnosis.findings] == ["OpenGaussCMPortConflict"]
    assert any("ogdb2, ogdb3" in text.en for text in diagnosis.open)


def test_a_node_that_does_not_answer_is_named() -> None:
    """With one of three nodes out of reach the rest is judged, and what is open is told."""
    pages = [page(1, nodes=3), page(2, nodes=3)]
    silent = Silent("http://10.0.0.3:19836", "connection refused")
    diagnosis = diagnose(pages, [silent], NOW)
    assert diagnosis.verdict is Verdict.CANNOT_TELL
    assert any(
        "http://10.0.0.3:19836" in text.en and "refused" in text.en for text in diagnosis.open
    )
    assert any("Not looked at: ogdb3" in text.en for text in diagnosis.open)


def test_a_conflict_counts_whoever_does_not_answer() -> None:
    """What one node shows for certain is not put in doubt by another's silence."""
    diagnosis = diagnose([page(1, *conflict(), nodes=2)], [Silent("x", "timeout")], NOW)
    assert diagnosis.verdict is Verdict.CONFLICT


def test_a_node_without_any_endpoint_can_tell_nothing() -> None:
    """Where nothing of openGauss was found the verdict is that it cannot be told, with a way on."""
    empty = Page.of("", NOW, [Sample("opengauss_node_info", dict.fromkeys(INFO, ""), 1)])
    diagnosis = diagnose([empty], [], NOW)
    assert diagnosis.verdict is Verdict.CANNOT_TELL
    assert "opengauss-cm-exporter discover" in diagnosis.open[0].en


def test_a_page_of_something_else_is_no_node() -> None:
    """A page that names no node counts like no answer."""
    diagnosis = diagnose([Page.of("http://x", NOW, [])], [], NOW)
    assert diagnosis.verdict is Verdict.CANNOT_TELL
    assert diagnosis.looked == ()


def test_a_node_counts_once() -> None:
    """The own node, asked by its address too, is judged by the first of its pages."""
    own, again = page(1, *conflict()), page(1, origin="http://10.0.0.1:19836")
    diagnosis = diagnose([own, again], [], NOW)
    assert [each.origin for each in diagnosis.looked] == [""]
    assert len(diagnosis.findings) == 1


def test_whose_socket_cannot_be_told_is_less_certain() -> None:
    """A conflict that rests on a log record is told as one."""
    (finding,) = diagnose([page(1, *conflict("unidentified"))], [], NOW).findings
    assert finding.certainty is Certainty.RECORDED


def advised(*members: str) -> str:
    """Return all that is advised where a node's database port is taken; ``members`` are its own."""
    here = {"node_id": "1", "node_name": "ogdb1"}
    key = {"endpoint": "datanode", "instance_id": "6001", "port": "15400"}
    samples = [
        Sample("opengauss_node_info", {**here, "cluster_name": "prod", "cluster_id": "abc"}, 1),
        Sample("opengauss_port_conflict", {**key, "reason": "foreign_listener"}, 1),
    ]
    for component in members:
        labels = {**here, "component": component, "instance_id": "6001"}
        samples.append(Sample("opengauss_cluster_member", labels, 1))
    (finding,) = diagnose([Page.of("", NOW, samples)], [], NOW).findings
    return f"{finding.description.en}\n{finding.action.en}"


def test_what_is_advised_where_there_is_no_cm_is_what_works_there() -> None:
    """Only where the members are known, and none is a part of CM, gs_om stands for it."""
    for members in ((), ("datanode", "cm_agent"), ("datanode", "cm_server")):
        said = advised(*members)
        assert "cm_agent starts the instance by itself" in said
        assert "cm_ctl start -n 1" in said
        assert "gs_om" not in said
    said = advised("datanode", "etcd")
    assert "nothing starts the component by itself" in said
    assert "gs_om -t start -h ogdb1\n  gs_om -t status --detail\n" in said
    assert "cm_agent" not in said
    assert "cm_ctl" not in said


@pytest.mark.parametrize(
    ("endpoint", "unbound", "looks"),
    [
        ("datanode", (), True),
        ("datanode", ("datanode_installed", "datanode_ha_installed"), False),
        ("datanode_ha", ("datanode_installed", "datanode_ha_installed"), False),
        ("datanode", ("datanode_installed",), True),
        ("datanode_ha", ("datanode_installed",), False),
        ("datanode", ("datanode_ha_installed",), False),
        ("datanode_ha", ("datanode_ha_installed",), True),
        ("datanode_installed", ("datanode_installed", "datanode_ha_installed"), True),
    ],
)
def test_cm_agent_looks_at_the_installed_ports_alone(
    endpoint: str, unbound: tuple[str, ...], *, looks: bool
) -> None:
    """What is said of its check is true of the port, whichever ports nobody binds any more."""
    key = {"endpoint": endpoint, "instance_id": "6001", "port": "15500"}
    others = [{"endpoint": word, "instance_id": "6001", "port": "1"} for word in unbound]
    others.append({**key, "instance_id": "6002"})
    samples = [Sample("opengauss_port_listening", labels, 0) for labels in (key, *others)]
    taken = Sample("opengauss_port_conflict", {**key, "reason": "foreign_listener"}, 1)
    (finding,) = diagnose([page(1, *samples, taken)], [], NOW).findings
    assert ("cm_agent sees a listener on this port" in finding.description.en) is looks
    assert ("this is none of them" in finding.description.en) is not looks


def test_the_evidence_can_be_looked_up() -> None:
    """A conflict shows the metric of its verdict, the socket with its holder, and the records."""
    labels = {"signature": "port_in_use", "port": "15300"}
    report = Sample("opengauss_log_port_report_timestamp_seconds", labels, NOW - 5)
    (finding,) = diagnose([page(1, report, *conflict())], [], NOW).findings
    metric, socket, log = finding.evidence
    assert metric.text.en.startswith('opengauss_port_conflict{endpoint="cm_server",')
    assert metric.text.en.endswith(',reason="foreign_listener"} 1')
    assert socket.text.en == '0.0.0.0:15300 is held by pid 4711 "nginx" (foreign)'
    assert "port_in_use reports port 15300, the last time at 2026-10-23 10:39:55" in log.text.en
    assert [each.kind for each in finding.evidence] == ["metric", "socket", "log"]
