"""Writes the queries: selectors out of the metric catalogue, and the few shapes that recur.

A query never names a metric by hand: a metric that is renamed breaks the generation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from grafana.src import recorded

TARGET_LABELS = ("cluster", "job", "instance")
ON_TARGET = f"on ({', '.join(TARGET_LABELS)})"
PORT = ("cluster", "node_name", "endpoint", "instance_id", "port")

# Which variable of a dashboard narrows which label.
VARIABLE_OF = {
    "cluster": "cluster",
    "job": "job",
    "instance": "instance",
    "node_name": "node",
    "endpoint": "endpoint",
}


class Source(Protocol):
    """What can be selected: an entry of the metric catalogue, or of the recorded ones."""

    @property
    def name(self) -> str:
        """The name in Prometheus."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, but for those of the target."""


@dataclass(frozen=True)
class Scope:
    """The variables that a dashboard has; they narrow every selector that has their labels."""

    variables: tuple[str, ...] = ("cluster", "job", "instance", "node")

    def select(self, source: Source, extra: str = "") -> str:
        """Select a metric within the dashboard's variables; ``extra`` are more matchers.

        A recorded metric and ``ALERTS`` name all of their labels, others have the target's, too.
        """
        labels = source.labels
        if not isinstance(source, recorded.Recorded):
            labels = (*TARGET_LABELS, *labels)
        matchers = [
            f'{label}=~"${VARIABLE_OF[label]}{_or_absent(source, label)}"'
            for label in VARIABLE_OF
            if label in labels and VARIABLE_OF[label] in self.variables
        ]
        return f"{source.name}{{{', '.join([*matchers, *([extra] if extra else [])])}}}"

    def on_node(self, expression: str) -> str:
        """Give rows of a target the name of its node, and keep those of the chosen nodes alone."""
        info = self.select(recorded.NODE_INFO)
        return f"({expression}) * {ON_TARGET} group_left (node_id, node_name) {info}"


def _or_absent(source: Source, label: str) -> str:
    """Let through an alert that is about all nodes, and so has no label for one."""
    return "|" if source is recorded.ALERTS and label in {"node_name", "endpoint"} else ""


def first_of(expressions: Iterable[str]) -> str:
    """Join rows; of rows with equal labels the first expression's stay."""
    return "\nor\n".join(f"({expression})" for expression in expressions)


def group_by(labels: Iterable[str], expression: str) -> str:
    """Make one row with the value 1 for each combination of labels."""
    return f"group by ({', '.join(labels)}) ({expression})"


def labelled(expression: str, label: str, value: str) -> str:
    """Put a label with a fixed value on every row."""
    return f'label_replace({expression}, "{label}", "{value}", "", "")'


def copied(expression: str, label: str, template: str, source: str, pattern: str) -> str:
    """Make a label out of another, where the pattern matches the whole of it."""
    return f'label_replace({expression}, "{label}", "{template}", "{source}", "{pattern}")'


def or_none(expression: str, label: str, value: int = 0) -> str:
    """Say `none` in a label where there is no row at all, so that no panel is ever empty."""
    return f"({expression})\nor on ()\n{labelled(f'vector({value})', label, 'none')}"


def or_zero(expression: str) -> str:
    """Say 0 where there is no row at all."""
    return f"({expression}) or on () vector(0)"


def coded(codes: Mapping[int, str]) -> str:
    """Give the rows of each expression its code; the first expression that has a row wins."""
    return first_of(f"{expression} * {code}" for code, expression in codes.items())
