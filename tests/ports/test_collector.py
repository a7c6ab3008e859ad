"""The ports collector's families, read back as Prometheus would."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from exporter.host.facts import Process
from exporter.ports.collector import families
from exporter.ports.facts import (
    Attribution,
    Endpoint,
    Inspection,
    Reason,
    Socket,
    SocketFacts,
    SocketSource,
)
from exporter.ports.relation import Programs
from exporter.ports.verdict import address_missing, duplicates, judge
from exporter.scrape.base import Family
from tests.support.facts import CLUSTER, OMM, OTHER_USER, endpoint, facts, process, socket

HERE = "10.77.0.2"
OWN = process(500)
NGINX = process(900, "/usr/sbin/nginx", OTHER_USER)
LABELS = {"endpoint": "cm_server", "instance_id": "1", "port": "15300"}


def look(*pairs: tuple[Socket, tuple[Process, ...]], of: tuple[Endpoint, ...] = ()) -> Inspection:
    """Look at a node with these sockets on it."""
    found: SocketFacts = facts(*pairs)
    verdicts = judge(
        of or (endpoint("cm_server", HERE),), found, Programs((), CLUSTER.uid), CLUSTER, {}
    )
    endpoints = [verdict.endpoint for verdict in verdicts]
    return Inspection(
        verdicts,
        found,
        duplicates=duplicates(endpoints),
        address_missing=frozenset(
            e.key for e in endpoints if address_missing(e, frozenset((ip_address(HERE),)))
        ),
        ephemeral=frozenset(e.key for e in endpoints if e.port <= 15400),
    )


def page(inspection: Inspection) -> dict[str, Family]:
    """Build all families, by name."""
    return {family.name: family for family in families(inspection)}


def series(family: Family) -> list[tuple[dict[str, str], float]]:
    """List a family's samples without their names."""
    return [(dict(sample.labels), sample.value) for sample in family.samples]


def test_every_reason_is_present_and_at_most_one_is_true() -> None:
    """Rules can rely on a 0 for each reason that does not hold."""
    shown = series(page(look((socket(), (NGINX,))))["opengauss_port_conflict"])
    assert {labels["reason"] for labels, _ in shown} == {reason.value for reason in Reason}
    assert [labels["reason"] for labels, value in shown if value] == ["foreign_listener"]


def test_a_holder_is_shown_with_all_that_is_known_of_it() -> None:
    """The pid is a value; who it is stands in the labels."""
    pages = page(look((socket(), (NGINX,))))
    who = {
        **LABELS,
        "relation": "foreign",
        "process": "nginx",
        "user": "web",
        "exe": "/usr/sbin/nginx",
        "unit": "",
        "container": "",
        "address": "0.0.0.0",  # noqa: S104 -- a label's value
    }
    assert series(pages["opengauss_port_holder_pid"]) == [(who, 900)]
    assert series(pages["opengauss_port_holder_start_time_seconds"]) == [(who, 1_700_000_900.0)]
    assert series(pages["opengauss_port_foreign_owner"]) == [(LABELS, 1)]


def test_a_holder_without_a_pid_has_pid_0_and_no_start() -> None:
    """What could not be seen is not claimed."""
    pages = page(look((socket(), ())))
    assert [value for _, value in series(pages["opengauss_port_holder_pid"])] == [0]
    assert series(pages["opengauss_port_holder_start_time_seconds"]) == []


def test_a_unit_that_may_be_stopped_is_told_by_unit_and_pid() -> None:
    """Another process of a unit of the same name does not count."""
    web = replace(process(900, "/usr/sbin/nginx", OTHER_USER), unit="web.service")
    seen = look((socket(), (web,)))
    for stoppable, told in (({("web.service", 900)}, 1), ({("web.service", 901)}, 0), (set(), 0)):
        pages = page(replace(seen, stoppable=frozenset(stoppable)))
        ((_, value),) = series(pages["opengauss_port_holder_unit_stoppable"])
        assert value == told


def test_no_more_than_eight_holders_are_shown_and_the_rest_is_counted() -> None:
    """Nobody can flood the page by opening the port many times."""
    many = [process(100 + n, f"/usr/bin/web{n}", OTHER_USER) for n in range(11)]
    pages = page(look((socket(), tuple(many))))
    assert len(series(pages["opengauss_port_holder_pid"])) == 8
    assert series(pages["opengauss_port_holders_dropped"]) == [(LABELS, 3)]


def test_holders_alike_in_every_label_give_one_series() -> None:
    """Workers of one server differ in their pid only: the lowest stands for them all."""
    workers = tuple(process(pid, "/usr/sbin/nginx", OTHER_USER) for pid in (902, 901))
    pages = page(look((socket(), workers)))
    assert [value for _, value in series(pages["opengauss_port_holder_pid"])] == [901]
    assert series(pages["opengauss_port_holders_dropped"]) == [(LABELS, 1)]


def test_risks_are_shown_for_each_endpoint() -> None:
    """A port in the ephemeral range, one used twice, and an address on no interface are told."""
    both = (
        endpoint("cm_server", HERE),
        endpoint("datanode", HERE, "10.9.9.9", process="gaussdb"),
        endpoint("dss", HERE, port=15401, process="dssserver"),
    )
    pages = page(look(of=both))

    def flags(name: str) -> list[float]:
        return [value for _, value in series(pages[name])]

    assert flags("opengauss_port_ephemeral_risk") == [1, 1, 0]
    assert flags("opengauss_port_duplicate") == [1, 1, 0]
    assert flags("opengauss_port_address_missing") == [0, 1, 0]


def test_a_range_that_may_not_be_read_is_no_risk_and_no_safety() -> None:
    """Where the ephemeral ports are not known the metric is left out, and nothing else is."""
    pages = page(replace(look(), ephemeral=None))
    assert series(pages["opengauss_port_ephemeral_risk"]) == []
    assert len(series(pages["opengauss_port_duplicate"])) == 1


def test_the_page_says_how_it_was_seen() -> None:
    """Source, attribution and the kernel's limits are part of the truth."""
    pages = page(look((socket(HERE, uid=OMM), (OWN,))))
    assert [labels for labels, value in series(pages["opengauss_port_source"]) if value] == [
        {"source": SocketSource.SOCK_DIAG.value}
    ]
    assert [labels for labels, value in series(pages["opengauss_port_attribution"]) if value] == [
        {"level": Attribution.FULL.value}
    ]
    assert series(pages["opengauss_port_sees_bound_sockets"]) == [({}, 1)]
    assert series(pages["opengauss_port_listening"]) == [(LABELS, 1)]
