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
from collections.abc import Iterator
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
PHASES = (
    "healthy",
    "conflict",
    "passed",
    "risk",
    "paused",
    "troubled",
    "unanswered",
    "unwatched",
    "dark",
)
CASES = [
    (phase, uid, title, pattern)
    for uid, titles in SHOWN.items()
    for title, phases in titles.items()
    for phase, pattern in phases.items()
]
Texts = dict[tuple[str, str, str], str]


class Play:
    """The cluster, its exporters and a Prometheus, taken through the phases."""

    def __init__(self, lab: Lab, fleet: Fleet, monitoring: Monitoring, pages: Pages) -> None:
        self._runner = Runner(lab)
        self._fleet = fleet
        self._monitoring = monitoring
        self._pages = pages
        self.texts: Texts = {}

    def phase(self, name: str) -> None:
        """Bring a phase about, and read its panels until they say what they should."""
        getattr(self, f"_{name}")()
        wanted = [(uid, title, pattern) for when, uid, title, pattern in CASES if when == name]

        def all_say() -> bool:
            wanted[:] = [case for case in wanted if not self._says(name, *case)]
            return not wanted

        with contextlib.suppress(TimeoutError):  # what was not seen is what the tests then tell
            self._monitoring.wait_until(all_say, WITHIN)

    def _says(self, phase: str, uid: str, title: str, pattern: str) -> bool:
        text = read(PANELS[uid, title], self._monitoring.query)
        self.texts[phase, uid, title] = text
        return re.search(pattern, text, re.MULTILINE) is not None

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
def texts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Texts]:
    """What the panels said in each phase."""
    directory = tmp_path_factory.mktemp("dashboards")
    with Lab(2) as lab, Fleet(lab) as fleet, Pages() as pages:
        rules = _prompt_rules(directory)
        targets = fleet.targets(CLUSTER)
        with Monitoring(
            directory / "monitoring", targets, pace=PACE, rule_files=rules
        ) as monitoring:
            play = Play(lab, fleet, monitoring, pages)
            for phase in PHASES:
                play.phase(phase)
            yield play.texts


@pytest.mark.parametrize(("phase", "uid", "title", "pattern"), CASES)
def test_a_panel_shows_what_it_is_made_for(
    texts: Texts, phase: str, uid: str, title: str, pattern: str
) -> None:
    """In each phase that concerns it, the panel says so in words or numbers."""
    assert re.search(pattern, texts[phase, uid, title], re.MULTILINE), texts[phase, uid, title]


@pytest.mark.parametrize(("uid", "title"), PANELS)
def test_a_panel_tells_trouble_from_health(texts: Texts, uid: str, title: str) -> None:
    """No panel is empty while all is well, and none shows a trouble then that is not there."""
    healthy = texts["healthy", uid, title]
    troubles = {phase: text for phase, text in SHOWN[uid][title].items() if phase != "healthy"}
    assert healthy
    assert troubles
    for pattern in troubles.values():
        assert not re.search(pattern, healthy, re.MULTILINE)
