"""The rules of this house for dashboards, most of them those of grafana/dashboard-linter."""

from __future__ import annotations

import re

import pytest

from exporter.build import CATALOGUE
from exporter.scrape.base import Kind
from grafana.src.recorded import ADDRESSES
from tests.support.dashboards import Json, Query, dashboards, every_panel, queries

METRICS = {metric.name: metric for metric in CATALOGUE}
COUNTERS = {metric.name for metric in CATALOGUE if metric.kind is Kind.COUNTER}
SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{([^{}]*)\}")
RATE = r"\b(?:rate|irate|increase)\("
UIDS = sorted(dashboards())
EVERY_PANEL = [pytest.param(*each, id=f"{each[0]}-{each[1]['title']}") for each in every_panel()]
EVERY_QUERY = [pytest.param(each, id=f"{each.uid}-{each.title}-{each.ref}") for each in queries()]


def variables(uid: str) -> dict[str, Json]:
    """Return a dashboard's variables by name."""
    return {variable["name"]: variable for variable in dashboards()[uid]["templating"]["list"]}


@pytest.mark.parametrize("uid", UIDS)
def test_a_dashboard_belongs_to_no_installation(uid: str) -> None:
    """It is read-only, has a uid and no id, a title, a description and tags."""
    made = dashboards()[uid]
    assert made["editable"] is False
    assert "id" not in made
    assert made["title"]
    assert made["description"].endswith(".")
    assert made["tags"] == ["opengauss"]


@pytest.mark.parametrize("uid", UIDS)
def test_the_data_source_can_be_chosen(uid: str) -> None:
    """The first variable is the data source, and everything asks it."""
    made = dashboards()[uid]
    first = made["templating"]["list"][0]
    assert (first["name"], first["type"], first["query"]) == (
        "datasource",
        "datasource",
        "prometheus",
    )
    asked = [v["datasource"] for v in made["templating"]["list"][1:]]
    asked += [mark["datasource"] for mark in made["annotations"].get("list", ())]
    for _, panel in (each for each in every_panel() if each[0] == uid):
        asked += [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
    assert all(each == {"type": "prometheus", "uid": "${datasource}"} for each in asked)


@pytest.mark.parametrize("uid", UIDS)
@pytest.mark.parametrize("name", ["job", "instance", "node"])
def test_job_instance_and_node_can_be_narrowed(uid: str, name: str) -> None:
    """They are query variables with several values or all, asked anew with the time range."""
    variable = variables(uid)[name]
    assert variable["type"] == "query"
    assert variable["query"].startswith("label_values(opengauss_")
    assert (variable["multi"], variable["includeAll"], variable["allValue"]) == (True, True, ".+")
    assert variable["refresh"] == 2


@pytest.mark.parametrize("uid", UIDS)
def test_the_label_cluster_may_be_absent(uid: str) -> None:
    """The variable's value may be the empty one, that selects what has no label `cluster`."""
    variable = variables(uid)["cluster"]
    assert variable["refresh"] == 2
    assert not variable["includeAll"] or variable["allValue"] == ".*"


@pytest.mark.parametrize(("uid", "panel"), EVERY_PANEL)
def test_a_panel_says_what_it_shows(uid: str, panel: Json) -> None:
    """Every panel has a title, a description that is a sentence, a unit and queries."""
    assert panel["title"], uid
    assert panel["description"].endswith("."), uid
    assert panel["fieldConfig"]["defaults"]["unit"], uid
    assert panel["targets"], uid


@pytest.mark.parametrize("query", EVERY_QUERY)
def test_every_selector_follows_the_variables(query: Query) -> None:
    """A scraped metric is narrowed by cluster, job and instance, a recorded one by cluster.

    The addresses to which links lead are those of the one Prometheus.
    """
    found = SELECTOR.findall(query.expr)
    assert found
    for name, matchers in found:
        wanted = {"cluster", "job", "instance"} if name in METRICS else {"cluster"}
        wanted = set() if name == ADDRESSES.name else wanted
        assert wanted <= set(re.findall(r'(\w+)=~"\$\1"', matchers)), name


@pytest.mark.parametrize("query", EVERY_QUERY)
def test_every_rate_fits_the_resolution(query: Query) -> None:
    """Each rate is over `$__rate_interval`, and no other range is asked for."""
    without_texts = re.sub(r'"[^"]*"', "", query.expr)
    assert set(re.findall(r"\[([^\]]+)\]", without_texts)) <= {"$__rate_interval"}


@pytest.mark.parametrize("query", EVERY_QUERY)
def test_counters_are_only_shown_as_rates(query: Query) -> None:
    """A counter stands directly inside rate, irate or increase."""
    for name in COUNTERS:
        stripped = re.sub(rf"{RATE}{name}\{{", "", query.expr)
        assert not re.search(rf"\b{name}\b", stripped), name
