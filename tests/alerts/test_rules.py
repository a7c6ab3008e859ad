"""The rule files against the tools that load them, and against everything they refer to."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml

from exporter.build import CATALOGUE
from exporter.parts import shipped_signatures
from tests.support.rules import (
    ROOT,
    RULE_FILES,
    Rule,
    grouping_labels_in,
    matchers_in,
    names_in,
    recorded_labels,
    rules,
)

ALERT_RULES = [rule for rule in rules() if rule.is_alert]
RECORDED = recorded_labels()
TEST_FILES = sorted((ROOT / "tests/alerts").glob("*.test.yml"))
CASES = [case for path in TEST_FILES for case in yaml.safe_load(path.read_text())["tests"]]
METRICS = {metric.name: metric for metric in CATALOGUE}
TARGET_LABELS = {"cluster", "job", "instance"}
ALERT_LABELS = {"severity"}
ANNOTATIONS = {
    "summary",
    "summary_zh",
    "description",
    "description_zh",
    "action",
    "action_zh",
    "runbook_url",
    "runbook_url_zh",
    "dashboard_url",
}
ADDRESSES = '{{ with query "alert:opengauss_addresses:info" }}'
DOCS, DASHBOARDS = (
    f'{ADDRESSES}{{{{ . | first | label "{word}" }}}}{{{{ end }}}}'
    for word in ("docs", "dashboards")
)
PAGES = {
    "ports.rules.yml": "opengauss-port-conflicts",
    "history.rules.yml": "opengauss-port-conflicts",
    "risks.rules.yml": "opengauss-port-conflicts",
    "cluster.rules.yml": "opengauss-cluster",
    "watching.rules.yml": "opengauss-exporter",
}
KEYS_OF_2_42 = {
    "record",
    "alert",
    "expr",
    "for",
    "keep_firing_for",  # 2.42 is the first with it
    "labels",
    "annotations",
}
FUNCTIONS_OF_2_42 = {
    *("max", "min", "sum", "count", "topk", "and", "or", "unless", "bool"),
    *("absent", "abs", "changes", "count_over_time", "floor", "label_replace", "min_over_time"),
    *("rate", "resets", "sort", "time", "vector"),
}
_METRIC = re.compile(r"\b[a-zA-Z_:][a-zA-Z0-9_:]*_[a-zA-Z0-9_:]+\b")
HEADINGS = {
    "docs": ["Meaning", "Impact", "Diagnosis", "Mitigation", "How to be sure", "How it ends"],
    "docs/zh": ["含义", "影响", "诊断", "处理", "如何确认", "如何结束"],
}


def by_name(rule: Rule) -> str:
    """Name a rule in a test's id."""
    return rule.name


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a tool in the project's root."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_promtool_finds_nothing_in_the_rules() -> None:
    """Every rule file loads, without a duplicate or any other finding."""
    files = [str(path) for path in RULE_FILES]
    done = run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *files)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.name)
def test_the_rules_do_what_their_tests_say(path: Path) -> None:
    """Every rule test passes: alerts, annotations and silences as written by hand."""
    done = run("promtool", "test", "rules", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", RULE_FILES, ids=lambda path: path.name)
def test_a_rule_file_has_its_test_file_opposite(path: Path) -> None:
    """Each rule file has a test file of its own name."""
    assert ROOT / "tests/alerts" / opposite(path) in TEST_FILES


@pytest.mark.parametrize("rule", ALERT_RULES, ids=by_name)
def test_an_alert_has_all_annotations(rule: Rule) -> None:
    """Every alert says in both languages what is wrong and what to do, and where to read on."""
    assert set(rule.annotations) == ANNOTATIONS
    assert "{{" not in rule.annotations["summary"] + rule.annotations["summary_zh"]
    assert rule.annotations["summary"].endswith(".")
    labels = rule.body["labels"]
    assert isinstance(labels, dict)
    assert set(labels) == ALERT_LABELS
    assert labels["severity"] in {"critical", "warning", "info"}


@pytest.mark.parametrize("rule", ALERT_RULES, ids=by_name)
@pytest.mark.parametrize("language", HEADINGS)
def test_an_alert_has_a_runbook(rule: Rule, language: str) -> None:
    """The runbook's address leads to a heading of the alert's name with all its parts."""
    page = f"{language}/runbooks/{rule.file.name.split('.')[0]}.md"
    key = "runbook_url_zh" if language.endswith("zh") else "runbook_url"
    address = page.replace("docs", DOCS, 1)
    assert rule.annotations[key] == f"{address}#{rule.name.lower()}"
    text = (ROOT / page).read_text(encoding="utf-8")
    section = re.search(rf"^## {rule.name}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section, f"{page} has no heading {rule.name}"
    assert re.findall(r"^### (.+)$", section[1], re.MULTILINE) == HEADINGS[language]


@pytest.mark.parametrize("rule", ALERT_RULES, ids=by_name)
def test_an_alert_leads_to_its_dashboard(rule: Rule) -> None:
    """The link opens the dashboard of the subject, with the values of the alert's own labels."""
    address, _, variables = rule.annotations["dashboard_url"].partition("?")
    assert address == f"{DASHBOARDS}/d/{PAGES[rule.file.name]}"
    told = {"cluster": "cluster", "node": "node_name", "endpoint": "endpoint"}
    grouped = grouping_labels_in(rule.expr) | {"cluster"}
    for variable in variables.split("&"):
        name = re.sub(r"^var-(\w+)=.*", r"\1", variable)
        assert variable == f"var-{name}={{{{ urlquery $labels.{told[name]} }}}}"
        assert told[name] in grouped


@pytest.mark.parametrize("uid", sorted(set(PAGES.values())))
def test_the_dashboard_of_an_alert_is_shipped(uid: str) -> None:
    """Each page that a link opens is there under its uid, with the variables that links fill in."""
    text = (ROOT / f"grafana/dashboards/{uid}.json").read_text(encoding="utf-8")
    dashboard = json.loads(text)
    assert dashboard["uid"] == uid
    has = {variable["name"] for variable in dashboard["templating"]["list"]}
    links = {r.annotations["dashboard_url"] for r in ALERT_RULES if PAGES[r.file.name] == uid}
    assert {name for link in links for name in re.findall(r"var-(\w+)=", link)} <= has


def test_addresses_stand_in_one_place() -> None:
    """Whoever serves pages and dashboards elsewhere changes one file."""
    with_one = [path.name for path in RULE_FILES if "://" in path.read_text(encoding="utf-8")]
    assert with_one == ["addresses.rules.yml"]


@pytest.mark.parametrize("language", HEADINGS)
def test_every_runbook_is_of_an_alert(language: str) -> None:
    """No page keeps the instructions for an alert that is no more."""
    pages = (ROOT / language / "runbooks").glob("*.md")
    headings = {
        heading
        for page in pages
        for heading in re.findall(r"^## (OpenGauss\w+)$", page.read_text("utf-8"), re.MULTILINE)
    }
    alerts = {rule.name for rule in ALERT_RULES}
    assert headings == alerts, f"the headings in {language}/runbooks"


@pytest.mark.parametrize("rule", ALERT_RULES, ids=by_name)
def test_an_alert_is_seen_firing_and_silent_in_its_tests(rule: Rule) -> None:
    """Each alert's tests have a moment at which it fires and one at which it does not."""
    seen = [
        bool(check.get("exp_alerts"))
        for case in CASES
        for check in case.get("alert_rule_test", ())
        if check["alertname"] == rule.name
    ]
    wanted = f"{rule.name} must fire and be silent in tests/alerts/{opposite(rule.file)}"
    assert set(seen) == {True, False}, wanted


@pytest.mark.parametrize("rule", rules(), ids=by_name)
def test_a_rule_uses_only_metrics_that_exist(rule: Rule) -> None:
    """Every metric that a rule or an annotation names is in the catalogue, or recorded."""
    names = {name for text in rule.texts for name in names_in(text)}
    assert names <= set(METRICS) | set(RECORDED)


@pytest.mark.parametrize("rule", rules(), ids=by_name)
def test_a_rule_uses_only_labels_and_values_that_exist(rule: Rule) -> None:
    """Each matcher names a label of its metric, and of a closed set only words that are in it."""
    for matcher in (m for text in rule.texts for m in matchers_in(text)):
        if matcher.metric in RECORDED:
            assert matcher.label in RECORDED[matcher.metric], matcher
        elif matcher.metric in METRICS:
            metric = METRICS[matcher.metric]
            assert matcher.label in {*metric.labels, *TARGET_LABELS}, matcher
            allowed = metric.values.get(matcher.label)
            assert allowed is None or set(matcher.values) <= set(allowed), matcher


def test_signatures_that_are_asked_for_are_shipped() -> None:
    """Every signature that a rule names is one of the exporter's own."""
    shipped = {signature["id"] for signature in yaml.safe_load(shipped_signatures())}
    matchers = (m for rule in rules() for text in rule.texts for m in matchers_in(text))
    asked = {name for m in matchers if m.label == "signature" for name in m.values}
    assert asked
    assert asked <= shipped


@pytest.mark.parametrize("rule", rules(), ids=by_name)
def test_a_rule_groups_only_by_labels_that_exist(rule: Rule) -> None:
    """Every label in by, on and group_left is a label of some metric, or the target's."""
    known = {label for metric in CATALOGUE for label in metric.labels}
    assert grouping_labels_in(rule.expr) <= known | TARGET_LABELS


def opposite(path: Path) -> str:
    """Name the test file that stands opposite a rule file."""
    return path.name.replace(".rules.yml", ".test.yml")


def test_no_alert_name_is_used_for_two_severities_by_accident() -> None:
    """A name stands for one severity, but for those that depend on who stopped the node."""
    severities: dict[str, set[object]] = {}
    for rule in ALERT_RULES:
        labels = rule.body["labels"]
        assert isinstance(labels, dict)
        severities.setdefault(rule.name, set()).add(labels["severity"])
    several = {name for name, found in severities.items() if len(found) > 1}
    assert several == {"OpenGaussPortConflictLeftStopped"}


def test_every_ruler_takes_the_groups() -> None:
    """Groups bear this project's name, and none is larger than Mimir takes by default."""
    sizes = Counter(rule.group for rule in rules())
    assert all(name.startswith("opengauss-cm-") for name in sizes)
    assert max(sizes.values()) <= 20


@pytest.mark.parametrize("path", RULE_FILES, ids=lambda path: path.name)
def test_no_server_is_too_old_for_the_rules(path: Path) -> None:
    """No field, function or modifier is younger than Prometheus 2.42, and none needs a flag."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    for group in document["groups"]:
        assert set(group) == {"name", "rules"}
        for body in group["rules"]:
            assert set(body) <= KEYS_OF_2_42
            assert set(re.findall(r"\b([a-z_0-9]+)\s*\(", _bare(body["expr"]))) <= FUNCTIONS_OF_2_42
            assert not re.search(r"\s@\s|\boffset\s+-", _bare(body["expr"]))


def _bare(expr: str) -> str:
    """Return an expression without its strings and its lists of labels."""
    without = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expr)
    return re.sub(r"\b(by|on|ignoring|without|group_left|group_right)\s*\([^()]*\)", "", without)


def test_what_is_asked_for_does_not_rest_on_one_server() -> None:
    """No rule asks for what a server tells of itself: another one evaluates rules elsewhere."""
    asked = {name for rule in rules() for text in rule.texts for name in _METRIC.findall(text)}
    assert asked
    assert not {name for name in asked if name.startswith(("prometheus_", "thanos_", "cortex_"))}
