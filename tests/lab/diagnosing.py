"""What a diagnosis makes of a made cluster, held against what the scenario says of its alerts."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from exporter.commands.diagnose import PAGE_SHAPES
from exporter.diagnosis.diagnose import diagnose, is_conflict
from exporter.diagnosis.findings import Diagnosis
from exporter.diagnosis.page import Page, Sample, parse_page
from tests.lab import expectations
from tests.lab.fleet import Fleet
from tests.lab.runner import Runner
from tests.lab.scenario import Expectation
from tests.support.agreement import CAUSES, JUDGED, NOW, WATCHED_ONLY
from tests.support.pages import series
from tests.support.rules import names_in, rules

RECORDED = Path(__file__).resolve().parents[1] / "golden" / "scenarios"
RECORD = "RECORD_PAGES"
"""The environment's word for writing the pages of each phase anew below ``RECORDED``."""
_PAGE = "# page of "
_KEPT_THOUGH_ZERO = {"opengauss_port_listening"}
_NOBODY_ASKS = {("relation", "own")}


def pages_of(runner: Runner, fleet: Fleet) -> list[Page]:
    """Scrape every node as ``--all-nodes`` would."""
    now = time.time()
    return [
        Page.of(f"node{node.node_id}", now, (Sample(*s) for s in _samples(fleet, node.node_id)))
        for node in runner.lab.plan.nodes
    ]


def _samples(fleet: Fleet, node: int) -> Iterator[tuple[str, Mapping[str, str], float]]:
    return ((s.name, s.labels, s.value) for s in fleet.page(node))


def told(diagnosis: Diagnosis) -> list[Mapping[str, str]]:
    """Return what is told in full, as the labels of alerts; what follows from it is left out."""
    return [
        {
            "alertname": each.alert,
            "node_name": each.node_name,
            "endpoint": each.endpoint,
            "instance_id": each.instance_id,
            "severity": each.severity.value,
        }
        for each in diagnosis.findings
        if not each.explained_by
    ]


def in_short(pages: Sequence[Page]) -> str:
    """Name what a diagnosis of these pages tells in full, with the nodes."""
    found = told(diagnose(pages, [], pages[0].taken_at))
    return ", ".join(f"{a['alertname']} {a['node_name']}".rstrip() for a in found) or "nothing"


def problems(expect: Expectation, diagnosis: Diagnosis) -> list[str]:
    """Return where the diagnosis differs from the alerts that the scenario expects.

    Causes must be those and no others. A symptom is an alert when it has lasted a minute, which
    one look cannot tell: those that are expected must be there, and others may be. Where nothing is
    said of alerts, a conflict must be found only where one is expected.
    """
    advice = list(_advice_problems(expect, diagnosis))
    if expect.alerts is not None:
        wanted = {alert["alertname"] for alert in expect.alerts}
        found = [each for each in told(diagnosis) if each["alertname"] in CAUSES | wanted]
        return expectations.alert_problems(expect, found, set(JUDGED)) + advice
    taken = {f"node{node}" for node, endpoints in (expect.conflicts or {}).items() if endpoints}
    extra = {each.node_name for each in diagnosis.findings if is_conflict(each)} - taken
    return [f"a conflict on {node} that there is not" for node in sorted(extra)] + advice


def _advice_problems(expect: Expectation, diagnosis: Diagnosis) -> Iterator[str]:
    """Hold what is told in full against what must be said, and what must not."""
    findings = [each for each in diagnosis.findings if not each.explained_by]
    text = "\n".join(f"{each.description.en}\n{each.action.en}" for each in findings)
    for pattern in expect.advice.get("says", ()):
        if not re.search(pattern, text, re.MULTILINE):
            yield f"nothing says {pattern!r}:\n{text}"
    for pattern in expect.advice.get("never", ()):
        if re.search(pattern, text, re.MULTILINE):
            yield f"something says {pattern!r}:\n{text}"


def record(scenario: str, phase: str, pages: Sequence[Page], root: str) -> None:
    """Write the pages down where the environment asks for it, as they are compared in the tests.

    Only what the rules about clusters ask for is kept. Times become those of a look at ``NOW``;
    what is 0 is left out where absent means the same.
    """
    if os.environ.get(RECORD):
        RECORDED.mkdir(parents=True, exist_ok=True)
        name = f"{scenario}--{re.sub('[^a-z0-9]+', '_', phase.lower())}.txt"
        text = "".join(f"{_PAGE}{page.origin}\n{''.join(_lines(page, root))}" for page in pages)
        (RECORDED / name).write_text(text, encoding="utf-8")


def _lines(page: Page, root: str) -> Iterator[str]:
    judged = (rule for rule in rules() if rule.file.name != WATCHED_ONLY)
    asked = {name for rule in judged for name in names_in(rule.expr)}
    for name in sorted(page.samples.keys() & asked):
        for sample in page.samples[name]:
            if _NOBODY_ASKS & set(sample.labels.items()):
                continue
            labels = {key: text.replace(root, "/lab") for key, text in sample.labels.items()}
            value = _shifted(name, sample.value, page.taken_at)
            if value or name in _KEPT_THOUGH_ZERO:
                yield series(name, value, **labels)


def _shifted(name: str, value: float, taken_at: float) -> float:
    """Move a time since the epoch to where ``NOW`` is the moment of the look."""
    if name.endswith("_seconds") and value > taken_at / 2:
        return max(1.0, round(NOW + value - taken_at, 3))
    return value


def recorded(path: Path) -> list[Page]:
    """Read pages that were written down."""
    texts = path.read_text(encoding="utf-8").split(_PAGE)[1:]
    pages = (text.partition("\n") for text in texts)
    return [Page.of(node, NOW, parse_page(page, PAGE_SHAPES)) for node, _, page in pages]


def look(expect: Expectation, runner: Runner, fleet: Fleet) -> tuple[list[Page], list[str]]:
    """Scrape and judge once; return the pages, and what is not as expected."""
    pages = pages_of(runner, fleet)
    return pages, problems(expect, diagnose(pages, [], pages[0].taken_at))
