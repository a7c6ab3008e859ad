"""`make demo`: it tells the conflict, ends well, and leaves nothing behind however it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.lab.cluster import await_
from tests.lab.standins import procs

REPOSITORY = Path(__file__).resolve().parents[2]
CONFLICT = 'opengauss_port_conflict{endpoint="cm_server"'
pytestmark = pytest.mark.e2e


@dataclass
class Run:
    """A demonstration; its output grows in `lines`."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    def read(self) -> None:
        """Read what it prints until it ends."""
        assert self.process.stdout is not None
        with self.process.stdout as output:
            self.lines.extend(output)

    @property
    def text(self) -> str:
        """What it has printed so far."""
        return "".join(self.lines)

    def await_text(self, text: str) -> None:
        """Wait until it has printed a text."""
        await_(lambda: text in self.text, 60, lambda: self.text)

    @property
    def root(self) -> Path:
        """The directory that it said its files are below."""
        found = re.search(r"Its files are below (\S+)\.\n", self.text)
        assert found is not None, self.text
        return Path(found.group(1))

    def nothing_is_left(self) -> bool:
        """Whether neither a process nor a file of it exists."""
        return not procs.below(self.root) and not self.root.exists()


def start(**environment: str) -> Run:
    """Start a demonstration without Prometheus on its PATH."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.lab.demo"],
        cwd=REPOSITORY,
        env={**os.environ, "PATH": "/nonexistent", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    run = Run(process)
    threading.Thread(target=run.read, daemon=True).start()
    return run


@pytest.fixture(scope="module")
def runs() -> Iterator[dict[str, Run]]:
    """Three demonstrations side by side: one is left alone, one interrupted, one killed."""
    made = {
        "whole": start(),
        "interrupted": start(KEEP="1"),
        "killed": start(SCENARIO="cm_port_loopback_only", KEEP="1"),
    }
    yield made
    for run in made.values():
        if run.process.poll() is None:
            run.process.terminate()
        run.process.wait(90)


def test_it_names_the_process_that_takes_the_port(runs: dict[str, Run]) -> None:
    """The conflict and its holder stand on the terminal, then that all is well, and it exits 0."""
    run = runs["whole"]
    assert run.process.wait(90) == 0, run.text
    name = re.search(r"stranger: process (\S+), pid (\d+), holds", run.text)
    assert name is not None
    assert CONFLICT in run.text
    assert f'process="{name.group(1)}",relation="foreign"' in run.text
    assert run.text.rindex("no port is in conflict") > run.text.index(CONFLICT)
    assert "is not on PATH" in run.text
    assert run.nothing_is_left()


def test_an_interrupted_one_leaves_nothing_behind(runs: dict[str, Run]) -> None:
    """Ctrl-C ends everything before it exits."""
    run = runs["interrupted"]
    run.await_text("end it with Ctrl-C")
    assert procs.below(run.root)
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(90) == 130
    assert run.nothing_is_left()


def test_a_killed_one_is_tidied_up_by_its_guardian(runs: dict[str, Run]) -> None:
    """After SIGKILL every process ends and every file goes within seconds."""
    run = runs["killed"]
    run.await_text("end it with Ctrl-C")
    root = run.root
    assert 'reason="other_address_listener"' in run.text
    run.process.kill()
    run.process.wait(10)
    await_(run.nothing_is_left, 20, lambda: f"{procs.below(root)} {root.exists()}")


def test_an_unknown_scenario_is_an_error_that_names_the_known_ones() -> None:
    """Nothing is started; the exit code is that of wrong usage."""
    run = start(SCENARIO="no_such_thing")
    assert run.process.wait(90) == 64
    await_(lambda: "cm_port_listener" in run.text, 10, lambda: run.text)
    assert "install_port_occupied" not in run.text
