"""The command ``diagnose`` as an operator runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from exporter import cli
from tests.support.exporter_process import run_command
from tests.support.holders import Holder

ENDPOINT = '{endpoint: cm_server, instance_id: "1", addresses: [127.0.0.1], port: '


def test_where_nothing_is_installed_it_says_so_and_how_to_go_on() -> None:
    """Status 2, a sentence about this node, and the commands to try next."""
    done = run_command("diagnose", "installation: {node_name: laptop}")
    text = done.stdout.decode()
    assert done.returncode == 2
    assert "laptop: nothing of openGauss was found" in text
    assert "opengauss-cm-exporter discover" in text
    assert done.stderr == b""


def test_a_port_that_is_taken_is_told_with_its_holder() -> None:
    """Status 1, and the holder by pid."""
    with Holder("listen,127.0.0.1,0") as holder:
        config = f"endpoints:\n  - {ENDPOINT}{holder.port}}}\n"
        done = run_command("diagnose", config, "--format=json")
    document = json.loads(done.stdout)
    assert done.returncode == 1, done.stderr
    (finding,) = [f for f in document["findings"] if f["alert"] == "OpenGaussCMPortConflict"]
    assert f"pid {holder.pid}" in finding["description"]
    assert finding["port"] == str(holder.port)


def test_a_free_port_is_no_conflict() -> None:
    """Status 0 where components are merely down."""
    with Holder("listen,127.0.0.1,0") as holder:
        port = holder.port
    done = run_command("diagnose", f"endpoints:\n  - {ENDPOINT}{port}}}\n", "--lang=zh")
    assert done.returncode == 0, done.stdout.decode()
    assert "没有端口冲突" in done.stdout.decode()


def test_it_leaves_the_state_of_the_daemon_alone(tmp_path: Path) -> None:
    """No position in a log and no counter is written: the next start of the daemon has its own."""
    state = tmp_path / "positions.json"
    done = run_command("diagnose", f"logs: {{state_file: {state}}}\n")
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("flag", ["--lang=fr", "--format=xml"])
def test_unknown_words_are_wrong_usage(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A language or a format that there is not ends with 64 and the choice."""
    assert cli.main(["diagnose", flag]) == 64
    assert "none of" in capsys.readouterr().err
