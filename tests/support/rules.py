"""The shipped rule files as data, for tests that compare them with everything around them."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ROOT / "alerts"
# The first one records what the others rest on.
RULE_FILES = tuple(
    sorted(ALERTS.glob("*.rules.yml"), key=lambda path: path.name != "ports.rules.yml")
)
CAUSE_FILES = ("ports.rules.yml", "history.rules.yml", "risks.rules.yml")

_SELECTOR = re.compile(r"([a-zA-Z_][a-zA-Z0-9_:]*)\{([^{}]*)\}")
MATCHER = re.compile(r"([a-z_]+)\s*(=~|!~|!=|=)\s*(\"[^\"]*\"|%q|\x60[^\x60]*\x60)")
"""A label, how it is matched, and with what; ``%q`` in templates."""
_NAME = re.compile(r"\b(?:[a-z]+:)?opengauss_[a-z0-9_]+(?::[a-z_]+)?")
_GROUPING = re.compile(r"\b(?:by|on|ignoring|without|group_left|group_right)\s*\(([^()]*)\)")
_TOPK = re.compile(r"\btopk by \([^()]*\)")


class Rule(NamedTuple):
    """One recording or alerting rule with its file."""

    file: Path
    group: str
    name: str
    expr: str
    body: dict[str, Any]
    place: tuple[int, int]
    """The number of its group in the file, and its own in the group."""

    @property
    def is_alert(self) -> bool:
        """Whether the rule alerts rather than records."""
        return "alert" in self.body

    @property
    def annotations(self) -> dict[str, str]:
        """The annotations; empty for a recording rule."""
        found = self.body.get("annotations", {})
        assert isinstance(found, dict)
        return found

    @property
    def texts(self) -> tuple[str, ...]:
        """Everything in which a metric may be named."""
        return (self.expr, *self.annotations.values())


class Matcher(NamedTuple):
    """One matcher of a selector; ``values`` are the alternatives of a regular expression."""

    metric: str
    label: str
    values: tuple[str, ...]


@functools.lru_cache(maxsize=1)
def rules() -> tuple[Rule, ...]:
    """Read every rule of every file, in order."""
    return tuple(rule for path in RULE_FILES for rule in _rules_of(path))


def _rules_of(path: Path) -> Iterator[Rule]:
    for number, group in enumerate(_document(path)["groups"]):
        for place, body in enumerate(group["rules"]):
            name = body.get("alert") or body["record"]
            yield Rule(path, group["name"], name, body["expr"], body, (number, place))


def file_with(rule: Rule, body: Mapping[str, Any]) -> str:
    """Return the text of the rule's file with another body in the rule's place."""
    document = _document(rule.file)
    group, place = rule.place
    document["groups"][group]["rules"][place] = body
    return yaml.safe_dump(document)


def _document(path: Path) -> Any:  # noqa: ANN401 -- YAML's own shape
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def names_in(text: str) -> set[str]:
    """Find the metrics of this project that an expression or a template names."""
    return set(_NAME.findall(text))


def matchers_in(text: str) -> Iterator[Matcher]:
    """Find every matcher with the metric that it selects from; templates' ``%q`` has no values."""
    for metric, inside in _SELECTOR.findall(text):
        for label, operator, quoted in MATCHER.findall(inside):
            value = quoted.strip('"`')
            values = tuple(value.split("|")) if "~" in operator else (value,)
            yield Matcher(metric, label, () if quoted == "%q" else values)


def grouping_labels_in(text: str) -> set[str]:
    """Find every label that an expression groups by or joins on."""
    lists = _GROUPING.findall(text)
    return {word for labels in lists for word in re.split(r"[\s,]+", labels) if word}


def recorded_labels() -> dict[str, set[str]]:
    """Map each recorded metric to its labels.

    They are those that the rule sets itself, those of the outermost aggregation, or those of the
    recorded metric that it begins with; topk chooses rows and leaves them their labels.
    """
    known: dict[str, set[str]] = {}
    for rule in rules():
        if not rule.is_alert:
            first = _NAME.match(rule.expr.strip())
            found = _GROUPING.search(_TOPK.sub("", rule.expr))
            own = rule.body.get("labels", {})
            assert isinstance(own, dict)
            assert first or found or own, f"{rule.name} says by (...) so that its labels are known"
            known[rule.name] = set(own)
            if first:
                known[rule.name] |= known[first[0]]
            elif found:
                known[rule.name] |= {word for word in re.split(r"[\s,]+", found[1]) if word}
    return known
