"""The committed dashboards against their source and against Grafana's schema."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.src.__main__ import dashboards as built
from grafana.src.__main__ import text_of
from tests.support.dashboards import DIRECTORY, Json, dashboards, every_panel, panels

register_default_plugins()

# What the schema leaves open: the options of transformations, and the properties of overrides.
TRANSFORMATIONS = {
    "organize": {"excludeByName", "indexByName", "renameByName"},
    "groupingToMatrix": {"columnField", "rowField", "valueField", "emptyValue"},
    "sortBy": {"fields", "sort"},
}
PROPERTIES = {
    "unit",
    "mappings",
    "links",
    "custom.width",
    "custom.minWidth",
    "custom.align",
    "custom.wrapText",
    "custom.cellOptions",
    "color",
}
CELL_OPTIONS = {"type", "mode", "wrapText"}


def as_grafana_reads(made: Json) -> Any:  # noqa: ANN401 -- JSON of Grafana's own shape
    """Read a dashboard with its schema and write it again: what the schema lacks is lost."""
    read = Dashboard.from_json(copy.deepcopy(dict(made)))
    return json.loads(JSONEncoder(sort_keys=True).encode(read))


@pytest.mark.parametrize("uid", sorted(built()))
def test_a_committed_dashboard_is_fresh(uid: str) -> None:
    """``make dashboards`` would change nothing."""
    committed = (DIRECTORY / f"{uid}.json").read_text("utf-8")
    assert committed == text_of(built()[uid]), "`make dashboards` writes it anew"


def test_no_dashboard_is_left_over() -> None:
    """Every committed file has its source, and its name is the dashboard's uid."""
    assert set(dashboards()) == set(built())
    assert {uid: made["uid"] for uid, made in dashboards().items()} == {u: u for u in built()}


@pytest.mark.parametrize("uid", sorted(dashboards()))
def test_a_dashboard_has_only_keys_that_grafana_knows(uid: str) -> None:
    """Reading it with the schema loses no key and changes no value."""
    assert as_grafana_reads(dashboards()[uid]) == dashboards()[uid]


def _misspelt(path: Callable[[Any], Any]) -> Any:  # noqa: ANN401 -- JSON of Grafana's own shape
    made = copy.deepcopy(dict(dashboards()["opengauss-port-conflicts"]))
    path(made)["tresholds"] = 1
    return made


@pytest.mark.parametrize(
    "path",
    [
        lambda made: made,
        lambda made: made["panels"][0],
        lambda made: made["panels"][0]["options"],
        lambda made: made["panels"][0]["targets"][0],
        lambda made: made["panels"][0]["fieldConfig"]["defaults"],
        lambda made: made["panels"][6]["fieldConfig"]["defaults"]["custom"],
        lambda made: made["panels"][6]["fieldConfig"]["overrides"][0],
        lambda made: made["templating"]["list"][1],
        lambda made: made["annotations"]["list"][0],
        lambda made: made["links"][0],
    ],
)
def test_a_misspelt_key_is_noticed(path: Callable[[Any], Any]) -> None:
    """A key that Grafana does not know is lost by the schema, wherever it stands."""
    made = _misspelt(path)
    assert as_grafana_reads(made) != made


@pytest.mark.parametrize(("uid", "panel"), every_panel())
def test_a_panel_uses_only_known_transformations(uid: str, panel: Json) -> None:
    """Transformations have their own options, and the last one leaves no column unnamed."""
    for transformation in panel.get("transformations", ()):
        assert set(transformation["options"]) <= TRANSFORMATIONS[transformation["id"]], uid


@pytest.mark.parametrize(("uid", "panel"), every_panel())
def test_a_panel_overrides_only_known_properties(uid: str, panel: Json) -> None:
    """Overrides change properties that the panel has."""
    for override in panel["fieldConfig"]["overrides"]:
        found = {prop["id"]: prop["value"] for prop in override["properties"]}
        assert set(found) <= PROPERTIES, uid
        assert set(found.get("custom.cellOptions", ())) <= CELL_OPTIONS, uid


@pytest.mark.parametrize("uid", sorted(dashboards()))
def test_panels_have_stable_ids_of_their_own(uid: str) -> None:
    """No two panels of a dashboard have one id, and none is left to Grafana to choose."""
    ids = [panel["id"] for panel in panels(dashboards()[uid])]
    assert all(ids)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("uid", sorted(dashboards()))
def test_panels_lie_side_by_side(uid: str) -> None:
    """No panel covers another, and none reaches over the grid of 24."""
    taken: set[tuple[int, int]] = set()
    for panel in dashboards()[uid]["panels"]:
        place = panel["gridPos"]
        columns = range(place["x"], place["x"] + place["w"])
        cells = {(x, y) for x in columns for y in range(place["y"], place["y"] + place["h"])}
        assert columns.stop <= 24
        assert not taken & cells, panel["title"]
        taken |= cells
