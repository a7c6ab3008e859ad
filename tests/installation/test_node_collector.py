"""Which of the cluster's processes run."""

from __future__ import annotations

from dataclasses import replace

from exporter.installation.collector import ProcessesCollector
from exporter.ports.relation import instances_of
from tests.support.facts import CLUSTER, OTHER_USER, endpoint, process


def test_a_component_that_does_not_run_is_shown_as_0() -> None:
    """Each component instance has its series; a stranger of the same name does not count."""
    table = [process(7), process(9), process(11, uid=OTHER_USER)]
    endpoints = (
        endpoint("cm_server"),
        endpoint("cm_server_ha"),
        replace(endpoint("dss", process="dssserver"), component="dss"),
    )
    collector = ProcessesCollector(
        lambda: endpoints, lambda: CLUSTER, lambda _uid: table, instances_of
    )
    running, start = collector.collect()
    assert [s.value for s in running.samples] == [1, 0]
    assert [s.value for s in start.samples] == [1_700_000_009.0]
    none = ProcessesCollector(lambda: endpoints, lambda: CLUSTER, lambda _uid: [], instances_of)
    running, start = none.collect()
    assert [s.value for s in running.samples] == [0, 0]
    assert start.samples == []
