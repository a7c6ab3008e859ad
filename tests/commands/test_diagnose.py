"""The command ``diagnose`` as an operator runs it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter import cli
from tests.support.exporter_process import ExporterProcess, run_command
from tests.support.holders import Holder

ENDPOINT = '{endpoint: cm_server, instance_id: "1", addresses: [127.0.0.1], port: '


def endpoint(port: int) -> str:
    """Write the configuration of a node with one endpoint."""
    return f"endpoints:\n  - {ENDPOINT}{port}}}\n"


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port on which nobody listens, and which nobody else gets meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def test_where_nothing_is_installed_it_says_so_and_how_to_go_on() -> None:
    """Status 2, a sentence about this node, and the commands to try next."""
    done = run_command("diagnose", "installation: {node_name: laptop}")
    text = done.stdout.decode()
    assert done.returncode == 2
    assert "laptop: no installation of openGauss was found" in text
    assert "opengauss-cm-exporter discover" in text
    assert done.stderr == b""


def test_a_port_that_is_taken_is_told_with_its_holder() -> None:
    """Status 1, and the holder by pid."""
    with Holder("listen,127.0.0.1,0") as holder:
        done = run_command("diagnose", endpoint(holder.port), "--format=json")
    document = json.loads(done.stdout)
    assert done.returncode == 1, done.stderr
    (finding,) = [f for f in document["findings"] if f["alert"] == "OpenGaussCMPortConflict"]
    assert f"pid {holder.pid}" in finding["description"]
    assert finding["port"] == str(holder.port)


def test_a_free_port_is_no_conflict() -> None:
    """Status 0 where components are merely down."""
    with Holder("listen,127.0.0.1,0") as holder:
        port = holder.port
    done = run_command("diagnose", endpoint(port), "--lang=zh")
    assert done.returncode == 0, done.stdout.decode()
    assert "没有端口冲突" in done.stdout.decode()


def test_it_leaves_the_state_of_the_daemon_alone(tmp_path: Path) -> None:
    """No position in a log and no counter is written: the next start of the daemon has its own."""
    state = tmp_path / "positions.json"
    done = run_command("diagnose", f"logs: {{state_file: {state}}}\n")
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_other_nodes_are_judged_from_their_pages(unused_port: int) -> None:
    """With one of three out of reach it answers from the rest, and names what that leaves open."""
    name = "installation: {node_name: ogdb2}\n"
    gone = f"http://127.0.0.1:{unused_port}"
    taken = Holder("listen,127.0.0.1,0")
    with taken, ExporterProcess(name + endpoint(taken.port)) as other:
        other.wait_ready()
        words = [f"--node=http://127.0.0.1:{other.port}", f"--node={gone}", "--format=json"]
        done = run_command("diagnose", "installation: {node_name: desk}", *words)
    document = json.loads(done.stdout)
    assert done.returncode == 1, done.stderr
    assert [node["node_name"] for node in document["nodes"]] == ["ogdb2"]
    first = document["findings"][0]
    assert (first["alert"], first["node_name"]) == ("OpenGaussCMPortConflict", "ogdb2")
    assert any(f"Could not read metrics from {gone}/metrics" in text for text in document["open"])


def test_silence_is_no_all_clear(unused_port: int) -> None:
    """Without the metrics of one node, and no conflict on the others, there is no verdict."""
    with Holder("listen,127.0.0.1,0") as holder:
        port = holder.port
    done = run_command("diagnose", endpoint(port), f"--node=http://127.0.0.1:{unused_port}")
    assert done.returncode == 2, done.stdout.decode()


def test_a_port_of_the_cluster_is_never_asked(unused_port: int) -> None:
    """An address whose port is an endpoint's is wrong usage: nothing connects there."""
    url = f"http://127.0.0.1:{unused_port}"
    done = run_command("diagnose", endpoint(unused_port), f"--node={url}")
    assert done.returncode == 64
    assert f"{unused_port} is the port of cm_server" in done.stderr.decode()


def test_all_nodes_without_a_static_config_says_what_is_missing() -> None:
    """Without the list of nodes the own node is judged, and the rest is left open."""
    done = run_command("diagnose", None, "--all-nodes")
    assert done.returncode == 2
    assert "no cluster_static_config" in done.stdout.decode()


def test_the_daemon_shows_the_same_page() -> None:
    """``/diagnosis`` has the report, and the landing page leads there."""
    with Holder("listen,127.0.0.1,0") as holder, ExporterProcess(endpoint(holder.port)) as exporter:
        exporter.wait_ready()
        assert f"pid {holder.pid}" in exporter.get("/diagnosis").text
        assert 'href="/diagnosis"' in exporter.get("/").text


@pytest.mark.parametrize("flag", ["--lang=fr", "--format=xml"])
def test_unknown_words_are_wrong_usage(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A language or a format that there is not ends with 64 and the choice."""
    assert cli.main(["diagnose", flag]) == 64
    assert "none of" in capsys.readouterr().err


def test_files_for_the_other_nodes_must_be_there(capsys: pytest.CaptureFixture[str]) -> None:
    """A certificate that cannot be read ends the command before anything is looked at."""
    words = ["diagnose", "--node=https://127.0.0.1:1", "--node.ca-file=/none.pem"]
    assert cli.main(words) == 78
    assert "TLS files for the other nodes" in capsys.readouterr().err
