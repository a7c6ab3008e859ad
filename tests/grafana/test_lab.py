"""Every panel over the simulated cluster: what it says while all is well, and in what it is for.

One cluster plays all phases: a conflict about the CM port of node2, the same when it has passed,
a listener that would stop the next start on node1, a pause, node2 without exporter, and at last no
exporter at all. What the lab cannot bring about is on the made page of a third node.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import yaml

from tests.grafana import troubled
from tests.lab.cluster import Lab
from tests.lab.fleet import Fleet
from tests.lab.runner import Runner
from tests.support.dashboards import DEFAULTS, every_panel, read
from tests.support.monitoring import Monitoring, Pace
from tests.support.pages import Pages
from tests.support.rules import RULE_FILES

pytestmark = pytest.mark.e2e

SHOWN = yaml.safe_load((Path(__file__).parent / "shown.yml").read_text(encoding="utf-8"))
WITHIN = 90.0
PACE = Pace("2s", "1s")  # a scrape may take as long as the interval: a busy machine is slow
CLUSTER = DEFAULTS["cluster"]
PANELS = {(uid, panel["title"]): panel for uid, panel in every_panel()}
STAGES = (
    ("healthy",),
    ("conflict", "troubled"),
    ("passed",),
    ("risk", "paused"),
    ("unanswered", "unwatched"),
    ("dark",),
)
"""The phases in their order; those that do not get in each other's way are there at once."""
UNLABELLED = ("healthy", "conflict")
ASK_OFTEN = "cm_query: {interval: 2s}\n"
CASES = [
    (phase, uid, title, pattern)
    for uid, titles in SHOWN.items()
    for title, phases in titles.items()
    for phase, pattern in phases.items()
]
Texts = dict[tuple[str, str, str], str]


@dataclass(frozen=True)
class Look:
    """One Prometheus, the value of the variable `cluster` in it, and what the panels said there."""

    monitoring: Monitoring
    cluster: str
    phases: Collection[str]
    texts: Texts = field(default_factory=dict)

    def watch(self, stage: Collection[str]) -> None:
        """Read the panels until they say what they should in each phase of the stage."""
        wanted = [case for case in CASES if case[0] in stage and case[0] in self.phases]

        def all_say() -> bool:
            wanted[:] = [case for case in wanted if not self._says(*case)]
            return not wanted

        with contextlib.suppress(TimeoutError):  # what was not seen is what the tests then tell
            self.monitoring.wait_until(all_say, WITHIN)

    def _says(self, phase: str, uid: str, title: str, pattern: str) -> bool:
        text = read(PANELS[uid, title], self.monitoring.query, cluster=self.cluster)
        self.texts[phase, uid, title] = text
        return said(pattern, text, self.cluster)


def said(pattern: str, text: str, cluster: str) -> bool:
    """Tell whether a panel says that; a cluster without the label has a name of its own."""
    named = pattern if cluster else pattern.replace(CLUSTER, re.escape("(no label)"))
    return re.search(named, text, re.MULTILINE) is not None


class Play:
    """The cluster and its exporters, taken through the phases before the eyes of Prometheus."""

    def __init__(self, lab: Lab, fleet: Fleet, monitoring: Monitoring, pages: Pages) -> None:
        self._runner = Runner(lab)
        self._fleet = fleet
        self._monitoring = monitoring
        self._pages = pages

    def bring_about(self, stage: Iterable[str]) -> None:
        """Bring the phases of a stage about, one after the other."""
        for phase in stage:
            getattr(self, f"_{phase}")()

    def _healthy(self) -> None:
        """Leave the cluster alone."""

    def _conflict(self) -> None:
        self._runner.step_fault(2, "cm_server_dies")
        self._runner.step_kill(2, "cm_server")
        self._runner.step_occupy(2, "cm")
        self._runner.step_clear(2, "cm_server_dies")

    def _passed(self) -> None:
        self._runner.step_fault(2, "cm_server_dies")
        self._runner.step_release("all")

    def _risk(self) -> None:
        self._runner.step_occupy(1, "cm", how="loopback_only")

    def _paused(self) -> None:
        self._runner.step_ctl(1, "pause")

    def _troubled(self) -> None:
        """Let counters be seen once before they rise, for a rate needs two values."""
        self._pages.show("node3", troubled.page(0, time.time()))
        third = self._pages.target("node3", {"cluster": CLUSTER})
        self._monitoring.set_targets([*self._fleet.targets(CLUSTER), third])
        first = 'process_cpu_seconds_total{instance="node3:19836"}'
        self._monitoring.wait_until(lambda: self._monitoring.query(first), WITHIN)
        self._pages.show("node3", troubled.page(1000, time.time()))

    def _unanswered(self) -> None:
        self._pages.show("node3", troubled.unanswered())

    def _unwatched(self) -> None:
        os.kill(self._fleet.pid(2), signal.SIGTERM)

    def _dark(self) -> None:
        self._pages.show("node3", "")
        os.kill(self._fleet.pid(1), signal.SIGTERM)


def _prompt_rules(directory: Path) -> list[Path]:
    """Copy the rules so that causes fire at once; how long they wait is tested elsewhere."""
    copies = []
    for path in RULE_FILES:
        copies.append(directory / path.name)
        copies[-1].write_text(path.read_text("utf-8").replace("for: 15s", "for: 0s"), "utf-8")
    return copies


@pytest.fixture(scope="module")
def looks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Texts]]:
    """What the panels said in each phase, with the label `cluster` and without it."""
    directory = tmp_path_factory.mktemp("dashboards")
    rules = _prompt_rules(directory)
    with Lab(2) as lab, Fleet(lab, settings=ASK_OFTEN) as fleet, Pages() as pages:
        labelled = fleet.targets(CLUSTER)
        bare = [replace(target, labels={}) for target in labelled]
        with (
            Monitoring(directory / "labelled", labelled, pace=PACE, rule_files=rules) as one,
            Monitoring(directory / "bare", bare, pace=PACE, rule_files=rules) as other,
        ):
            every = [phase for stage in STAGES for phase in stage]
            found = Look(one, CLUSTER, every), Look(other, "", UNLABELLED)
            play = Play(lab, fleet, one, pages)
            for stage in STAGES:
                play.bring_about(stage)
                for look in found:
                    look.watch(stage)
            yield {look.cluster: look.texts for look in found}


@pytest.fixture
def texts(looks: Mapping[str, Texts]) -> Texts:
    """What the panels said of the cluster that has the label."""
    return looks[CLUSTER]


@pytest.mark.parametrize(("phase", "uid", "title", "pattern"), CASES)
def test_a_panel_shows_what_it_is_made_for(
    texts: Texts, phase: str, uid: str, title: str, pattern: str
) -> None:
    """In each phase that concerns it, the panel says so in words or numbers."""
    assert said(pattern, texts[phase, uid, title], CLUSTER), texts[phase, uid, title]


@pytest.mark.parametrize(
    ("phase", "uid", "title", "pattern"), [case for case in CASES if case[0] in UNLABELLED]
)
def test_a_panel_needs_no_label_for_the_cluster(
    looks: Mapping[str, Texts], phase: str, uid: str, title: str, pattern: str
) -> None:
    """Where no target has the label `cluster`, the panel shows health and conflict just so."""
    text = looks[""][phase, uid, title]
    assert said(pattern, text, ""), text


@pytest.mark.parametrize(("uid", "title"), PANELS)
def test_a_panel_tells_trouble_from_health(texts: Texts, uid: str, title: str) -> None:
    """No panel is empty while all is well, and none shows a trouble then that is not there."""
    healthy = texts["healthy", uid, title]
    troubles = {phase: text for phase, text in SHOWN[uid][title].items() if phase != "healthy"}
    assert healthy
    assert troubles
    for pattern in troubles.values():
        assert not re.search(pattern, healthy, re.MULTILINE)
