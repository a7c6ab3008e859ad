"""The dashboards' queries against Prometheus' parser, the catalogue and the recording rules."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from exporter.build import CATALOGUE
from exporter.cluster import metrics as cluster
from exporter.ports import metrics as ports
from exporter.scrape.base import Metric
from grafana.src import recorded, words
from tests.grafana.test_house_rules import EVERY_QUERY, METRICS, SELECTOR
from tests.support.dashboards import ROOT, Query, dashboards, interpolated, queries
from tests.support.rules import grouping_labels_in, matchers_in, names_in, recorded_labels

RECORDED = recorded_labels()
TARGET_LABELS = {"cluster", "job", "instance"}
OF_PROMETHEUS = {"ALERTS", "up"}


def test_prometheus_parses_every_query(tmp_path: Path) -> None:
    """Promtool reads each query with the variables' values in it."""
    rules = [
        {"record": f"query{number}", "expr": query.asked} for number, query in enumerate(queries())
    ]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout


def test_prometheus_refuses_a_query_that_is_broken(tmp_path: Path) -> None:
    """The check is one that can fail."""
    path = tmp_path / "queries.yml"
    rules = [{"record": "query", "expr": "sum by (("}]
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", str(path)], check=False)
    assert done.returncode == 1


@pytest.mark.parametrize("query", EVERY_QUERY)
def test_a_query_uses_only_metrics_that_exist(query: Query) -> None:
    """Every metric is in the catalogue, recorded by a rule, or Prometheus' own."""
    known = set(METRICS) | set(RECORDED) | OF_PROMETHEUS
    assert {name for name, _ in SELECTOR.findall(query.expr)} | names_in(query.expr) <= known


def test_what_is_kept_in_a_remote_store_is_all_that_is_asked_for() -> None:
    """The filter that the documents give for remote write keeps each metric of each query."""
    text = (ROOT / "docs/scaling.md").read_text(encoding="utf-8")
    (kept,) = re.findall(r'regex: "([^"]+)", action: keep', text)
    asked = {name for query in queries() for name, _ in SELECTOR.findall(query.expr)}
    assert asked
    assert [name for name in sorted(asked) if not re.fullmatch(kept, name)] == []


@pytest.mark.parametrize("query", EVERY_QUERY)
def test_a_query_matches_only_labels_and_values_that_exist(query: Query) -> None:
    """Each matcher names a label of its metric, and of a closed set only words that are in it."""
    for matcher in matchers_in(query.expr):
        metric = METRICS.get(matcher.metric)
        if metric is None:
            assert matcher.label in RECORDED.get(matcher.metric, {matcher.label}), matcher
            continue
        assert matcher.label in {*metric.labels, *TARGET_LABELS}, matcher
        allowed = metric.values.get(matcher.label)
        assert allowed is None or set(matcher.values) <= set(allowed), matcher


@pytest.mark.parametrize("query", EVERY_QUERY)
def test_a_query_groups_only_by_labels_that_exist(query: Query) -> None:
    """Every label in by, on and group_left is a metric's, the target's, or made in the query."""
    known = {label for metric in CATALOGUE for label in metric.labels} | TARGET_LABELS
    known |= set(recorded.ALERTS.labels) | set(re.findall(r'"(\w+)"', query.expr))
    assert grouping_labels_in(query.expr) <= known


def test_what_is_recorded_is_what_the_rules_record() -> None:
    """The names and labels of recorded metrics are those of the rule files."""
    listed = [each for each in vars(recorded).values() if isinstance(each, recorded.Recorded)]
    by_rules = [each for each in listed if each.name not in OF_PROMETHEUS]
    assert len(listed) == len(by_rules) + len(OF_PROMETHEUS)
    for each in by_rules:
        assert set(each.labels) == RECORDED[each.name], each.name


@pytest.mark.parametrize("uid", sorted(dashboards()))
def test_variables_ask_for_what_exists(uid: str) -> None:
    """Each variable lists the values of a label that its metric has."""
    for variable in dashboards()[uid]["templating"]["list"][1:]:
        found = re.fullmatch(r"label_values\((\w+)\{.*\}, (\w+)\)", variable["query"])
        assert found, variable["query"]
        assert found[2] in {*METRICS[found[1]].labels, *TARGET_LABELS}
        interpolated(variable["query"])


def test_signatures_that_are_asked_for_are_shipped() -> None:
    """Every signature that a query names is one of the exporter's own."""
    shipped = yaml.safe_load((ROOT / "exporter/data/signatures.yml").read_text("utf-8"))
    known = {signature["id"] for signature in shipped}
    asked = {
        name
        for query in queries()
        for matcher in matchers_in(query.expr)
        if matcher.label == "signature"
        for name in matcher.values
    }
    assert asked
    assert asked <= known


def test_each_step_fits_one_line() -> None:
    """In a window 1,100 wide its column has room for as many letters; a second line is cut."""
    assert max(len(word.text) for word in words.ACTIONS.values()) <= 47


@pytest.mark.parametrize(
    ("told", "metric", "label"),
    [
        (words.CLUSTER_STATES, cluster.CLUSTER_STATE, "state"),
        (words.VIEWED_CM_SERVER, cluster.SERVER_STATE, "state"),
        (words.DATANODE_ROLES, cluster.DATANODE_ROLE, "role"),
        (words.DATANODE_STATES, cluster.DATANODE_STATE, "state"),
        (words.RESOURCE_STATES, cluster.RESOURCE_STATE, "state"),
        (words.OUTCOMES, cluster.QUERY_OUTCOME, "outcome"),
        (words.ATTRIBUTION, ports.PORT_ATTRIBUTION, "level"),
        ({**words.AGENT_SEES, "unchecked": ""}, ports.PORT_CONFLICT, "reason"),
        (words.REASONS, ports.PORT_CONFLICT, "reason"),
        ({**words.RELATION_CODES, "own": ""}, ports.PORT_HOLDER_PID, "relation"),
    ],
    ids=lambda each: getattr(each, "name", None),
)
def test_there_is_a_word_for_every_value(
    told: dict[str, object], metric: Metric, label: str
) -> None:
    """A value that a metric may have is never shown as a bare code, or lost."""
    assert set(told) - {"unchecked", "without_cm"} == set(metric.values[label])
