"""What the rules and dashboards ask does not depend on zeros that a scrape may leave out."""

from __future__ import annotations

import re

import pytest

from exporter.build import ZERO_IS_NONE
from tests.support.dashboards import queries
from tests.support.rules import rules

ASKED = {
    **{f"{query.uid} {query.title} {query.ref}": query.expr for query in queries()},
    **{f"{rule.name} {number}": rule.expr for number, rule in enumerate(rules())},
}
_NAME = rf"(?<!:)\b(?:{'|'.join(sorted(ZERO_IS_NONE))})\b(?!:)"
_SELECTOR = rf"{_NAME}(?:\{{[^{{}}]*\}}|(?!\s*\{{))"
_ONLY_WHAT_IS_TRUE = r"(?: \* 1000)?\s*(?:== 1\b|> 0\b|> time\(\))"
SELECTED = re.compile(_SELECTOR)
WITH_ZEROS = re.compile(rf"{_SELECTOR}(?!{_ONLY_WHAT_IS_TRUE})")


@pytest.mark.parametrize("name", ASKED)
def test_a_zero_that_may_be_missing_is_never_asked_for(name: str) -> None:
    """Each selector of such a metric stands in a comparison that a zero would fail."""
    assert not WITH_ZEROS.findall(ASKED[name])


@pytest.mark.parametrize(
    "expr",
    [
        "sum(opengauss_port_conflict)",
        'opengauss_port_conflict{reason="leftover"} == 0',
        "opengauss_port_conflict == 10",
        "opengauss_log_port_report_timestamp_seconds >= 0",
    ],
)
def test_a_zero_that_is_asked_for_is_noticed(expr: str) -> None:
    """The check knows a selector whose zeros count."""
    assert WITH_ZEROS.findall(expr)


def test_there_are_selectors_to_check() -> None:
    """The rules select such metrics, and what they record of them is none."""
    assert SELECTED.findall(" ".join(rule.expr for rule in rules()))
    assert not SELECTED.findall("node:opengauss_port_conflict:max")
