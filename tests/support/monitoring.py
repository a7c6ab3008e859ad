"""A real Prometheus with the shipped rules, a real Alertmanager with the shipped routes, a webhook.

``with Monitoring(directory, pace=FAST) as monitoring`` starts all three on free loopback ports
with data directories of their own below ``directory``, and ends what it started.
"""

from __future__ import annotations

import json
import shutil
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional, TypeVar, final

import yaml

from tests.support.programs import Program, find_program, http_get
from tests.support.rules import ALERTS, RULE_FILES
from tests.support.webhook import Notification, WebhookReceiver

JOB = "opengauss-cm"
BETWEEN_LOOKS = 0.1

T = TypeVar("T")


@dataclass(frozen=True)
class Pace:
    """How often is scraped and evaluated, and how long a page waits for its companions.

    ``group_wait`` and ``group_interval`` replace those of every route; None leaves them as shipped.
    """

    scrape: str
    evaluate: str
    group_wait: Optional[str] = None
    group_interval: Optional[str] = None


FAST = Pace("1s", "1s", "1s", "2s")
"""For tests of what arrives."""
DESIGNED = Pace("5s", "5s")
"""For measuring when it arrives."""


@dataclass(frozen=True)
class Target:
    """One exporter to scrape; ``labels`` are target labels, ``path`` its metrics page."""

    address: str
    labels: Mapping[str, str] = field(default_factory=dict)
    path: str = "/metrics"

    def file_sd(self) -> dict[str, Any]:
        """Return the target's group as Prometheus reads it from a file."""
        return {"targets": [self.address], "labels": {**self.labels, "__metrics_path__": self.path}}


@final
class Alerting:
    """A real Alertmanager with the shipped routes, templates and inhibitions.

    Every receiver is led to ``webhook``; the path says which one it was.
    """

    def __init__(self, directory: Path, webhook: WebhookReceiver, pace: Pace) -> None:
        self._directory = directory
        self._webhook = webhook
        self._pace = pace

    def __enter__(self) -> Alerting:
        program = find_program(
            "prometheus-alertmanager", "alertmanager", package="prometheus-alertmanager"
        )
        shutil.copytree(ALERTS / "templates", self._directory / "templates")
        config = self._directory / "alertmanager.yml"
        config.write_text(yaml.safe_dump(self._config()))
        data = self._directory / "alertmanager"
        self.program = Program(
            lambda port: [
                program,
                f"--config.file={config}",
                f"--storage.path={data}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
                "--log.level=warn",
            ],
            "/-/ready",
            self._directory / "alertmanager.log",
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.program.stop()

    def _config(self) -> dict[str, Any]:
        """Return the shipped configuration with every receiver led to the webhook."""
        config: dict[str, Any] = yaml.safe_load((ALERTS / "alertmanager.yml").read_text())
        del config["global"]
        config["receivers"] = [
            {
                "name": receiver["name"],
                "webhook_configs": [
                    {"url": self._webhook.url(receiver["name"]), "send_resolved": True}
                ],
            }
            for receiver in config["receivers"]
        ]
        for route in (config["route"], *config["route"]["routes"]):
            if self._pace.group_wait:
                route["group_wait"] = self._pace.group_wait
            if self._pace.group_interval:
                route["group_interval"] = self._pace.group_interval
        return config


@final
class Monitoring:
    """Prometheus, Alertmanager and a webhook receiver that stands for every receiver.

    ``programs`` is the directory of another Prometheus than that on PATH.
    """

    def __init__(
        self,
        directory: Path,
        targets: Sequence[Target] = (),
        *,
        pace: Pace = FAST,
        rule_files: Sequence[Path] = RULE_FILES,
        programs: Optional[Path] = None,
    ) -> None:
        self._directory = directory
        self._programs = programs
        self._pace = pace
        self._rule_files = rule_files
        self._stack = ExitStack()
        self.webhook = WebhookReceiver()
        directory.mkdir(parents=True, exist_ok=True)
        self.set_targets(targets)

    def __enter__(self) -> Monitoring:
        with ExitStack() as starting:
            starting.enter_context(self.webhook)
            alerting = Alerting(self._directory, self.webhook, self._pace)
            self.alertmanager = starting.enter_context(alerting).program
            self.prometheus = self._start_prometheus()
            starting.callback(self.prometheus.stop)
            self._stack = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def set_targets(self, targets: Sequence[Target]) -> None:
        """Replace the targets; Prometheus sees the new file within a second or so."""
        new = self._directory / "targets.new"
        new.write_text(json.dumps([target.file_sd() for target in targets]))
        new.replace(self._directory / "targets.json")

    def query(self, expression: str, timeout: float = 5.0) -> list[dict[str, Any]]:
        """Return the samples of an instant query; raises OSError without an answer in time."""
        asked = urllib.parse.urlencode({"query": expression})
        result: list[dict[str, Any]] = self._get(f"/api/v1/query?{asked}", timeout)["result"]
        return result

    def version(self) -> str:
        """Return Prometheus' version."""
        version: str = self._get("/api/v1/status/buildinfo")["version"]
        return version

    def alerts(self) -> list[dict[str, Any]]:
        """Return Prometheus' pending and firing alerts."""
        found: list[dict[str, Any]] = self._get("/api/v1/alerts")["alerts"]
        return found

    def firing(self) -> list[str]:
        """Return the sorted names of the alerts that fire."""
        firing = [alert for alert in self.alerts() if alert["state"] == "firing"]
        return sorted(alert["labels"]["alertname"] for alert in firing)

    def wait_for_notification(
        self, wanted: Callable[[Notification], bool], within: float = 60.0
    ) -> Notification:
        """Wait for a notification of this kind; raises TimeoutError with what came instead."""
        return self.webhook.wait_for(wanted, within)

    def wait_until(self, look: Callable[[], T], within: float = 30.0) -> T:
        """Look until there is something to see, and return it; raises TimeoutError."""
        deadline = time.monotonic() + within
        while True:
            seen = look()
            if seen:
                return seen
            if time.monotonic() > deadline:
                raise TimeoutError(f"not seen within {within} s; firing: {self.firing()}")
            time.sleep(BETWEEN_LOOKS)  # the pace of looking; the deadline is what is waited for

    def _get(self, path: str, timeout: float = 5.0) -> Any:  # noqa: ANN401 -- the API's own shape
        status, body = http_get(self.prometheus.url + path, timeout)
        if status != 200:
            raise RuntimeError(f"{path}: {status} {body.decode()}")
        return json.loads(body)["data"]

    def _start_prometheus(self) -> Program:
        program = find_program("prometheus", package="prometheus", directory=self._programs)
        config = self._directory / "prometheus.yml"
        config.write_text(yaml.safe_dump(self._prometheus_config()))
        data = self._directory / "prometheus"
        return Program(
            lambda port: [
                program,
                f"--config.file={config}",
                f"--storage.tsdb.path={data}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=warn",
            ],
            "/-/ready",
            self._directory / "prometheus.log",
        )

    def _prometheus_config(self) -> dict[str, Any]:
        pace = self._pace
        return {
            "global": {"scrape_interval": pace.scrape, "evaluation_interval": pace.evaluate},
            "rule_files": [str(path) for path in self._rule_files],
            "alerting": {
                "alertmanagers": [
                    {"static_configs": [{"targets": [f"127.0.0.1:{self.alertmanager.port}"]}]}
                ]
            },
            "scrape_configs": [
                {
                    "job_name": JOB,
                    "scrape_timeout": pace.scrape,
                    "file_sd_configs": [{"files": [str(self._directory / "targets.json")]}],
                }
            ],
        }
