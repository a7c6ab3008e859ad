"""What a scenario says must be true, held against pages, answers and alerts.

- `query`: by node, `exit` and `says` (patterns) of `cm_ctl query -Cvipdw`
- `conflicts`: by node, the reason of every endpoint in conflict; there are no others, on any node
- `conflict_ports`: by node, the same by the name of the port (`runner.PORTS`), whose endpoint it is
  left open; there are no others on that node
- `blocked`: the same for the next start; only the endpoints that are named are looked at
- `holders`: `node`, `endpoint`, `relation`, and `who`, the label of an occupier or a program's name
- `metrics`: `node`, `name`, `labels`, `value` of one series, or `above`, less than its value
- `alerts`: label sets of the alerts that fire; there are no others
- `advice`: patterns that what is told of them `says`, and those that it `never` does
Over the whole run no other cause may have fired, be it for an instant, and whoever is paged is
paged once for each phase that has something new.
A metric or an alert that nobody has made yet is not looked for but told: see `not_there_yet`.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import yaml

from exporter.build import CATALOGUE
from tests.lab.fleet import Fleet, Sample
from tests.lab.runner import Runner
from tests.lab.scenario import Expectation, Scenario
from tests.lab.stage import PAGED_ABOUT
from tests.support.rules import CAUSE_FILES, RULE_FILES, Rule, rules

_OF_ALL = "AllNodes"


@lru_cache(maxsize=2)  # asked several times a second, and YAML takes half a second
def alert_names(*, prompt: bool = False) -> frozenset[str]:
    """Return the names of all alerts in the shipped rules, or of those that come in seconds."""
    names = set[str]()
    for file in RULE_FILES:
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]:
            alerts = (rule for rule in group["rules"] if "alert" in rule)
            names |= {a["alert"] for a in alerts if not prompt or a.get("for", "0s")[-1] == "s"}
    return frozenset(names)


def not_there_yet(scenario: Scenario) -> set[str]:
    """Return the alerts and metrics that a scenario expects and nobody has made yet."""
    expects = [phase.expect for phase in scenario.phases]
    alerts = {a["alertname"] for expect in expects for a in expect.alerts or ()}
    metrics = {metric["name"] for expect in expects for metric in expect.metrics}
    made = {metric.name for metric in CATALOGUE}
    return (alerts - alert_names()) | (metrics - made)


def problems(expect: Expectation, runner: Runner, fleet: Fleet) -> list[str]:
    """Return what is not as expected, alerts left out; empty when all is well."""
    pages = {node.node_id: fleet.page(node.node_id) for node in runner.lab.plan.nodes}
    found = list(_query_problems(expect, runner))
    if expect.conflicts is not None:
        found += _conflict_problems(expect.conflicts, pages)
    found += _port_problems(expect.conflict_ports, pages, runner)
    found += _blocked_problems(expect.blocked, pages)
    found += _holder_problems(expect.holders, pages, runner)
    return found + list(_metric_problems(expect.metrics, pages))


def _query_problems(expect: Expectation, runner: Runner) -> Iterator[str]:
    for node, wanted in expect.query.items():
        done = runner.lab.private_query(node)
        if done.returncode != wanted.get("exit", 0):
            yield f"query on node {node} exits {done.returncode}"
        for pattern in wanted.get("says", ()):
            if not re.search(pattern, done.stdout, re.MULTILINE):
                yield f"query on node {node} does not say {pattern!r}:\n{done.stdout}"


def reasons(page: Sequence[Sample], name: str, by: str = "endpoint") -> dict[str, str]:
    """Return endpoint -> reason of the series of a metric that are 1; `by` is another label."""
    return {
        sample.labels[by]: sample.labels["reason"]
        for sample in page
        if sample.name == name and sample.value == 1
    }


def _conflict_problems(
    wanted: Mapping[int, Mapping[str, str]], pages: Mapping[int, Sequence[Sample]]
) -> Iterator[str]:
    for node, page in pages.items():
        seen = reasons(page, "opengauss_port_conflict")
        if seen != dict(wanted.get(node, {})):
            yield f"node {node}: conflicts {seen}, not {dict(wanted.get(node, {}))}"


def _port_problems(
    wanted: Mapping[int, Mapping[str, str]], pages: Mapping[int, Sequence[Sample]], runner: Runner
) -> Iterator[str]:
    for node, ports in wanted.items():
        due = {str(runner.port(node, name)): reason for name, reason in ports.items()}
        seen = reasons(pages[node], "opengauss_port_conflict", by="port")
        if seen != due:
            yield f"node {node}: conflicts by port {seen}, not {due}"


def _blocked_problems(
    wanted: Mapping[int, Mapping[str, str]], pages: Mapping[int, Sequence[Sample]]
) -> Iterator[str]:
    for node, endpoints in wanted.items():
        seen = reasons(pages[node], "opengauss_port_next_start_blocked")
        for endpoint, reason in endpoints.items():
            if seen.get(endpoint) != reason:
                yield f"node {node}: next start of {endpoint}: {seen.get(endpoint)}, not {reason}"


def _holder_problems(
    wanted: Sequence[Mapping[str, Any]], pages: Mapping[int, Sequence[Sample]], runner: Runner
) -> Iterator[str]:
    for holder in wanted:
        labels = {key: holder[key] for key in ("endpoint", "relation")}
        occupier = runner.occupiers.get(holder["who"])
        name = holder["who"] if occupier is None else occupier.name
        rows = [
            sample
            for sample in pages[holder["node"]]
            if sample.name == "opengauss_port_holder_pid"
            and labels.items() <= sample.labels.items()
            and sample.labels["process"] == name
        ]
        if not rows:
            yield f"node {holder['node']}: no holder {name} with {labels}"
        elif occupier is not None and rows[0].value != occupier.pid:
            yield f"node {holder['node']}: {name} has pid {rows[0].value}, not {occupier.pid}"


def _metric_problems(
    wanted: Sequence[Mapping[str, Any]], pages: Mapping[int, Sequence[Sample]]
) -> Iterator[str]:
    made = {metric.name for metric in CATALOGUE}
    for metric in (metric for metric in wanted if metric["name"] in made):
        labels = {key: str(value) for key, value in metric.get("labels", {}).items()}
        values = [
            sample.value
            for sample in pages[metric["node"]]
            if sample.name == metric["name"] and labels.items() <= sample.labels.items()
        ]
        low = metric.get("above")
        if not any(v > low if low is not None else v == metric["value"] for v in values):
            yield f"node {metric['node']}: {metric['name']} {labels} is {values}"


def alert_problems(
    expect: Expectation, firing: Sequence[Mapping[str, str]], known: Container[str]
) -> list[str]:
    """Return which alerts are missing and which are too many, among those that are looked at."""
    if expect.alerts is None:
        return []
    firing = [alert for alert in firing if alert["alertname"] in known]
    wanted = [dict(alert) for alert in expect.alerts if alert["alertname"] in known]
    missing = [alert for alert in wanted if not any(_fits(alert, seen) for seen in firing)]
    extra = [dict(seen) for seen in firing if not any(_fits(alert, seen) for alert in wanted)]
    if not {alert["alertname"] for alert in expect.alerts} <= alert_names():
        extra = []  # what is not made yet may be what keeps these silent
    told = [f"does not fire: {alert}" for alert in missing]
    return told + [f"fires, too: {alert}" for alert in extra]


def _fits(wanted: Mapping[str, Any], seen: Mapping[str, str]) -> bool:
    return {key: str(value) for key, value in wanted.items()}.items() <= seen.items()


def cause_names() -> set[str]:
    """Return the names of the alerts that name a cause, by the files in which they stand."""
    return {rule.name for rule in rules() if rule.is_alert and rule.file.name in CAUSE_FILES}


def cause_problems(scenario: Scenario, fired: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the causes that fired at any time and that no phase expects.

    An alert about all nodes holds back those of the nodes, which fire all the same.
    """
    wanted = [dict(alert) for phase in scenario.phases for alert in phase.expect.alerts or ()]
    names = [alert["alertname"] for alert in wanted if alert["alertname"].endswith(_OF_ALL)]
    wanted += [{"alertname": name.removesuffix(_OF_ALL)} for name in names]
    causes = [alert for alert in fired if alert["alertname"] in cause_names()]
    extra = [alert for alert in causes if not any(_fits(each, alert) for each in wanted)]
    return [f"fired: {dict(alert)}" for alert in extra]


def page_problems(scenario: Scenario, pages: Sequence[Sequence[Mapping[str, str]]]) -> list[str]:
    """Return what is wrong with how often it paged: once for each phase with something new."""
    critical = {rule.name for rule in rules() if rule.is_alert and _is_critical(rule)}
    known: list[Mapping[str, Any]] = []
    due = 0
    for phase in scenario.phases:
        alerts = [a for a in phase.expect.alerts or () if a["alertname"] in critical]
        due += any(alert not in known for alert in alerts)
        known += alerts
    if len(pages) == due:
        return []
    told = [[{word: a.get(word) for word in PAGED_ABOUT} for a in alerts] for alerts in pages]
    return [f"{len(pages)} pages, not {due}: {told}"]


def _is_critical(rule: Rule) -> bool:
    labels = rule.body["labels"]
    return isinstance(labels, dict) and labels["severity"] == "critical"
