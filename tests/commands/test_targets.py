"""Scrape targets, read by those who will read them."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporter.commands.targets import file_sd, scrape_config, targets
from exporter.installation.static_config_parser import parse_static_config
from tests.support.static_config_writer import make_cluster

THREE = make_cluster(["10.77.0.1", "10.77.0.2", "10.77.0.3"])
SAMPLES = Path(__file__).parent.parent / "samples" / "cluster_static_config"


def test_every_node_is_a_target_and_cluster_the_only_label() -> None:
    """The form of file_sd_configs."""
    assert json.loads(file_sd(THREE, 19836, "mine")) == [
        {
            "targets": ["10.77.0.1:19836", "10.77.0.2:19836", "10.77.0.3:19836"],
            "labels": {"cluster": "mine"},
        }
    ]


def test_ipv6_addresses_stand_in_brackets() -> None:
    """As Prometheus wants them."""
    path = SAMPLES / "ipv6_2node.node1.cluster_static_config"
    assert targets(parse_static_config(path.read_bytes()), 9000) == (
        "[2407:c080:1200:1ab::11]:9000",
        "[2407:c080:1200:1ab::12]:9000",
    )


def test_a_node_is_reached_by_any_address_that_it_has() -> None:
    """Where backIp is missing the others serve; a node without any is left out."""
    first, second, third = THREE.nodes
    agentless = replace(third.cm_agent, addresses=())
    static = replace(
        THREE,
        nodes=(
            replace(first, back_addresses=("no address",), ssh_addresses=("10.1.0.1",)),
            replace(second, back_addresses=(), ssh_addresses=(), cm_server=None),
            replace(third, back_addresses=(), ssh_addresses=(), cm_server=None, cm_agent=agentless),
        ),
    )
    assert targets(static, 1) == ("10.1.0.1:1", "10.77.0.2:1")


def test_without_a_name_there_is_no_label() -> None:
    """An empty label would be a lie about a name."""
    assert json.loads(file_sd(THREE, 1, ""))[0]["labels"] == {}
    group = yaml.safe_load(scrape_config(THREE, 1, ""))["scrape_configs"][0]["static_configs"][0]
    assert "labels" not in group


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp"))))
def test_any_name_survives_both_forms(cluster: str) -> None:
    """Quotes, colons and backslashes in a cluster's name break nothing."""
    group = yaml.safe_load(scrape_config(THREE, 19836, cluster))["scrape_configs"][0]
    assert group["job_name"] == "opengauss-cm"
    assert group["static_configs"][0] == {
        "targets": list(targets(THREE, 19836)),
        **({"labels": {"cluster": cluster}} if cluster else {}),
    }
    assert json.loads(file_sd(THREE, 19836, cluster))[0]["labels"].get("cluster", "") == cluster


def test_prometheus_accepts_both(tmp_path: Path) -> None:
    """Promtool checks the scrape configuration, and the file that file_sd_configs names."""
    (tmp_path / "targets.json").write_text(file_sd(THREE, 19836, "mine"))
    discovered = {"job_name": "file", "file_sd_configs": [{"files": [f"{tmp_path}/targets.json"]}]}
    given = yaml.safe_load(scrape_config(THREE, 19836, "mine"))["scrape_configs"]
    config = tmp_path / "prometheus.yml"
    config.write_text(json.dumps({"scrape_configs": [*given, discovered]}))
    command = ["promtool", "check", "config", str(config)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "SUCCESS" in checked.stdout
