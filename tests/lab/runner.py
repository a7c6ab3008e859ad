"""Do the steps of a scenario to a lab.

Ports have names (`cm`, `db_ha`, …; see `PORTS`) or are numbers.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.lab.cluster import Lab, LabTimeoutError, await_
from tests.lab.occupiers import Occupier
from tests.lab.scenario import Step
from tests.lab.standins import procs

PORTS: Mapping[str, Callable[[Lab, int], int]] = {
    "cm": lambda lab, node: lab.node(node).cm_port,
    "cm_ha": lambda lab, node: lab.node(node).cm_port + 1,
    "cm_agent": lambda lab, _: lab.plan.heartbeat_port,
    "db": lambda lab, node: lab.node(node).db_port,
    "db_ha": lambda lab, node: lab.node(node).db_port + 1,
    "db_repl": lambda lab, node: lab.node(node).db_port + lab.plan.localport,
    "db_next": lambda lab, node: lab.node(node).db_port + 30,  # what nobody else has
    "db_heartbeat": lambda lab, node: lab.node(node).db_port + 5,
    "dss": lambda lab, node: lab.node(node).db_port + 10,
    "dms": lambda lab, node: lab.node(node).db_port + 20,
}


@dataclass
class Runner:
    """A lab, the occupiers by their labels, and what cm_ctl answered to (node, command line)."""

    lab: Lab
    occupiers: dict[str, Occupier] = field(default_factory=dict)
    answers: dict[tuple[int, str], list[tuple[int, str]]] = field(default_factory=dict)

    def do(self, step: Step) -> None:
        """Do one step; raise AttributeError for an action that there is not."""
        getattr(self, f"step_{step.action}")(**step.arguments)

    def port(self, node: int, port: str | int) -> int:
        """Return the number behind a port's name."""
        return PORTS[port](self.lab, node) if isinstance(port, str) else port

    def step_occupy(
        self,
        node: int,
        port: str | int,
        label: str = "stranger",
        **how: Any,  # noqa: ANN401  # as occupy
    ) -> None:
        """Let a stranger take a port."""
        self.occupiers[label] = self.lab.occupy(node, self.port(node, port), **how)

    def step_release(self, it: str) -> None:
        """Let the stranger of that label go, or `all`."""
        labels = list(self.occupiers) if it == "all" else [it]
        for label in labels:
            self.lab.release(self.occupiers.pop(label))

    def step_start(self, it: int | str) -> None:
        """Start a node, or `all`: om_monitor, or without CM the database."""
        for node in self.lab.plan.nodes:
            if it in {"all", node.node_id}:
                self.lab.start_node(node.node_id)

    def step_ctl(
        self, node: int, run: str, exit_code: int = 0, says: str = "", timeout: float = 120
    ) -> None:
        """Run a cm_ctl command; its exit code and a text of its output are given."""
        done = self.lab.cm_ctl(node, *run.split(), timeout=timeout)
        self.answers.setdefault((node, run), []).append((done.returncode, done.stdout))
        if done.returncode != exit_code or says not in done.stdout:
            raise AssertionError(f"cm_ctl {run}: {done.returncode}\n{done.stdout}{done.stderr}")

    def step_queries(self, flags: Sequence[str], exit_code: int = 0) -> None:
        """Run queries on every node."""
        for node in self.lab.plan.nodes:
            for letters in flags:
                self.step_ctl(node.node_id, f"query {letters}", exit_code)

    def step_kill(self, node: int, program: str, sig: str = "SIGKILL") -> None:
        """Signal every process of a node's program and wait until it is gone."""
        pids = self.lab.pids(node, program)
        procs.stop(pids, signal.Signals[sig])
        if sig == "SIGKILL":
            self.lab.reap()
            procs.await_end(pids, 5)

    def step_fault(self, node: int, name: str, text: str = "") -> None:
        """Switch a fault of the stand-ins on."""
        self.lab.fault(node, name, text)

    def step_clear(self, node: int, name: str) -> None:
        """Switch it off."""
        self.lab.fault(node, name, None)

    def step_cut(self, it: int) -> None:
        """Cut a node's network."""
        self.lab.place.cut(it)

    def step_join(self, it: int) -> None:
        """Join it again."""
        self.lab.place.join(it)

    def step_address_gone(self, it: int) -> None:
        """Take a node's address off its interface, and what remembers it out of the way."""
        self.lab.place.forget_address(it)

    def step_address_back(self, it: int) -> None:
        """Put it back."""
        self.lab.place.restore_address(it)

    def step_set_postgresql(self, node: int, name: str, value: str | int) -> None:
        """Change a node's postgresql.conf, where a value may be a port's name; nothing is told."""
        value = self.port(node, value) if value in PORTS else value
        self.lab.set_postgresql(node, name, value)

    def step_await_query(self, node: int, text: str, seconds: float = 40) -> None:
        """Wait until a pattern is found in what a node's query prints."""
        wanted = re.compile(text, re.MULTILINE)
        last = ""

        def printed() -> bool:
            nonlocal last
            last = self.lab.query(node)
            return wanted.search(last) is not None

        await_(printed, seconds, lambda: f"no {text!r} in:\n{last}")

    def step_await_log(
        self, node: int, program: str, pattern: str, count: int = 1, seconds: float = 40
    ) -> None:
        """Wait until a pattern stands so often in a node's log of a program."""
        wanted = self._pattern(node, pattern)
        await_(
            lambda: len(wanted.findall(self.lab.log_text(node, program))) >= count,
            seconds,
            lambda: f"no {wanted.pattern!r} in:\n{self.lab.log_text(node, program)[-3000:]}",
        )

    def step_await_system_call(
        self, node: int, pattern: str, count: int = 1, seconds: float = 40
    ) -> None:
        """Wait until a pattern stands so often in what a node's started programs have printed."""
        wanted = self._pattern(node, pattern)
        log = self.lab.node(node).system_call_log

        def printed() -> str:
            return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""

        await_(
            lambda: len(wanted.findall(printed())) >= count,
            seconds,
            lambda: f"no {wanted.pattern!r} in:\n{printed()[-3000:]}",
        )

    def _pattern(self, node: int, pattern: str) -> re.Pattern[str]:
        places = {name: str(number(self.lab, node)) for name, number in PORTS.items()}
        return re.compile(pattern.format(**places))

    def step_await_process(
        self,
        node: int,
        program: str,
        *,
        running: bool = True,
        seconds: float = 40,
    ) -> None:
        """Wait until a node's program runs, or does not."""
        await_(
            lambda: bool(self.lab.pids(node, program)) == running,
            seconds,
            lambda: f"{program} on node {node}: {self.lab.pids(node, program)}",
        )


__all__ = ["PORTS", "LabTimeoutError", "Runner"]
