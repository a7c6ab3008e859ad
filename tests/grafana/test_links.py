"""Where links lead: from alerts to the dashboards, and from the dashboards on."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.alerts.test_rules import ALERT_RULES, by_name
from tests.grafana.test_house_rules import EVERY_PANEL, UIDS, variables
from tests.support.dashboards import ROOT, Json
from tests.support.rules import Rule

ITSELF = "${__value.raw}"  # the value is the address
PAGE = re.compile(r'"page", "([^"]+)"')


@pytest.mark.parametrize("rule", ALERT_RULES, ids=by_name)
def test_an_alert_leads_to_a_dashboard_with_its_variables(rule: Rule) -> None:
    """The address names one of the dashboards, and sets only variables that it has."""
    address = re.sub(r"{{.*?}}", "", rule.annotations["dashboard_url"])
    split = urlsplit(address)
    uid = split.path.removeprefix("/d/")
    assert uid in UIDS
    asked = parse_qs(split.query, keep_blank_values=True)
    assert asked
    assert {name.removeprefix("var-") for name in asked} <= set(variables(uid))


def test_an_alert_about_one_port_presets_all_three() -> None:
    """The page of port conflicts opens with cluster, node and endpoint."""
    (rule,) = (rule for rule in ALERT_RULES if rule.name == "OpenGaussCMPortConflict")
    address = rule.annotations["dashboard_url"]
    assert "/d/opengauss-port-conflicts?" in address
    for name, label in (("cluster", "cluster"), ("node", "node_name"), ("endpoint", "endpoint")):
        assert f"var-{name}={{{{ urlquery $labels.{label} }}}}" in address


@pytest.mark.parametrize(("uid", "panel"), EVERY_PANEL)
def test_a_panel_links_to_what_exists(uid: str, panel: Json) -> None:
    """Links lead to a dashboard of ours, or to runbooks that are there."""
    for override in panel["fieldConfig"]["overrides"]:
        for found in (prop for prop in override["properties"] if prop["id"] == "links"):
            (link,) = found["value"]
            inside = re.match(r"/d/([\w-]+)\?var-(\w+)=", link["url"])
            if inside:
                assert inside[1] in UIDS, uid
                assert inside[2] in variables(inside[1]), uid
            else:
                assert link["url"] == ITSELF, uid
                pages = PAGE.findall(panel["targets"][0]["expr"])
                assert pages
                assert all((ROOT / "docs" / page).is_file() for page in pages)
