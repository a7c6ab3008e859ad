"""The pages in the READMEs say what the rules say today."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.support.rules import ROOT, rules

TESTS = sorted((ROOT / "tests/alerts").glob("*.test.yml"))
WHAT_TO_DO = {"What to do:", "处理方法："}


def masked(line: str) -> str:
    """Replace everything that differs from one conflict to another."""
    line = re.sub(r'"[^"]*"', "QUOTED", line)
    line = re.sub(r"(Cluster |集群 )\w+", r"\1CLUSTER", line)
    line = re.sub(r"\b(?:ogdb|node)\d+", "NODE", line)
    line = re.sub(r"\w{3} \w{3} [ \d]\d [\d:]{8} \d{4}", "TIME", line)
    return re.sub(r"\d+", "N", line)


def expected_lines() -> set[str]:
    """Collect every masked line of every annotation that the rule tests expect."""
    cases = (case for path in TESTS for case in yaml.safe_load(path.read_text("utf-8"))["tests"])
    checks = (check for case in cases for check in case.get("alert_rule_test", ()))
    alerts = (alert for check in checks for alert in check.get("exp_alerts") or ())
    texts = (text for alert in alerts for text in alert["exp_annotations"].values())
    return {masked(line) for text in texts for line in text.splitlines()}


@pytest.mark.parametrize(
    ("readme", "summary"), [("README.md", "summary"), ("README.zh-CN.md", "summary_zh")]
)
def test_the_pages_in_the_readme_are_those_of_the_rules(readme: str, summary: str) -> None:
    """Each of the three pages has the words that the rules give such a conflict now."""
    text = Path(ROOT, readme).read_text("utf-8")
    pages = re.findall(r"^```text\n(OpenGauss.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(pages) == 3
    known = expected_lines()
    heads = {f"{rule.name}: {rule.annotations[summary]}" for rule in rules() if rule.is_alert}
    for page in pages:
        head, *lines = page.splitlines()
        assert head in heads
        assert {masked(line) for line in lines} - WHAT_TO_DO <= known
