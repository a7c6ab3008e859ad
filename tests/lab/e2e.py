"""Play scenarios end to end: labs, exporters, one Prometheus, one Alertmanager, one webhook.

Scenarios play side by side, each a cluster of its own under its own name; they mostly wait. As a
program it plays all of them and prints a table: scenario, what was expected, what was seen.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab import diagnosing, expectations
from tests.lab.cluster import Lab
from tests.lab.fleet import Fleet
from tests.lab.runner import Runner
from tests.lab.scenario import Expectation, Phase, Scenario, load_all
from tests.lab.stage import Page, Stage
from tests.support.monitoring import Monitoring, Pace

SEEN_SECONDS = 120.0  # for a page or an answer to be as expected
ALERT_SECONDS = 180.0  # for alerts: the longest `for` is 1 m, and a busy machine is slow
QUIET_SECONDS = 22.0  # longer than the `for` of every cause: what would fire has fired
SYMPTOM_SECONDS = 75.0  # longer than that of every symptom, and than keep_firing_for
PAGE_SECONDS = 40.0  # from a conflict to its page, as an operator would have it configured
SIDE_BY_SIDE = 6
# A page waits as shipped, so that nodes come together; what changes is told at once.
QUICK = Pace("2s", "2s", "5s", "2s")
AS_ADVISED = Pace("5s", "5s", "5s", "2s")
SCRAPE_SECONDS = 5.0  # of AS_ADVISED


@dataclass
class Outcome:
    """What became of one scenario: `problems` by phase, and what nobody has made yet.

    `paged` is the longest time that can have gone by from the conflict to its page, in seconds.
    """

    scenario: Scenario
    problems: dict[str, list[str]] = field(default_factory=dict)
    pending: set[str] = field(default_factory=set)
    pages: Sequence[Page] = ()
    paged: float | None = None
    diagnosed: Mapping[str, str] = field(default_factory=dict)

    @property
    def told(self) -> list[str]:
        """All problems as lines."""
        return [f"{phase}: {text}" for phase, found in self.problems.items() for text in found]

    def look_back(self, stage: Stage) -> None:
        """Add what only the whole run tells: which causes fired ever, and how often it paged."""
        name = self.scenario.name
        self.pages = stage.pages(name)
        since = stage.conflict_since(name)
        if self.pages and since is not None:
            self.paged = self.pages[0].at - since + SCRAPE_SECONDS
        found = expectations.cause_problems(self.scenario, stage.fired(name))
        found += expectations.page_problems(self.scenario, [page.alerts for page in self.pages])
        self.problems["whole run"] = found


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
    diagnosed: dict[str, str] = field(default_factory=dict)

    def phase(self, phase: Phase) -> list[str]:
        """Do a phase's steps; return what is not as expected behind it."""
        for step in phase.steps:
            self.runner.do(step)
        return self._seen(phase) + _until_none(lambda: self._diagnosed(phase), SEEN_SECONDS)

    def _seen(self, phase: Phase) -> list[str]:
        """Wait for the pages and the alerts that are expected, and see that they stay."""
        found = _until_none(lambda: self._pages(phase.expect), SEEN_SECONDS)
        if phase.expect.alerts is None:
            return found
        found += _until_none(lambda: self._alerts(phase.expect), ALERT_SECONDS)
        deadline = time.monotonic() + self._quiet()
        while not found and time.monotonic() < deadline:
            time.sleep(0.5)
            found = self._alerts(phase.expect)
        return found or _until_none(lambda: self._pages(phase.expect), SEEN_SECONDS)

    def beside(self, other: Future[Outcome]) -> list[str]:
        """Stay until that scenario has ended; return why that proved nothing, if so."""
        paged = other.result().pages
        names = {alert["alertname"] for page in paged for alert in page.alerts}
        met = [n for n in names if self.stage.together(self.scenario.name, n, self.scenario.beside)]
        return [] if met else [f"was not on stage while {self.scenario.beside} paged"]

    def _quiet(self) -> float:
        whole = self.quiet >= SYMPTOM_SECONDS
        return max(self.quiet, self.scenario.quiet) if whole else self.quiet

    def _diagnosed(self, phase: Phase) -> list[str]:
        """Hold what `diagnose` says of the same moment against the alerts that are expected."""
        pages, found = diagnosing.look(phase.expect, self.runner, self.fleet)
        if not found:
            root = self.runner.lab.plan.root
            diagnosing.record(self.scenario.name, phase.name, pages, root)
        self.diagnosed[phase.name] = diagnosing.in_short(pages)
        return [f"diagnose: {problem}" for problem in found]

    def _pages(self, expect: Expectation) -> list[str]:
        return expectations.problems(expect, self.runner, self.fleet)

    def _alerts(self, expect: Expectation) -> list[str]:
        cluster = self.scenario.name
        known = expectations.alert_names(prompt=self.quiet < SYMPTOM_SECONDS)
        found = expectations.alert_problems(expect, self.stage.alerts(cluster), known)
        names = {alert["alertname"] for alert in expect.alerts or ()} & known
        absent = names - self.stage.arrived(cluster)
        return found + [f"has not arrived: {name}" for name in sorted(absent)]


def play(
    scenario: Scenario, stage: Stage, quiet: float, other: Future[Outcome] | None = None
) -> Outcome:
    """Play one scenario; what ended it too early is a problem like others."""
    outcome = Outcome(scenario, pending=expectations.not_there_yet(scenario))
    where = "loopback" if scenario.where == "any" else scenario.where
    lab = Lab(scenario.nodes, scenario.style, where, variant=scenario.variant)
    try:
        lab.prepare()
        if scenario.started:
            lab.start()
            lab.await_query(1, "cluster_state   : Normal", SEEN_SECONDS)
        fleet = Fleet(lab, outside=scenario.outside)
        with fleet, stage.watching(scenario.name, fleet):
            on_stage = Play(scenario, Runner(lab), fleet, stage, quiet)
            outcome.diagnosed = on_stage.diagnosed
            for phase in scenario.phases:
                outcome.problems[phase.name] = on_stage.phase(phase)
            if other is not None:
                outcome.problems["beside"] = on_stage.beside(other)
            outcome.look_back(stage)
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
    scenarios: Sequence[Scenario], directory: Path, quiet: float, pace: Pace = QUICK
) -> Iterator[dict[str, Future[Outcome]]]:
    """Play scenarios side by side below a directory; yields their outcomes to come."""
    with Monitoring(directory, pace=pace) as monitoring, ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        stage = Stage(monitoring)
        futures: dict[str, Future[Outcome]] = {}
        for scenario in _in_order(scenarios):
            other = futures.get(scenario.beside)
            futures[scenario.name] = pool.submit(play, scenario, stage, quiet, other)
        yield futures


def _in_order(scenarios: Sequence[Scenario]) -> list[Scenario]:
    """Put those first that must meet, what is waited for before who waits, then the longest."""
    partners = {scenario.beside for scenario in scenarios}

    def place(scenario: Scenario) -> tuple[bool, bool, float]:
        alone = scenario.name not in partners and not scenario.beside
        return alone, bool(scenario.beside), -scenario.quiet

    return sorted(scenarios, key=place)


def to_play(names: Sequence[str] = ()) -> list[Scenario]:
    """Return the scenarios that can be played; without root those in namespaces cannot."""
    root = os.geteuid() == 0
    known = load_all()
    shown = [s for s in known.values() if s.not_shown is None and (not names or s.name in names)]
    return [scenario for scenario in shown if root or scenario.where == "any"]


def row(outcome: Outcome) -> str:
    """Return one scenario as lines of the table."""
    seen = "as expected" if not outcome.told else "\n    ".join(("NOT AS EXPECTED", *outcome.told))
    wanted = "; ".join(_wanted(phase) for phase in outcome.scenario.phases)
    pending = f" (not made yet: {', '.join(sorted(outcome.pending))})" if outcome.pending else ""
    paged = f"\n  pages: {len(outcome.pages)}" if outcome.pages else ""
    if outcome.paged is not None:
        paged += f", the first at most {outcome.paged:.0f} s behind the conflict"
        paged += f"; load {os.getloadavg()[0]:.0f} on {os.cpu_count()} processors"
    name = outcome.scenario.name
    said = "; ".join(f"{phase} → {found}" for phase, found in outcome.diagnosed.items())
    return f"{name}\n  expected: {wanted}{pending}\n  seen: {seen}{paged}\n  diagnose: {said}\n"


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


def _play_all(scenarios: Sequence[Scenario], directory: Path) -> int:
    """Play and print; return how many were not as expected, or paged late."""
    wrong = 0
    with playing(scenarios, directory, SYMPTOM_SECONDS, AS_ADVISED) as futures:
        for future in as_completed(futures.values()):
            outcome = future.result()
            if outcome.paged is not None and outcome.paged > PAGE_SECONDS:
                outcome.problems["late"] = [f"paged {outcome.paged:.0f} s behind the conflict"]
            sys.stdout.write(row(outcome))
            sys.stdout.flush()
            wrong += bool(outcome.told)
    return wrong


def main(names: Sequence[str]) -> int:
    """Play those named, all without any; print the table; 1 when one was not as expected."""
    scenarios = to_play(names)
    directory = Path(tempfile.mkdtemp(prefix="ogcm-e2e-"))
    try:
        wrong = _play_all(scenarios, directory / "monitoring")
    finally:
        shutil.rmtree(directory)
    for scenario in [] if names else load_all().values():
        reason = "needs root" if scenario.not_shown is None else scenario.not_shown
        if scenario not in scenarios:
            sys.stdout.write(f"{scenario.name}\n  not shown: {reason}\n")
    sys.stdout.write(f"{len(scenarios)} scenarios, {wrong} not as expected\n")
    return 1 if wrong else os.EX_OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
