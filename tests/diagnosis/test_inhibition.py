"""What follows from what is the same for a diagnosis and for Alertmanager."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

import yaml

from exporter.diagnosis.findings import Certainty, Finding, Severity, Text, explained_by
from tests.support.agreement import JUDGED
from tests.support.rules import ALERTS

_MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"(.*)"')
_RULES = yaml.safe_load((ALERTS / "alertmanager.yml").read_text("utf-8"))["inhibit_rules"]
ENDPOINTS = ("", "cm_server", "cm_server_ha", "cm_agent", "datanode", "dss")


def finding(alert: str, severity: Severity, endpoint: str, node_name: str) -> Finding:
    """Make a finding of which only the labels count."""
    nothing = Text("", "")
    return Finding(
        alert,
        severity,
        Certainty.SEEN,
        nothing,
        nothing,
        nothing,
        "prod",
        node_name,
        endpoint,
    )


def matches(labels: Mapping[str, str], matchers: Iterable[str]) -> bool:
    """Match as Alertmanager does: expressions are anchored, a missing label is empty."""
    for matcher in matchers:
        found = _MATCHER.fullmatch(matcher)
        assert found, matcher
        name, operator, wanted = found.groups()
        value = labels.get(name, "")
        fits = bool(re.fullmatch(wanted, value)) if "~" in operator else value == wanted
        if fits == operator.startswith("!"):
            return False
    return True


def labels_of(of: Finding) -> dict[str, str]:
    """Return the labels of the alert."""
    return {
        "alertname": of.alert,
        "severity": of.severity.value,
        "cluster": of.cluster,
        "node_name": of.node_name,
        "endpoint": of.endpoint,
    }


def alertmanager_holds_back(source: Finding, target: Finding) -> bool:
    """Apply the shipped rules."""
    sources, targets = labels_of(source), labels_of(target)
    return any(
        matches(sources, rule["source_matchers"])
        and matches(targets, rule["target_matchers"])
        and all(sources[name] == targets[name] for name in rule["equal"])
        for rule in _RULES
    )


def test_a_finding_explains_what_its_alert_holds_back() -> None:
    """For every pair of alerts, endpoints, severities and nodes both say the same."""
    targets = [
        finding(alert, Severity.WARNING, "", node) for alert in JUDGED for node in ("n1", "n2")
    ]
    sources = [
        finding(alert, severity, endpoint, "n1")
        for alert, severity, endpoint in itertools.product(JUDGED, Severity, ENDPOINTS)
    ]
    for source, target in itertools.product(sources, targets):
        held_back = source != target and alertmanager_holds_back(source, target)
        assert bool(explained_by(target, [source])) == held_back, (
            f"alerts/alertmanager.yml {'holds' if held_back else 'does not hold'} back "
            f"{labels_of(target)} for {labels_of(source)}; exporter/diagnosis/findings.py differs"
        )


def test_nothing_follows_from_another_cluster() -> None:
    """Two clusters' findings have nothing to do with each other."""
    source = finding("OpenGaussCMPortConflictAllNodes", Severity.CRITICAL, "cm_server", "")
    target = finding("OpenGaussCMServerDown", Severity.WARNING, "", "n1")
    assert explained_by(target, [source]) == "OpenGaussCMPortConflictAllNodes"
    assert explained_by(target, [replace(source, cluster="test")]) == ""
