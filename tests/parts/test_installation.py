"""The commands and the parts that know the installation, on made clusters."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.cli import main
from exporter.config import Config, EndpointConfig
from exporter.config.schema import InstallationHints
from exporter.host.command import Account, Runner
from exporter.host.files import WatchedFiles
from exporter.installation.endpoints import discovered_endpoints
from exporter.installation.environment import EnvironmentSearch, ShellEnvironment
from exporter.installation.facts import NO_UID, Installation
from exporter.installation.installed_files import FactStore
from exporter.installation.reader import InstallationReader
from exporter.options import Options
from exporter.parts import InstallationFactory, InstallationParts
from exporter.ports.bind import holds_all
from exporter.ports.sock_diag import SockDiag
from tests.lab.cluster import Lab
from tests.lab.standins.plan import NodePlan
from tests.support.trees import FakeProc

CapSys = pytest.CaptureFixture[str]
SAMPLES = Path(__file__).resolve().parents[1] / "samples/cluster_static_config"


@pytest.fixture(scope="module", params=["dcc", "shared_disk"])
def trees(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """The trees of a stopped cluster, once with each store.

    Not below pytest's own directory, which every session closes to other users.
    """
    lab = Lab(nodes=2, style=request.param)
    lab.prepare()
    yield lab
    lab.stop()


def _config(lab: Lab, directory: Path, node: NodePlan) -> list[str]:
    file = directory / "exporter.yml"
    installation = {"user": lab.account.pw_name, "env_file": str(node.env_file)}
    file.write_text(json.dumps({"installation": installation}))
    return [f"--config.file={file}"]


def _ports(lab: Lab, node: NodePlan) -> dict[str, int]:
    c, p = node.cm_port, node.db_port
    ports = {"cm_server": c, "cm_server_ha": c + 1, "datanode": p, "datanode_ha": p + 1}
    ports["cm_agent"] = lab.plan.nodes[0].cm_port + 2  # that of the first cm_server, everywhere
    pooled = {"dss": p + 10, "dms": p + 20}
    return {**ports, **(pooled if lab.plan.pooled else {"datanode_heartbeat": p + 5})}


@pytest.mark.parametrize("node_id", [1, 2])
def test_discover_tells_the_whole_installation(
    trees: Lab, node_id: int, tmp_path: Path, capsys: CapSys
) -> None:
    """A stopped cluster is found by its environment file, every port as its programs bind it."""
    node = trees.node(node_id)
    status = main(["discover", "--format=json", *_config(trees, tmp_path, node)])
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert status == 0, document["findings"]
    assert document["complete"]
    assert document["node"] == {"id": node_id, "name": node.name}
    assert document["cluster"]["name"] == trees.plan.cluster_name
    assert document["environment"]["GAUSSHOME"] == str(node.gausshome)
    assert document["environment"]["GAUSSLOG"] == str(node.gausslog)
    assert document["resource_pooling"] is trees.plan.pooled
    found = {each["endpoint"]: each for each in document["endpoints"]}
    assert {word: each["port"] for word, each in found.items()} == _ports(trees, node)
    assert found["cm_server_ha"]["binds"] is not trees.plan.pooled
    assert found["datanode"]["precheck"] is not trees.plan.pooled
    assert found["cm_agent"]["addresses"] == [node.address]


def test_discover_in_words_names_what_is_missing(
    trees: Lab, tmp_path: Path, capsys: CapSys
) -> None:
    """A file that went away is told first, and the exit status tells that something failed."""
    node = trees.node(1)
    file = node.data / "postgresql.conf"
    file.rename(file.with_suffix(".away"))
    try:
        status = main(["discover", *_config(trees, tmp_path, node)])
    finally:
        file.with_suffix(".away").rename(file)
    out = capsys.readouterr().out
    assert status == 1
    assert out.startswith("Installation: 1 of the facts could not be read\n")
    assert f"MISSING  postgresql_conf_6001  {file}" in " ".join(out.split("\n")).replace(
        "   ", "  "
    )


def test_targets_are_all_nodes(trees: Lab, tmp_path: Path, capsys: CapSys) -> None:
    """With the port that this exporter has, and the cluster's own name."""
    config = _config(trees, tmp_path, trees.node(1))
    assert main(["targets", "--web.listen-address=:19999", *config]) == 0
    addresses = [node.address for node in trees.plan.nodes]
    assert json.loads(capsys.readouterr().out) == [
        {
            "targets": [f"{address}:19999" for address in addresses],
            "labels": {"cluster": trees.plan.cluster_name},
        }
    ]


def test_targets_take_the_operators_words(trees: Lab, tmp_path: Path, capsys: CapSys) -> None:
    """Name, port and form can be chosen."""
    words = ["--cluster=prod: 1", "--exporter-port=9000", "--format=scrape-config"]
    assert main(["targets", *words, *_config(trees, tmp_path, trees.node(1))]) == 0
    out = capsys.readouterr().out
    assert f'- "{trees.node(1).address}:9000"\n' in out
    assert out.endswith('        labels:\n          cluster: "prod: 1"\n')


@pytest.mark.parametrize(
    ("sample", "addresses", "targets"),
    [
        (
            "ipv6_2node.node1",
            ["2407:c080:1200:1ab::11"],
            ["[2407:c080:1200:1ab::11]:19836", "[2407:c080:1200:1ab::12]:19836"],
        ),
        (
            "one_pri_two_sby_3node.node2",
            ["192.168.10.12"],
            ["192.168.10.11:19836", "192.168.10.12:19836", "192.168.10.13:19836"],
        ),
    ],
)
def test_a_static_config_of_opengauss_itself_gives_endpoints_and_targets(
    sample: str, addresses: list[str], targets: list[str], tmp_path: Path, capsys: CapSys
) -> None:
    """IPv6 and three nodes: what gs_install wrote is enough for CM's ports and for all targets."""
    (tmp_path / "bin").mkdir()
    static = SAMPLES / f"{sample}.cluster_static_config"
    shutil.copy(static, tmp_path / "bin/cluster_static_config")
    file = tmp_path / "exporter.yml"
    file.write_text(json.dumps({"installation": {"user": "daemon", "gausshome": str(tmp_path)}}))
    main(["discover", "--format=json", f"--config.file={file}"])
    found = json.loads(capsys.readouterr().out)
    (server,) = (e for e in found["endpoints"] if e["endpoint"] == "cm_server")
    assert server["addresses"] == addresses
    assert main(["targets", "--cluster=c", f"--config.file={file}"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["targets"] == targets


@pytest.mark.parametrize("port", ["0", "65536", "x", "-1"])
def test_an_impossible_port_is_refused(port: str, capsys: CapSys) -> None:
    """Wrong usage ends with 64."""
    assert main(["targets", f"--exporter-port={port}"]) == os.EX_USAGE
    assert "is not a port from 1 to 65535" in capsys.readouterr().err
    assert main(["targets", "--web.listen-address=:0"]) == os.EX_USAGE
    assert "give --exporter-port" in capsys.readouterr().err


def test_without_a_static_config_there_are_no_targets(tmp_path: Path, capsys: CapSys) -> None:
    """The reason is on stderr, nothing on stdout, and the exit status tells it."""
    file = tmp_path / "exporter.yml"
    file.write_text(json.dumps({"installation": {"gausshome": "/nowhere/app"}}))
    assert main(["targets", f"--config.file={file}"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "/nowhere/app/bin/cluster_static_config: No such file" in captured.err


@pytest.mark.parametrize(
    ("habit", "message"),
    [
        ("echo hello; printf 'GAUSSHOME=/wrong\\0'\n", ""),
        ("read -p 'Which cluster? ' answer\n", ""),
        ("return 0\n", "sets no GAUSSHOME"),
        ("exit 3\n", "bash ended with status 3 inside it"),
        ("set -e\n\nno_such_program\n", "cluster.env: line 3: "),
        ("if then\n", "cluster.env: line 1: `if then"),
        ("sleep 60\n", "did not end within 0.5 s"),
    ],
)
def test_an_environment_file_with_bad_habits_costs_no_fact(
    trees: Lab, habit: str, message: str, tmp_path: Path
) -> None:
    """What was known stays, what is wrong is told with file and line, and mending it ends that."""
    node, account = trees.node(1), Account.of(trees.account.pw_name)
    files = WatchedFiles()
    shell = ShellEnvironment(Runner(grace_seconds=0.1).run, 0.5)
    search = EnvironmentSearch(files, FakeProc(tmp_path / "proc").reader(), shell.evaluate, {})
    hints = InstallationHints(user=account.name, env_file=str(node.env_file))
    nothing = Installation(account.name, NO_UID, "here")
    reader = InstallationReader(hints, nothing, files, search, lambda _: account, FactStore())
    before, good = reader.refresh(), node.env_file.read_text()
    assert before.problems == ()
    try:
        node.env_file.write_text(habit + good)
        found = reader.refresh()
    finally:
        node.env_file.write_text(good)
    assert discovered_endpoints(found) == discovered_endpoints(before)
    assert (found.gausshome, found.gausslog) == (before.gausshome, before.gausslog)
    assert bool(found.problems) is bool(message)
    assert message in "".join(problem.detail for problem in found.problems)
    assert all(problem.origin == str(node.env_file) for problem in found.problems[:1])
    assert reader.refresh().problems == ()


def test_the_exporter_never_takes_a_port_of_the_cluster(trees: Lab, tmp_path: Path) -> None:
    """It ends with 78 before it listens: else it would be the conflict itself."""
    node = trees.node(1)
    words = [f"--web.listen-address={node.address}:{node.cm_port}", "--log.format=json"]
    done = subprocess.run(
        [sys.executable, "-m", "exporter", *words, *_config(trees, tmp_path, node)],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == os.EX_CONFIG
    told = json.loads(done.stderr.splitlines()[-1])
    assert f"cm_server of the cluster needs port {node.cm_port}" in str(told)


def _parts(lab: Lab, node: NodePlan, *endpoints: EndpointConfig) -> InstallationParts:
    configured = InstallationHints(user=lab.account.pw_name, gausshome=str(node.gausshome))
    return InstallationFactory()(Options(), Config(configured, endpoints), "myhost")


@pytest.fixture(scope="module")
def running() -> Iterator[Lab]:
    """A cluster of two nodes, up."""
    with Lab(nodes=2) as lab:
        lab.await_query(1, "cluster_state   : Normal")
        yield lab


@pytest.mark.parametrize("node_id", [1, 2])
def test_every_discovered_endpoint_is_what_its_process_binds(running: Lab, node_id: int) -> None:
    """On a healthy node the kernel shows a listener on every address of every endpoint."""
    node = running.node(node_id)
    parts = _parts(running, node)
    parts.discovery.look()
    endpoints = parts.discovery.endpoints()
    assert {each.endpoint: each.port for each in endpoints} == _ports(running, node)
    listeners = SockDiag().listening(frozenset(each.port for each in endpoints))
    for each in endpoints:
        own = [socket for socket in listeners if socket.port == each.port]
        assert each.addresses
        assert holds_all(own, each), each


def test_a_running_process_tells_the_environment(running: Lab) -> None:
    """No file is evaluated, of two installations of one user the configured one counts."""
    node = running.node(2)
    parts = _parts(running, node)
    parts.discovery.look()
    found = parts.discovery.installation()
    origins = [each.origin for each in found.lookups if each.fact == "environment"]
    assert origins[-1].endswith("(om_monitor)")
    assert found.gausslog == str(node.gausslog)
    assert found.problems == ()
    identity = parts.identity()
    assert identity.app_dirs == (str(node.gausshome.resolve()),)
    assert {file.component for file in identity.pid_files} == {"cm_agent", "cm_server", "datanode"}
    assert {file.pid for file in identity.pid_files if file.component == "cm_agent"} == set(
        running.pids(2, "cm_agent")
    )
    assert parts.markers() == ()
    marker = node.gausshome / "bin" / "instance_manual_start_9999"
    marker.touch()
    assert [marker.instance_id for marker in parts.markers()] == ["9999"]
    marker.unlink()


def test_configured_endpoints_lie_over_the_discovered_ones(running: Lab) -> None:
    """What the configuration gives counts, what it leaves out stays."""
    node = running.node(1)
    given = EndpointConfig("cm_server", "1", 15999)
    parts = _parts(running, node, given, EndpointConfig("proxy", "", 6432, None, "haproxy"))
    parts.discovery.look()
    found = {each.endpoint: each for each in parts.discovery.endpoints()}
    assert (found["cm_server"].port, found["cm_server"].origin) == (15999, "config")
    assert found["cm_server"].addresses is not None
    assert found["proxy"].process == "haproxy"
    assert len(found) == len(discovered_endpoints(parts.discovery.installation())) + 1
