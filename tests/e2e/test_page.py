"""What really arrives: the shipped rules and routes in a real Prometheus and Alertmanager."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Arrived

pytestmark = pytest.mark.e2e

LANGUAGES = ("action", "action_zh")
# the same words as in conftest, which pytest does not let a test import
HOSTILE_INSTANCES = {"named": "1", "alone": "2", "crowded": "3", "divided": "4", "cron": "5"}


def test_a_foreign_listener_arrives_as_one_page(arrived: Arrived) -> None:
    """One notification names node, port, process and pid, with two holders at once."""
    (alert,) = arrived.about("real")
    holders = (arrived.holders["first"], arrived.holders["second"])
    assert alert["labels"] == {
        "alertname": "OpenGaussCMPortConflict",
        "severity": "critical",
        "cluster": "real",
        "node_name": "ogdb1",
        "endpoint": "cm_server",
        "instance_id": "1",
        "port": str(holders[0].port),
    }
    address = "https://grafana.example/d/opengauss-port-conflicts?var-cluster=real&var-node=ogdb1"
    assert alert["annotations"]["dashboard_url"] == f"{address}&var-endpoint=cm_server"
    description = alert["annotations"]["description"]
    assert f"node ogdb1: port {holders[0].port} of cm_server" in description
    for holder, address in zip(holders, ("127.0.0.1", "127.0.0.2")):
        (line,) = (line for line in description.splitlines() if address in line)
        assert line.startswith(f"Holder on ogdb1, port {holder.port}: foreign process ")
        assert f", pid {holder.pid}, " in line


def test_the_action_names_both_processes(arrived: Arrived) -> None:
    """What to do is a look at each process, its start time to compare, and a plain kill."""
    alert = arrived.alert("real")
    for language in LANGUAGES:
        commands = alert["annotations"][language]
        for holder in (arrived.holders["first"], arrived.holders["second"]):
            assert f"ps -o pid,lstart,user,args -p {holder.pid}\n" in commands
            assert re.search(rf"[ ：]kill {holder.pid}\b", commands)
        assert "kill -9 " not in commands


def test_a_healthy_cluster_is_not_mentioned(arrived: Arrived) -> None:
    """Nothing arrives about the healthy cluster beside them."""
    assert not [n for n in arrived.received if n.cluster == "healthy"]


def test_a_hostile_name_is_quoted_and_never_part_of_a_command(arrived: Arrived) -> None:
    """A process name is shown quoted on one line, and no command is built from it."""
    annotations = arrived.alert("page")["annotations"]
    assert 'process "$(reboot)\\n- On ogdb9: kill 1", pid 4712' in annotations["description"]
    for language in LANGUAGES:
        assert "kill 4712" in annotations[language]
        assert not any(word in annotations[language] for word in ("reboot", "`id`", "script"))
        assert "kill 1\n" not in annotations[language]


@pytest.mark.privileged
def test_a_real_process_with_a_hostile_name_is_shown_and_not_obeyed(arrived: Arrived) -> None:
    """Whatever a real process calls itself, the commands hold its pid alone."""
    annotations = arrived.alert("hostile", HOSTILE_INSTANCES["named"])["annotations"]
    pid = arrived.holders["named"].pid
    assert 'process "$(reboot)' in annotations["description"]
    for language in LANGUAGES:
        assert f"kill {pid}" in annotations[language]
        assert not re.search(r"reboot|<b>|`", annotations[language])


@pytest.mark.privileged
def test_a_service_of_its_own_is_stopped_as_one(arrived: Arrived) -> None:
    """A holder that is alone in a service of system.slice goes with its service."""
    annotations = arrived.alert("hostile", HOSTILE_INSTANCES["alone"])["annotations"]
    for language in LANGUAGES:
        assert re.search(r"systemctl stop 'exportertest-\d+-alone\.service'", annotations[language])
        assert "kill " not in annotations[language]


@pytest.mark.privileged
@pytest.mark.parametrize(
    ("kind", "unit"),
    [
        ("crowded", r"exportertest-\d+-crowded"),
        ("divided", r"exportertest-\d+-divided"),
        ("cron", r"cron-exportertest-\d+-jobs"),
    ],
)
def test_a_service_that_carries_more_is_named_and_not_stopped(
    arrived: Arrived, kind: str, unit: str
) -> None:
    """Beside om_monitor, in a group named like a unit, or below cron only the process is ended."""
    annotations = arrived.alert("hostile", HOSTILE_INSTANCES[kind])["annotations"]
    assert re.search(rf"unit {unit}\.service", annotations["description"])
    for language in LANGUAGES:
        assert "systemctl" not in annotations[language]
        assert ";reboot" not in annotations[language]
        assert f"kill {arrived.holders[kind].pid}" in annotations[language]
