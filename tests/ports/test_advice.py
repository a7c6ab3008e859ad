"""Which services may be stopped as a whole: only those that are about the holder alone."""

from __future__ import annotations

from typing import Optional

import pytest

from exporter.host.facts import UnitContents
from exporter.ports.verdict import may_be_stopped

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
