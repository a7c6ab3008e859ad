"""What Prometheus makes of pages with the shipped rules, held against what a diagnosis says.

The comparison is promtool's: it evaluates the rules over series made of the pages, writes the
annotations, and fails for any alert that is missing, too many, or says something else. Files for
it are written as JSON, which is YAML, in a tenth of the time.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from exporter.build import ZERO_IS_NONE
from exporter.diagnosis.diagnose import diagnose
from exporter.diagnosis.findings import Finding
from exporter.diagnosis.page import Page, Sample
from tests.support.promtool import INSTALL
from tests.support.rules import CAUSE_FILES, RULE_FILES, rules

NOW = 6000.0
"""The moment at which is judged, in seconds since the epoch; promtool's time begins there."""
WATCHED_ONLY = "watching.rules.yml"
"""Its alerts are about exporters that Prometheus watches for a while; a diagnosis names the same
in what it leaves open."""
_ALERTS = [rule for rule in rules() if rule.is_alert]
CAUSES = frozenset(rule.name for rule in _ALERTS if rule.file.name in CAUSE_FILES)
JUDGED = tuple(dict.fromkeys(rule.name for rule in _ALERTS if rule.file.name != WATCHED_ONLY))
"""Every alert about a cluster, which a diagnosis finds as well."""
_MEMBER = "opengauss_cluster_member"
_HOSTS = {"1": "host-1.example", "2": "-x; reboot"}
"""What a static config calls the nodes; the second is no name of a host."""
_LINKS = ("runbook_url", "runbook_url_zh", "dashboard_url")
_LABELS = ("cluster", "node_name", "endpoint", "instance_id", "port")


@dataclass(frozen=True)
class World:
    """The pages of one cluster's nodes; its name is the target label ``cluster``."""

    name: str
    cluster: str
    pages: Sequence[Page]

    def without_zeros(self) -> World:
        """Return the same world scraped with ``zeros=omit``."""
        pages = [replace(page, samples=_true_of(page)) for page in self.pages]
        return replace(self, pages=pages)

    def without_cm(self) -> World:
        """Return the same world with no part of CM among its members, and hosts of other names."""
        pages = [
            replace(page, samples={**page.samples, _MEMBER: tuple(_databases(page))})
            for page in self.pages
        ]
        return replace(self, name=f"{self.name} without CM", pages=pages)


def _databases(page: Page) -> Iterable[Sample]:
    for sample in page.all(_MEMBER):
        if sample.labels["component"] == "datanode":
            host = _HOSTS.get(sample.labels["node_id"], "")
            yield sample._replace(labels={**sample.labels, "node_name": host})


def _true_of(page: Page) -> Mapping[str, tuple[Sample, ...]]:
    return {
        name: tuple(each for each in samples if each.value or name not in ZERO_IS_NONE)
        for name, samples in page.samples.items()
    }


def disagreement(worlds: Iterable[World], directory: Path) -> str:
    """Return what promtool finds different from the diagnoses, empty when they agree."""
    file = directory / "agreement.test.yml"
    document = {
        "rule_files": [str(_of_one_moment(path, directory)) for path in RULE_FILES],
        "group_eval_order": list(dict.fromkeys(rule.group for rule in rules())),
        "evaluation_interval": f"{NOW:.0f}s",
        "tests": [_case(world) for world in worlds],
    }
    file.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    words = ["promtool", "test", "rules", str(file)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    except FileNotFoundError:
        raise AssertionError(INSTALL) from None
    return done.stdout + done.stderr if done.returncode else ""


def _of_one_moment(path: Path, directory: Path) -> Path:
    """Write the rules without what a diagnosis does not have: links, and memory of the past."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    for group in document["groups"]:
        for rule in group["rules"]:
            rule.pop("keep_firing_for", None)
            for link in _LINKS:
                rule.get("annotations", {}).pop(link, None)
    copy = directory / path.name
    copy.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return copy


def _case(world: World) -> Mapping[str, Any]:
    diagnosis = diagnose(world.pages, [], NOW)
    checks = [
        {
            "eval_time": f"{NOW:.0f}s",
            "alertname": alert,
            "exp_alerts": [_alert(each) for each in diagnosis.findings if each.alert == alert],
        }
        for alert in JUDGED
    ]
    series = [line for page in world.pages for line in _series(page, world.cluster)]
    return {
        "name": world.name,
        "interval": "5m",
        "input_series": series,
        "alert_rule_test": checks,
    }


def _series(page: Page, cluster: str) -> Iterable[Mapping[str, str]]:
    target = {"job": "opengauss-cm", "instance": page.origin}
    if cluster:
        target["cluster"] = cluster
    for samples in page.samples.values():
        for sample in samples:
            labels = {**sample.labels, **target}
            text = ",".join(f"{name}={_quoted(value)}" for name, value in labels.items())
            yield {"series": f"{sample.name}{{{text}}}", "values": f"{sample.value!r}x20"}


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _alert(finding: Finding) -> Mapping[str, Any]:
    labels = {name: getattr(finding, name) for name in _LABELS if getattr(finding, name)}
    texts: dict[str, str] = {}
    for name in ("summary", "description", "action"):
        text = getattr(finding, name)
        texts |= {name: text.en, f"{name}_zh": text.zh}
    return {
        "exp_labels": {**labels, "severity": finding.severity.value},
        "exp_annotations": texts,
    }
