"""Ports that two endpoints have."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.ports.facts import Endpoint
from exporter.ports.verdict import duplicates

P = 15400
CHECKED = Endpoint("datanode_installed", "6001", P, "gaussdb", "datanode", binds=False)
BOUND = Endpoint("datanode_heartbeat", "6001", P, "gaussdb", "datanode")


@pytest.mark.parametrize(
    ("other", "meet"),
    [
        (BOUND, False),  # cm_agent looks only while neither of the two is bound
        (replace(CHECKED, endpoint="datanode_ha_installed"), False),
        (replace(BOUND, instance_id="6002"), True),
        (replace(CHECKED, instance_id="6002"), True),
        (Endpoint("dss", "6001", P, "dssserver", "dss"), True),
        (replace(BOUND, instance_id="6002", port=P + 1), False),
    ],
)
def test_a_port_that_nobody_binds_is_shared_with_other_components_only(
    other: Endpoint, meet: bool
) -> None:
    """The component's own listener there is in nobody's way, another's stops its start."""
    for order in ((CHECKED, other), (other, CHECKED)):
        assert duplicates(order) == ({CHECKED.key, other.key} if meet else set())


def test_a_port_that_is_bound_twice_is_shared() -> None:
    """Two of one component's own ports cannot both be bound; a third endpoint is left alone."""
    twice = (BOUND, replace(BOUND, endpoint="dms"))
    assert duplicates((*twice, CHECKED)) == {each.key for each in twice}
