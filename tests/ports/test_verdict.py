"""What may go wrong with a port, and which service may be stopped as a whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

import pytest

from exporter.host.facts import UnitContents
from exporter.ports.facts import Endpoint
from exporter.ports.verdict import duplicates, may_be_stopped

PID = 900
NGINX = UnitContents(frozenset((PID, 901)), frozenset(("nginx",)))


@pytest.mark.parametrize("unit", ["nginx.service", "web@1.service", r"my\x2dapp.service"])
def test_a_service_of_its_own_may_be_stopped(unit: str) -> None:
    """The holder is in the service, nothing is below it, nothing else matters in it."""
    assert may_be_stopped(unit, PID, NGINX)


@pytest.mark.parametrize(
    "unit",
    [
        "cron.service",
        "crond.service",
        "sshd.service",
        "ssh.service",
        "ssh@0-10.0.0.1:22.service",
        "docker.service",
        "containerd.service",
        "podman.service",
        "kubelet.service",
        "dbus.service",
        "dbus-broker.service",
        "user@1000.service",
        "session-3.scope",
        "systemd-resolved.service",
        "nginx.scope",
        "nginx.service; reboot",
        "nginx.service'",
        "$(reboot).service",
        "",
    ],
)
def test_a_service_that_carries_others_is_never_stopped(unit: str) -> None:
    """Logins, jobs, containers, the system, and whatever is no service's name."""
    assert not may_be_stopped(unit, PID, NGINX)


@pytest.mark.parametrize(
    "contents",
    [
        None,
        UnitContents(frozenset((901,)), frozenset(("nginx",))),
        UnitContents(frozenset((PID,)), frozenset(("nginx",)), divided=True),
    ],
    ids=["cannot be read", "without the holder", "with groups below"],
)
def test_what_cannot_be_told_counts_against_it(contents: Optional[UnitContents]) -> None:
    """The holder must be seen directly in a service that has no groups below."""
    assert not may_be_stopped("nginx.service", PID, contents)


@pytest.mark.parametrize(
    "program",
    [
        "om_monitor",
        "cm_agent",
        "cm_server",
        "dssserver",
        "gaussdb",
        "GaussMaster",
        "gs_ctl",
        "cm_ctl",
    ],
)
def test_a_service_with_a_program_of_opengauss_is_never_stopped(program: str) -> None:
    """A holder inside the service that runs a cluster does not take the cluster with it."""
    contents = UnitContents(frozenset((PID,)), frozenset(("nginx", program)))
    assert not may_be_stopped("opengauss.service", PID, contents)


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
