"""A real Prometheus reads what ``targets`` writes, and finds every node with it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.lab.cluster import Lab
from tests.support.exporter_process import ROOT, ExporterProcess
from tests.support.monitoring import Monitoring

pytestmark = pytest.mark.e2e


def _config(lab: Lab, node_id: int) -> str:
    node = lab.node(node_id)
    installation = {"user": lab.account.pw_name, "env_file": str(node.env_file)}
    return json.dumps({"installation": {**installation, "gausshome": str(node.gausshome)}})


def _free_port(addresses: list[str]) -> int:
    """Find a port that is free on every node's address."""
    for _ in range(100):
        with ExitStack() as stack:
            first = stack.enter_context(socket.create_server((addresses[0], 0)))
            port = int(first.getsockname()[1])
            try:
                for address in addresses[1:]:
                    stack.enter_context(socket.create_server((address, port)))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free on all addresses")


@pytest.fixture(scope="module")
def monitoring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitoring]:
    """Two nodes with an exporter each, and a Prometheus that was given the command's output."""
    with Lab(nodes=2) as lab, ExitStack() as stack:
        port = _free_port([node.address for node in lab.plan.nodes])
        for node in lab.plan.nodes:
            listen = (f"{node.address}:{port}",)
            exporter = ExporterProcess(_config(lab, node.node_id), listen=listen)
            stack.enter_context(exporter)
            exporter.wait_for("ready")
        directory = tmp_path_factory.mktemp("monitoring")
        started = Monitoring(directory)
        words = ["targets", f"--config.file={exporter.config_file}", f"--exporter-port={port}"]
        command = [sys.executable, "-m", "exporter", *words]
        written = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
        Path(directory, "targets.json").write_bytes(written)
        yield stack.enter_context(started)


def test_every_node_is_scraped_with_the_clusters_name(monitoring: Monitoring) -> None:
    """Each target is up, and ``cluster`` is its label."""

    def both() -> list[dict[str, Any]]:
        up = monitoring.query("up == 1")
        return up if len(up) == 2 else []

    assert {sample["metric"]["cluster"] for sample in monitoring.wait_until(both)} == {"dbCluster"}


def test_no_label_of_a_metric_is_taken_by_a_target(monitoring: Monitoring) -> None:
    """Nothing is renamed to exported_…: no metric has a label that a target has."""
    monitoring.wait_until(lambda: len(monitoring.query("opengauss_node_info")) == 2)
    labels = {
        label
        for sample in monitoring.query('{__name__=~"opengauss_.+"}')
        for label in sample["metric"]
    }
    assert "instance_id" in labels
    assert not [label for label in labels if label.startswith("exported_")]


def test_both_nodes_tell_the_same_cluster(monitoring: Monitoring) -> None:
    """Members and cluster id agree, and every endpoint of both nodes is on the page."""
    monitoring.wait_until(lambda: len(monitoring.query("opengauss_node_info")) == 2)
    nodes = [sample["metric"] for sample in monitoring.query("opengauss_node_info")]
    assert {node["node_id"] for node in nodes} == {"1", "2"}
    assert len({node["cluster_id"] for node in nodes}) == 1
    members = monitoring.query("count by (node_id, component) (opengauss_cluster_member)")
    assert {sample["value"][1] for sample in members} == {"2"}
    assert len(members) == 6
    found = monitoring.query("count by (endpoint) (opengauss_port_listening)")
    assert {sample["metric"]["endpoint"]: sample["value"][1] for sample in found} == {
        "cm_server": "2",
        "cm_server_ha": "2",
        "cm_agent": "2",
        "datanode": "2",
        "datanode_ha": "2",
        "datanode_heartbeat": "2",
    }
