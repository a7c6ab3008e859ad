"""Which alerts a real Alertmanager with the shipped configuration holds back, and which not."""

from __future__ import annotations

import itertools
import json
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.monitoring import FAST, Alerting
from tests.support.programs import http_get
from tests.support.rules import rules
from tests.support.webhook import WebhookReceiver

pytestmark = pytest.mark.e2e

SEVERITY = {
    rule.name: str(rule.body["labels"]["severity"]) for rule in reversed(rules()) if rule.is_alert
}
CLUSTER_WIDE = {
    "ClusterUnavailable",
    "ClusterDegraded",
    "CMQueryFailing",
    "NodeViewsDisagree",
    "CMPortConflictAllNodes",
    "DBPortConflictAllNodes",
}
ENDPOINT = {
    "CMPortConflict": "cm_server",
    "CMPortConflictAllNodes": "cm_server",
    "DBPortConflict": "datanode",
    "DBPortConflictAllNodes": "datanode",
    "CMAgentPortConflict": "cm_agent",
    "DMSPortConflict": "dms",
    "DSSPortConflict": "dss",
    "PortConflictLeftStopped": "dms",
}
SYMPTOMS = (
    "ClusterUnavailable",
    "CMQueryFailing",
    "ClusterDegraded",
    "CMServerDown",
    "StartFailed",
    "NodeViewsDisagree",
)

NUMBERS = itertools.count()

# cause, its endpoint where it has several, what it holds back on its own node, and elsewhere
CASES = [
    (
        "CMPortConflictAllNodes",
        "",
        {"CMPortConflict", "DatanodeDown", *SYMPTOMS},
        {"CMPortConflict", "DatanodeDown", *SYMPTOMS},
    ),
    (
        "DBPortConflictAllNodes",
        "",
        {"DBPortConflict", "ClusterUnavailable", "ClusterDegraded", "DatanodeDown", "StartFailed"},
        {"DBPortConflict", "ClusterUnavailable", "ClusterDegraded", "DatanodeDown", "StartFailed"},
    ),
    ("CMPortConflict", "", {"CMServerDown", "StartFailed"}, {"StartFailed"}),
    *(
        (
            cause,
            "",
            {"ClusterUnavailable", "ClusterDegraded", "StartFailed", "DatanodeDown"},
            {"ClusterUnavailable", "ClusterDegraded", "StartFailed"},
        )
        for cause in (
            "DBPortConflict",
            "DMSPortConflict",
            "DSSPortConflict",
            "PortConflictLeftStopped",
        )
    ),
    (
        "CMAgentPortConflict",
        "",
        {"ClusterUnavailable", "ClusterDegraded", "StartFailed", "DatanodeDown", "CMServerDown"},
        {"ClusterUnavailable", "ClusterDegraded", "StartFailed"},
    ),
    (
        "PortConflictPassed",
        "datanode",
        {"ClusterDegraded", "StartFailed", "DatanodeDown"},
        {"ClusterDegraded", "StartFailed"},
    ),
    ("PortConflictPassed", "cm_server", {"CMServerDown"}, set()),
    ("AddressMissing", "datanode", {"DatanodeDown"}, set()),
    ("AddressMissing", "cm_server", {"CMServerDown"}, set()),
    ("PortConflictLatent", "cm_server", set(), set()),
]


@pytest.fixture(scope="module")
def alerting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alerting]:
    """A running Alertmanager."""
    directory: Path = tmp_path_factory.mktemp("alertmanager")
    with WebhookReceiver() as webhook, Alerting(directory, webhook, FAST) as alerting:
        yield alerting


def alert(name: str, cluster: str, node: str, endpoint: str = "") -> dict[str, str]:
    """Make an alert's labels as the rules make them."""
    labels = {"alertname": f"OpenGauss{name}", "severity": SEVERITY[f"OpenGauss{name}"]}
    if cluster:
        labels["cluster"] = cluster
    if name not in CLUSTER_WIDE:
        labels["node_name"] = node
    place = endpoint or ENDPOINT.get(name, "")
    return {**labels, **({"endpoint": place} if place else {})}


def post(alerting: Alerting, alerts: Sequence[Mapping[str, str]]) -> None:
    """Tell Alertmanager that these alerts fire, and wait until it has thought about them.

    It takes them in order, so the last ones, of which one certainly is held back, tell that.
    """
    last = f"last-{next(NUMBERS)}"
    probe = [alert("CMPortConflictAllNodes", last, ""), alert("CMServerDown", last, "ogdb1")]
    body = json.dumps([{"labels": labels} for labels in (*alerts, *probe)]).encode()
    url = f"{alerting.program.url}/api/v2/alerts"
    header = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, body, header)  # noqa: S310 -- our own URL
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        assert answer.status == 200
    deadline = time.monotonic() + 10
    while not held_back(alerting, last):
        assert time.monotonic() < deadline


def held_back(alerting: Alerting, cluster: str) -> set[tuple[str, str]]:
    """Ask which alerts of a cluster are inhibited: names and nodes."""
    _, body = http_get(f"{alerting.program.url}/api/v2/alerts?filter=cluster%3D%22{cluster}%22")
    found: list[dict[str, Any]] = json.loads(body)
    return {
        (each["labels"]["alertname"].removeprefix("OpenGauss"), each["labels"].get("node_name", ""))
        for each in found
        if each["status"]["inhibitedBy"]
    }


@pytest.mark.parametrize(("cause", "endpoint", "here", "elsewhere"), CASES)
def test_a_cause_holds_back_what_follows_from_it_and_nothing_else(
    alerting: Alerting, cause: str, endpoint: str, here: set[str], elsewhere: set[str]
) -> None:
    """On its own node, on other nodes of the cluster, and never in another cluster."""
    own = [cause.removesuffix("AllNodes")] if cause.endswith("AllNodes") else []
    # apart, for a datanode that is down holds back something itself
    for part in ([*SYMPTOMS, *own], ["DatanodeDown"]):
        cluster = f"{cause}-{endpoint}-{len(part)}"
        alerts = [alert(cause, cluster, "ogdb1", endpoint)]
        for where, names in ((cluster, part), (f"{cluster}-beside", set(part) - set(own))):
            alerts += [alert(name, where, node) for name in names for node in ("ogdb1", "ogdb2")]
        post(alerting, alerts)
        expected = {(n, "" if n in CLUSTER_WIDE else "ogdb1") for n in here & set(part)}
        expected |= {(n, "" if n in CLUSTER_WIDE else "ogdb2") for n in elsewhere & set(part)}
        assert held_back(alerting, cluster) == expected
        assert held_back(alerting, f"{cluster}-beside") == set()


def test_a_datanode_that_is_down_explains_a_degraded_cluster(alerting: Alerting) -> None:
    """One ticket, for the datanode; an unavailable cluster pages all the same."""
    names = ("DatanodeDown", "ClusterDegraded", "ClusterUnavailable", "CMServerDown")
    post(alerting, [alert(name, "degraded", "ogdb1") for name in names])
    assert held_back(alerting, "degraded") == {("ClusterDegraded", "")}


def test_a_warning_never_holds_back_a_page(alerting: Alerting) -> None:
    """Left stopped by nobody knows whom is a warning, and an unavailable cluster still pages."""
    left = alert("PortConflictLeftStopped", "warned", "ogdb1")
    symptom = alert("ClusterUnavailable", "warned", "")
    post(alerting, [{**left, "severity": "warning"}, symptom])
    assert held_back(alerting, "warned") == set()


def test_without_the_label_cluster_nothing_is_held_back(alerting: Alerting) -> None:
    """Two clusters without the label must not silence each other."""
    post(
        alerting,
        [alert("CMPortConflictAllNodes", "", ""), *(alert(n, "", "ogdb1") for n in SYMPTOMS)],
    )
    assert held_back(alerting, "") == set()
