"""The committed dashboards as data, and what a person would read on their panels.

A reader asks a real Prometheus what each panel asks, and puts the panel's own words in place of
the values. How Grafana draws them is not its business.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DIRECTORY = ROOT / "grafana/dashboards"
Json = Mapping[str, Any]
Ask = Callable[[str], list[dict[str, Any]]]

DEFAULTS = {
    "cluster": "demonstration",
    "job": ".+",
    "instance": ".+",
    "node": ".+",
    "endpoint": ".+",
    "__rate_interval": "1m",
    "__interval": "15s",
    "__range": "1h",
    "__timezone": "UTC",
}


class Query(NamedTuple):
    """One query of a panel or an annotation, as written."""

    uid: str
    title: str
    ref: str
    expr: str

    @property
    def asked(self) -> str:
        """The query with the variables' defaults in place of their names."""
        return interpolated(self.expr)


@functools.lru_cache(maxsize=1)
def dashboards() -> dict[str, Json]:
    """Read every committed dashboard, by the name of its file."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in _files()}


def _files() -> list[Path]:
    found = sorted(DIRECTORY.glob("*.json"))
    assert found, f"no dashboards below {DIRECTORY}"
    return found


def panels(made: Json) -> Iterator[Json]:
    """List the panels that show something; rows are headings only."""
    for panel in made["panels"]:
        if panel["type"] != "row":
            yield panel
        yield from panel.get("panels", ())


def every_panel() -> list[tuple[str, Json]]:
    """List every panel with its dashboard's uid."""
    return [(uid, panel) for uid, made in dashboards().items() for panel in panels(made)]


def queries() -> list[Query]:
    """List every query of every panel and annotation."""
    found = [
        Query(uid, panel["title"], target["refId"], target["expr"])
        for uid, panel in every_panel()
        for target in panel["targets"]
    ]
    marks = [
        Query(uid, mark["name"], "annotation", mark["target"]["expr"])
        for uid, made in dashboards().items()
        for mark in made["annotations"].get("list", ())
    ]
    return found + marks


def interpolated(text: str, **values: str) -> str:
    """Put values in place of `$name`; raises KeyError for a variable that has none."""
    known = {**DEFAULTS, **values}
    return re.sub(r"\$(?:\{(\w+)\}|([a-z_]\w*))", lambda found: known[found[1] or found[2]], text)


def read(panel: Json, ask: Ask, **values: str) -> str:
    """Tell what a panel shows: a line for each value, in order; empty for `No data`."""
    lines = [
        _line(panel, target, sample)
        for target in panel["targets"]
        for sample in ask(interpolated(target["expr"], **values))
    ]
    return "\n".join(sorted(lines))


def _line(panel: Json, target: Json, sample: Json) -> str:
    labels, value = sample["metric"], sample["value"][1]
    if panel["type"] == "table":
        return " | ".join(_cells(panel, {**labels, "Value": value}))
    name = re.sub(r"{{(\w+)}}", lambda found: labels[found[1]], target.get("legendFormat", ""))
    shown = _word(_mappings(panel, ref=target["refId"]), value)
    return f"{name}: {shown}" if name else shown


def _cells(panel: Json, row: Mapping[str, str]) -> Iterator[str]:
    options = {each["id"]: each["options"] for each in panel["transformations"]}
    organised = options["organize"]
    titles, hidden = organised.get("renameByName", {}), organised.get("excludeByName", {})
    order = organised.get("indexByName", {})
    pivot = options.get("groupingToMatrix", {}).get("columnField")
    for label in sorted(row, key=lambda label: order.get(label, 99)):
        if label not in hidden:
            value = label == "Value"
            name = row[pivot] if value and pivot else titles.get(label, label)
            yield _word(_mappings(panel, name=name, number=value), row[label])


def _mappings(
    panel: Json, *, ref: str = "", name: str = "", number: bool = False
) -> list[dict[str, Any]]:
    found = list(panel["fieldConfig"]["defaults"].get("mappings", ()))
    matched = {("byFrameRefID", ref), ("byName", name), ("byType", "number" if number else "")}
    for override in panel["fieldConfig"]["overrides"]:
        if (override["matcher"]["id"], override["matcher"]["options"]) in matched:
            found += [
                m for p in override["properties"] if p["id"] == "mappings" for m in p["value"]
            ]
    return found


def _word(mappings: list[dict[str, Any]], value: str) -> str:
    for mapping in mappings:
        if mapping["type"] == "value" and value in mapping["options"]:
            return str(mapping["options"][value]["text"])
    return value
