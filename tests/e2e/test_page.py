"""What really arrives: the shipped rules and routes in a real Prometheus and Alertmanager."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.monitoring import Monitoring
from tests.support.pages import Pages, series
from tests.support.webhook import Notification

pytestmark = pytest.mark.e2e

PORT = {"endpoint": "cm_server", "instance_id": "1", "port": "15300"}
NGINX = {
    **PORT,
    "relation": "foreign",
    "process": "nginx",
    "user": "www",
    "exe": "/usr/sbin/nginx",
    "unit": "nginx.service",
    "container": "",
    "address": "0.0.0.0",  # noqa: S104 -- what the holder binds
}
HOSTILE = {**NGINX, "process": "$(reboot)", "user": "`id`", "unit": "", "address": "127.0.0.1"}


def node(name: str, number: str) -> str:
    """Write the part of a page that every node has."""
    return series(
        "opengauss_node_info",
        1,
        node_id=number,
        node_name=name,
        cluster_name="c",
        cluster_id="abc",
    )


def conflict(value: int) -> str:
    """Write a conflict on the CM port, or its absence."""
    return series("opengauss_port_conflict", value, reason="foreign_listener", **PORT)


def holder(labels: dict[str, str], pid: int) -> str:
    """Write one holder that started at a known time."""
    pid_line = series("opengauss_port_holder_pid", pid, **labels)
    start = series("opengauss_port_holder_start_time_seconds", 1792752000, **labels)
    return pid_line + start


def test_a_conflict_arrives_as_one_page_with_its_holders(tmp_path: Path) -> None:
    """Two holders at once make one notification that names node, port, process and pid.

    A second, healthy cluster stays out of it, and a hostile name never becomes a command.
    """
    held = node("ogdb1", "1") + conflict(1) + holder(NGINX, 4711) + holder(HOSTILE, 4712)
    with Pages() as pages, Monitoring(tmp_path) as monitoring:
        pages.show("ogdb1", held)
        pages.show("ogdb2", node("ogdb2", "1") + conflict(0))
        monitoring.set_targets(
            [
                pages.target("ogdb1", {"cluster": "a"}),
                pages.target("ogdb2", {"cluster": "b"}),
            ]
        )
        page = monitoring.wait_for_notification(lambda n: bool(n.alerts()))
        pages.show("ogdb1", node("ogdb1", "1") + conflict(0))
        assert_names_the_holders(page)
        assert monitoring.firing() == ["OpenGaussCMPortConflict"]
        assert len(monitoring.webhook.received()) == 1


def assert_names_the_holders(page: Notification) -> None:
    """Check the one notification of the test above."""
    assert page.receiver == "page"
    assert page.names() == ["OpenGaussCMPortConflict"]
    (alert,) = page.alerts()
    assert alert["labels"] == {
        "alertname": "OpenGaussCMPortConflict",
        "severity": "critical",
        "cluster": "a",
        "node_name": "ogdb1",
        **PORT,
    }
    description = alert["annotations"]["description"]
    assert 'process "nginx", pid 4711' in description
    assert 'process "$(reboot)", pid 4712' in description
    assert "port 15300" in description
    commands = alert["annotations"]["action"] + alert["annotations"]["action_zh"]
    assert "kill 4711" in commands
    assert not any(word in commands for word in ("reboot", "`id`", "nginx"))
