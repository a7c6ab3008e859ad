"""Play scenarios end to end: labs, exporters, one Prometheus, one Alertmanager, one webhook.

Scenarios play side by side, each a cluster of its own under its own name; they mostly wait. As a
program it plays all of them and prints a table: scenario, what was expected, what was seen.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import OK
from pathlib import Path

from tests.lab import expectations
from tests.lab.cluster import Lab
from tests.lab.fleet import Fleet
from tests.lab.runner import Runner
from tests.lab.scenario import Expectation, Phase, Scenario, load_all
from tests.support.monitoring import Monitoring, Pace, Target
from tests.support.programs import http_get

SEEN_SECONDS = 60.0  # for a page or an answer to be as expected
ALERT_SECONDS = 180.0  # for alerts: the longest `for` is 1 m, and a busy machine is slow
QUIET_SECONDS = 22.0  # longer than the `for` of every cause: what would fire has fired
SYMPTOM_SECONDS = 75.0  # longer than that of every symptom, and than keep_firing_for
SIDE_BY_SIDE = 6
PACE = Pace("2s", "2s", "5s", "2s")  # a page waits as shipped, so that nodes come together
_TOLD = {"active": "true", "inhibited": "false", "silenced": "false"}


@dataclass
class Outcome:
    """What became of one scenario: `problems` by phase, and what nobody has made yet."""

    scenario: Scenario
    problems: dict[str, list[str]] = field(default_factory=dict)
    pending: set[str] = field(default_factory=set)

    @property
    def told(self) -> list[str]:
        """All problems as lines."""
        return [f"{phase}: {text}" for phase, found in self.problems.items() for text in found]


class Stage:
    """What all scenarios share: the monitoring, and the list of what is scraped."""

    def __init__(self, monitoring: Monitoring) -> None:
        self._monitoring = monitoring
        self._targets: dict[str, Sequence[Target]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def watching(self, scenario: Scenario, fleet: Fleet) -> Iterator[None]:
        """Let a cluster's exporters be scraped; those in namespaces are out of reach."""
        if scenario.where == "any":
            self._set(scenario.name, fleet.targets(scenario.name))
        try:
            yield
        finally:
            self._set(scenario.name, ())

    def alerts(self, cluster: str) -> list[Mapping[str, str]]:
        """Return the labels of a cluster's alerts that people are told of: not the inhibited."""
        wanted = urllib.parse.urlencode({"filter": f'cluster="{cluster}"', **_TOLD})
        url = f"{self._monitoring.alertmanager.url}/api/v2/alerts?{wanted}"
        status, body = http_get(url)
        if status != OK:
            raise RuntimeError(f"{url}: {status} {body.decode()}")
        return [alert["labels"] for alert in json.loads(body)]

    def arrived(self, cluster: str) -> set[str]:
        """Return the names of a cluster's alerts that the webhook has received."""
        received = self._monitoring.webhook.received()
        return {name for n in received if n.cluster == cluster for name in n.names()}

    def _set(self, cluster: str, targets: Sequence[Target]) -> None:
        with self._lock:
            self._targets[cluster] = targets
            self._monitoring.set_targets([t for some in self._targets.values() for t in some])


@dataclass(frozen=True)
class Play:
    """One scenario on stage; `quiet` seconds nothing else must happen after each phase.

    A quiet that is shorter than the symptoms need leaves the symptoms out altogether.
    """

    scenario: Scenario
    runner: Runner
    fleet: Fleet
    stage: Stage
    quiet: float

    def phase(self, phase: Phase) -> list[str]:
        """Do a phase's steps; return what is not as expected behind it."""
        for step in phase.steps:
            self.runner.do(step)
        found = _until_none(lambda: self._pages(phase.expect), SEEN_SECONDS)
        if phase.expect.alerts is None:
            return found
        found += _until_none(lambda: self._alerts(phase.expect), ALERT_SECONDS)
        deadline = time.monotonic() + self.quiet
        while not found and time.monotonic() < deadline:
            time.sleep(0.5)
            found = self._alerts(phase.expect)
        return found or _until_none(lambda: self._pages(phase.expect), SEEN_SECONDS)

    def _pages(self, expect: Expectation) -> list[str]:
        return expectations.problems(expect, self.runner, self.fleet)

    def _alerts(self, expect: Expectation) -> list[str]:
        cluster = self.scenario.name
        known = expectations.alert_names(prompt=self.quiet < SYMPTOM_SECONDS)
        found = expectations.alert_problems(expect, self.stage.alerts(cluster), known)
        names = {alert["alertname"] for alert in expect.alerts or ()} & known
        absent = names - self.stage.arrived(cluster)
        return found + [f"has not arrived: {name}" for name in sorted(absent)]


def play(scenario: Scenario, stage: Stage, quiet: float) -> Outcome:
    """Play one scenario; what ended it too early is a problem like others."""
    outcome = Outcome(scenario, pending=expectations.not_there_yet(scenario))
    where = "loopback" if scenario.where == "any" else scenario.where
    lab = Lab(scenario.nodes, scenario.style, where)
    try:
        lab.prepare()
        if scenario.started:
            lab.start()
            lab.await_query(1, "cluster_state   : Normal", 60)
        fleet = Fleet(lab, outside=scenario.outside)
        with fleet, stage.watching(scenario, fleet):
            on_stage = Play(scenario, Runner(lab), fleet, stage, quiet)
            for phase in scenario.phases:
                outcome.problems[phase.name] = on_stage.phase(phase)
    except Exception as error:  # noqa: BLE001  # whatever it was belongs into the table
        outcome.problems["ended"] = [f"{type(error).__name__}: {error}"]
    finally:
        lab.stop()
    return outcome


def _until_none(look: Callable[[], list[str]], seconds: float) -> list[str]:
    """Look until there is no problem; return what is left when the time is over."""
    deadline = time.monotonic() + seconds
    while (found := look()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


@contextmanager
def playing(
    scenarios: Sequence[Scenario], directory: Path, quiet: float
) -> Iterator[dict[str, Future[Outcome]]]:
    """Play scenarios side by side below a directory; yields their outcomes to come."""
    with Monitoring(directory, pace=PACE) as monitoring, ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        stage = Stage(monitoring)
        yield {s.name: pool.submit(play, s, stage, quiet) for s in scenarios}


def to_play() -> list[Scenario]:
    """Return the scenarios that can be played; without root those in namespaces cannot."""
    root = os.geteuid() == 0
    shown = [scenario for scenario in load_all().values() if scenario.not_shown is None]
    return [scenario for scenario in shown if root or scenario.where == "any"]


def row(outcome: Outcome) -> str:
    """Return one scenario as lines of the table."""
    seen = "as expected" if not outcome.told else "\n    ".join(("NOT AS EXPECTED", *outcome.told))
    wanted = "; ".join(_wanted(phase) for phase in outcome.scenario.phases)
    pending = f" (not made yet: {', '.join(sorted(outcome.pending))})" if outcome.pending else ""
    return f"{outcome.scenario.name}\n  expected: {wanted}{pending}\n  seen: {seen}\n"


def _wanted(phase: Phase) -> str:
    conflicts = [
        f"{endpoint} on node {node}: {reason}"
        for node, endpoints in (phase.expect.conflicts or {}).items()
        for endpoint, reason in endpoints.items()
    ]
    alerts = [
        f"{a['alertname']} {a.get('node_name', '')}".strip() for a in phase.expect.alerts or ()
    ]
    return f"{phase.name} → {', '.join(conflicts + alerts) or 'nothing'}"


def main() -> int:
    """Play all, print the table; 1 when anything was not as expected."""
    directory = Path(tempfile.mkdtemp(prefix="ogcm-e2e-"))
    wrong = 0
    try:
        scenarios = to_play()
        with playing(scenarios, directory / "monitoring", SYMPTOM_SECONDS) as futures:
            for future in futures.values():
                sys.stdout.write(row(future.result()))
                sys.stdout.flush()
                wrong += bool(future.result().told)
        for scenario in load_all().values():
            reason = "needs root" if scenario.not_shown is None else scenario.not_shown
            if scenario not in scenarios:
                sys.stdout.write(f"{scenario.name}\n  not shown: {reason}\n")
    finally:
        shutil.rmtree(directory)
    sys.stdout.write(f"{len(scenarios)} scenarios, {wrong} not as expected\n")
    return 1 if wrong else os.EX_OK


if __name__ == "__main__":
    sys.exit(main())
