"""Every command that a document shows is typed by a test, or stands here with what keeps it."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Union

import pytest

from exporter.cli import COMMANDS, PROGRAM, parse, split_command
from exporter.commands.diagnose import FLAGS as DIAGNOSE_FLAGS
from exporter.options import FLAGS
from tests.lab.cluster import Lab
from tests.support.documents import ROOT, asked_of_a_node, is_for_a_node, shown
from tests.support.exporter_process import ExporterProcess

SHOWN = [each for each in shown() if not is_for_a_node(each)]
# What a page leaves to its reader; the lab's node stands for the reader's.
PLACEHOLDERS = {
    "port": r"\bPORT\b",
    "pid": r"\bPID\b",
    "name": r"\bNAME\b",
    "file": r"\bFILE\b|\bexporter\.yml\b",
    "exporter": r"\b(ogdb1|localhost):19836\b",
}


@dataclass(frozen=True)
class Desk:
    """Where commands are typed: a shell with programs before all others, and a node's values."""

    programs: Path
    values: dict[str, str]
    environment: dict[str, str]

    def type(self, command: str, directory: Path = ROOT) -> subprocess.CompletedProcess[str]:
        """Type a command with the placeholders filled in."""
        for name, pattern in PLACEHOLDERS.items():
            command = re.sub(pattern, self.values[name], command)
        path = f"{self.programs}:{os.environ['PATH']}:/usr/sbin:/sbin"
        return subprocess.run(
            ["bash", "-c", command],
            cwd=directory,
            env={**os.environ, **self.environment, "PATH": path},
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A node of a simulated cluster with a running exporter, its user's cm_ctl and a config."""
    directory = tmp_path_factory.mktemp("desk")
    with Lab(nodes=1) as lab:
        node = lab.node(1)
        lab.await_query(1, "cluster_state   : Normal")
        installation = {"user": lab.account.pw_name, "env_file": str(node.env_file)}
        config = json.dumps({"installation": {**installation, "gausshome": str(node.gausshome)}})
        inside = [f"{key}={value}" for key, value in lab.environment(1).items()]
        cm_ctl = lab.words(1, ["env", "-i", *inside, str(node.bin / "cm_ctl")])
        with ExporterProcess(config) as exporter:
            ours = [sys.executable, "-m", "exporter", f"--config.file={exporter.config_file}"]
            programs = directory / "programs"
            _write_program(programs / PROGRAM, ours)
            _write_program(programs / "cm_ctl", cm_ctl)
            exporter.wait_ready()
            values = {
                "port": str(node.cm_port),
                "pid": str(exporter.pid),
                "name": "static_config",
                "file": str(exporter.config_file),
                "exporter": f"127.0.0.1:{exporter.port}",
            }
            here = {"GAUSSHOME": str(node.gausshome), "XDG_STATE_HOME": str(directory)}
            (node.bin / "instance_manual_start_1").touch()
            yield Desk(programs, values, {**here, "PYTHONPATH": str(ROOT)})


def _write_program(path: Path, words: list[str]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
    path.chmod(0o755)


def typed(command: str, desk: Desk) -> None:
    """It ends with 0."""
    done = desk.type(command)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def typed_with_the_alerts(command: str, desk: Desk) -> None:
    """It ends with 0 beside the files of `alerts/`."""
    done = desk.type(command, ROOT / "alerts")
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def made_without_doing(command: str, desk: Desk) -> None:
    """Make knows the targets, and the variables that are given to it."""
    done = desk.type(re.sub(r"^make", "make --dry-run", command))
    assert done.returncode == 0, done.stderr
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(f"$({name})" in makefile for name in re.findall(r"([A-Z]+)=", command))


def read_alone(command: str, desk: Desk) -> None:
    """Our own command line takes the words; to run them something else is needed."""
    del desk
    name, rest = split_command(shlex.split(command)[1:], [*FLAGS, *DIAGNOSE_FLAGS])
    (known,) = (each for each in COMMANDS if each.name == (name or "serve"))
    parse(rest, [*FLAGS, *known.flags])


def names_what_is_there(command: str, desk: Desk) -> None:
    """The Python module and the files that it names are there; it would take minutes."""
    del desk
    module = re.search(r"-m ([\w.]+)", command)
    assert module
    assert importlib.util.find_spec(module[1]) is not None
    assert all((ROOT / each).exists() for each in re.findall(r"\btests/\S+", command))


How = Union[str, Callable[[str, Desk], None]]
# The first pattern that a command begins with says what is done with it; a text says why nothing.
HOW: dict[str, How] = {
    "make": made_without_doing,
    "opengauss-cm-exporter diagnose --node ": read_alone,  # asks another node
    "opengauss-cm-exporter ": typed,
    "amtool ": typed_with_the_alerts,
    "promtool ": typed,
    "curl http": typed,
    "(time )?cm_ctl query": typed,
    "cm_ctl (start|stop)": "starts or stops a cluster; tests/lab does that to simulated ones",
    r"(TZ=UTC )?(ps|ss|ls|ip|echo|git grep) ": typed,
    r"lsof (-nP )?-iT?C?P?:": typed,
    r"sysctl net\.": typed,
    "sysctl --system": "would set this machine's kernel",
    "python -m packages": "takes minutes; packages/test_packages.py builds it",
    r"((\w+=1|PATH=\S+) )?(\.venv/bin/)?python -m ": names_what_is_there,
    r"\./scripts/install-newer-monitoring$": "downloads 70 MB; `make bench` runs it",
    "podman run": "needs an image; packages/test_image.py types it",
    "docker compose up": "needs a registry's images; tests/grafana/test_compose.py reads its file",
    "rpm --erase": "needs a host with rpm; packages/test_packages.py does it below another root",
    # Named, with no word of typing them as they stand:
    "python3? -I$|lsof -i$|mtail -one_shot$|kill -9$|gs_guc set$": "a name for what a program does",
    "kill PID|systemctl (stop UNIT|status PID)": "of a host that has the holder as a service",
    "systemd-analyze security$": "tests/test_systemd_unit.py runs it on the unit",
    "mimirtool rules load$": "needs a Mimir",
    "htpasswd -nBC": "of another package; any bcrypt hash does, as tests/web/test_gate.py has",
}


def _pattern_of(command: str) -> str:
    return next((each for each in HOW if re.match(each, command)), "")


@pytest.mark.parametrize("command", SHOWN)
def test_a_command_of_the_documents_can_be_typed(command: str, desk: Desk) -> None:
    """It does here what it says, or there is a reason why nobody can try it here."""
    pattern = _pattern_of(command)
    assert pattern, f"nobody knows whether this works: {command}"
    how = HOW[pattern]
    if callable(how):
        how(command, desk)


def test_what_is_said_of_commands_is_said_of_one_that_is_shown() -> None:
    """A reason goes when its command has gone."""
    used = {_pattern_of(each) for each in SHOWN}
    assert used == set(HOW)


def test_a_node_is_asked_more_than_the_installation_asks() -> None:
    """What `packages/test_install.py` types besides the lines it pastes is found in the pages."""
    asked = asked_of_a_node()
    assert {each.split()[0] for each in asked} == {
        "curl",
        "dpkg",
        "journalctl",
        "sudo",
        "systemctl",
    }


def test_the_programs_of_the_desk_are_found_here() -> None:
    """Nothing passes because its program is missing: bash would end with 127."""
    assert all(shutil.which(each) for each in ("bash", "ps", "git", "curl"))
