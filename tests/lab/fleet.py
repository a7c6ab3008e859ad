"""The exporters of a lab: one a node, as an operator would run them, and what their pages say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, final

from prometheus_client.parser import text_string_to_metric_families

from tests.lab.cluster import Lab, await_
from tests.lab.door import Door
from tests.lab.places import Loopback
from tests.support.monitoring import Target

REPOSITORY = Path(__file__).resolve().parents[2]
READY_SECONDS = 180.0  # on a machine that is very busy


@dataclass(frozen=True)
class Sample:
    """One line of a page."""

    name: str
    labels: Mapping[str, str]
    value: float


@final
class Fleet:
    """The exporters of all nodes; `outside` runs them where nodes are reached, but not in them.

    `settings` are further lines of their configuration.
    """

    def __init__(self, lab: Lab, *, outside: bool = False, settings: str = "") -> None:
        self._lab = lab
        self._outside = outside
        self._settings = settings
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._files: list[IO[bytes]] = []
        self._doors: dict[int, Door] = {}

    def __enter__(self) -> Fleet:
        try:
            for node in self._lab.plan.nodes:
                self.start(node.node_id)
            for node in self._lab.plan.nodes:
                self.await_ready(node.node_id)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, node_id: int) -> None:
        """Start one node's exporter."""
        words = [sys.executable, "-m", "exporter", "--log.format=json"]
        words += [f"--config.file={self._write_config(node_id)}"]
        words += [f"--web.listen-address={self._listen_address(node_id)}"]
        log = self._log_file(node_id).open("wb")
        self._files.append(log)
        self._processes[node_id] = subprocess.Popen(
            [*self._lab.place.prefix(self._home(node_id)), *words],
            cwd=REPOSITORY,
            env=os.environ,
            stdin=subprocess.DEVNULL,
            stderr=log,
        )

    def await_ready(self, node_id: int) -> None:
        """Wait until every collector of that exporter has succeeded once."""
        await_(
            lambda: self._event(node_id, "ready") is not None,
            READY_SECONDS,
            lambda: f"node {node_id} is not ready:\n{self.log(node_id)}",
        )

    def stop(self) -> None:
        """End them all."""
        while self._doors:
            self._doors.popitem()[1].close()
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait(20)
        while self._files:
            self._files.pop().close()
        self._processes.clear()

    def address(self, node_id: int) -> str:
        """Return the address of a node's exporter in the network in which it runs."""
        event = self._event(node_id, "listening")
        assert event is not None, self.log(node_id)
        host = self._listen_address(node_id).rpartition(":")[0]
        return f"{host}:{event['port']}"

    def scraped_address(self, node_id: int) -> str:
        """Return the address at which the host's Prometheus reaches it."""
        if isinstance(self._lab.place, Loopback):
            return self.address(node_id)
        if node_id not in self._doors:
            place, home = self._lab.place, self._home(node_id)
            self._doors[node_id] = Door(lambda: place.inside(home), self.address(node_id))
        return self._doors[node_id].address

    def targets(self, cluster: str) -> list[Target]:
        """Return what Prometheus scrapes, as `targets` would name it."""
        nodes = self._lab.plan.nodes
        labels = {"cluster": cluster}
        return [Target(self.scraped_address(node.node_id), labels) for node in nodes]

    def page(self, node_id: int) -> list[Sample]:
        """Scrape one node."""
        with self._lab.place.inside(self._home(node_id)):
            url = f"http://{self.address(node_id)}/metrics"
            with urllib.request.urlopen(url, timeout=20) as answer:
                text = answer.read().decode()
        families = text_string_to_metric_families(text)
        return [Sample(s.name, s.labels, s.value) for family in families for s in family.samples]

    def log(self, node_id: int) -> str:
        """Return what the exporter logged."""
        return self._log_file(node_id).read_text(encoding="utf-8", errors="replace")

    def pid(self, node_id: int) -> int:
        """Return the pid of a node's exporter."""
        return self._processes[node_id].pid

    def _event(self, node_id: int, message: str) -> Mapping[str, str] | None:
        for line in self.log(node_id).splitlines():
            if line.startswith("{"):
                event: Mapping[str, str] = json.loads(line)
                if event.get("msg") == message:
                    return event
        return None

    def _log_file(self, node_id: int) -> Path:
        return self._lab.root / f"exporter{node_id}.log"

    def _listen_address(self, node_id: int) -> str:
        """Return an address of the node; where it has its own network, that network's loopback."""
        own = isinstance(self._lab.place, Loopback)
        return f"{self._lab.node(node_id).address}:0" if own else "127.0.0.1:0"

    def _home(self, node_id: int) -> int:
        """Return in whose network a node's exporter runs; 0 is the switch between the nodes."""
        return 0 if self._outside else node_id

    def _write_config(self, node_id: int) -> Path:
        path = self._lab.root / f"exporter{node_id}.yml"
        text = exporter_config(self._lab, node_id) + self._settings
        path.write_text(text, encoding="utf-8")
        return path


def exporter_config(lab: Lab, node_id: int) -> str:
    """Return the configuration of a node's exporter: which of this host's clusters it watches."""
    node = lab.node(node_id)
    state = lab.root / f"positions{node_id}.json"
    return (
        "installation:\n"
        f"  user: {lab.account.pw_name}\n"
        f"  env_file: {node.env_file}\n"
        f"  gausshome: {node.gausshome}\n"
        f"logs: {{state_file: {state}}}\n"
    )
