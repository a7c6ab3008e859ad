"""What really arrives: the shipped rules and routes in a real Prometheus and Alertmanager."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pytest

from tests.support.exporter_process import ExporterProcess
from tests.support.holders import Holder
from tests.support.monitoring import Monitoring, Target
from tests.support.pages import Pages, series
from tests.support.webhook import Notification

pytestmark = pytest.mark.e2e

WITHIN = 60.0
PORT = {"endpoint": "cm_server", "instance_id": "1", "port": "15300"}
HOSTILE = {
    **PORT,
    "relation": "foreign",
    "process": "$(reboot)\n- On ogdb9: kill 1",
    "user": "`id`",
    "exe": "/opt/<script>",
    "unit": "",
    "container": "",
    "address": "0.0.0.0",  # noqa: S104 -- what the holder binds
}


def node(name: str, conflict: int) -> str:
    """Write a page of a node whose CM port is or is not in conflict."""
    info = {"node_id": "1", "node_name": name, "cluster_name": "c", "cluster_id": name}
    return series("opengauss_node_info", 1, **info) + series(
        "opengauss_port_conflict", conflict, reason="foreign_listener", **PORT
    )


def hostile() -> str:
    """Write a page of a node whose CM port is held by a process with a hostile name."""
    pid = series("opengauss_port_holder_pid", 4712, **HOSTILE)
    start = series("opengauss_port_holder_start_time_seconds", 1792752000, **HOSTILE)
    return node("ogdb9", 1) + pid + start


@pytest.fixture(scope="module")
def holders() -> Iterator[tuple[Holder, Holder]]:
    """Two processes that listen on one port, at two addresses."""
    with Holder("listen,127.0.0.1,0") as first, Holder(f"listen,127.0.0.2,{first.port}") as second:
        yield first, second


@pytest.fixture(scope="module")
def pages_of_three_clusters(
    holders: tuple[Holder, Holder], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Notification]]:
    """Run a real exporter with two foreign holders, a healthy and a hostile page side by side."""
    config = (
        "installation: {node_name: ogdb1, node_id: 1}\n"
        'endpoints: [{endpoint: cm_server, instance_id: "1", addresses: [127.0.0.1],'
        f" port: {holders[0].port}}}]"
    )
    directory = tmp_path_factory.mktemp("monitoring")
    with Pages() as pages, ExporterProcess(config) as exporter:
        exporter.wait_ready()
        pages.show("ogdb2", node("ogdb2", 0))
        pages.show("ogdb9", hostile())
        targets = [
            Target(f"127.0.0.1:{exporter.port}", {"cluster": "real"}),
            pages.target("ogdb2", {"cluster": "healthy"}),
            pages.target("ogdb9", {"cluster": "hostile"}),
        ]
        with Monitoring(directory, targets) as monitoring:
            for cluster in ("real", "hostile"):
                monitoring.wait_for_notification(partial(of, cluster), WITHIN)
            yield monitoring.webhook.received()


def of(cluster: str, notification: Notification) -> bool:
    """Tell whether a page is about one cluster."""
    return bool(notification.receiver == "page" and notification.cluster == cluster)


def alert_of(received: list[Notification], cluster: str) -> Mapping[str, Any]:
    """Return the one firing alert of the one page about a cluster."""
    (page,) = (each for each in received if of(cluster, each))
    (alert,) = page.alerts()
    return alert


def test_a_foreign_listener_arrives_as_one_page(
    pages_of_three_clusters: list[Notification], holders: tuple[Holder, Holder]
) -> None:
    """One notification names node, port, process and pid, with two holders at once."""
    alert = alert_of(pages_of_three_clusters, "real")
    assert alert["labels"] == {
        "alertname": "OpenGaussCMPortConflict",
        "severity": "critical",
        "cluster": "real",
        "node_name": "ogdb1",
        "endpoint": "cm_server",
        "instance_id": "1",
        "port": str(holders[0].port),
    }
    description = alert["annotations"]["description"]
    assert f"node ogdb1: port {holders[0].port} of cm_server" in description
    for holder, address in zip(holders, ("127.0.0.1", "127.0.0.2")):
        (line,) = (line for line in description.splitlines() if address in line)
        assert "foreign process " in line
        assert f", pid {holder.pid}, " in line


def test_the_action_names_both_processes(
    pages_of_three_clusters: list[Notification], holders: tuple[Holder, Holder]
) -> None:
    """What to do is a look at each process, its start time to compare, and a plain kill."""
    alert = alert_of(pages_of_three_clusters, "real")
    for language in ("action", "action_zh"):
        commands = alert["annotations"][language]
        for holder in holders:
            assert f"ps -o pid,lstart,user,args -p {holder.pid} " in commands
            assert re.search(rf"[ ：]kill {holder.pid}\b", commands)  # noqa: RUF001 -- Chinese
        assert "kill -9 " not in commands


def test_a_healthy_cluster_is_not_mentioned(pages_of_three_clusters: list[Notification]) -> None:
    """Nothing arrives about the healthy cluster beside them."""
    assert not [n for n in pages_of_three_clusters if n.cluster == "healthy"]


def test_a_hostile_name_is_quoted_and_never_part_of_a_command(
    pages_of_three_clusters: list[Notification],
) -> None:
    """A process name is shown quoted on one line, and no command is built from it."""
    annotations = alert_of(pages_of_three_clusters, "hostile")["annotations"]
    assert 'process "$(reboot)\\n- On ogdb9: kill 1", pid 4712' in annotations["description"]
    for language in ("action", "action_zh"):
        assert "kill 4712" in annotations[language]
        assert not any(word in annotations[language] for word in ("reboot", "`id`", "script"))
        assert "kill 1\n" not in annotations[language]
