"""What CM says of the cluster: the alerts of ``alerts/cluster.rules.yml``. None names a cause."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from exporter.diagnosis import evidence
from exporter.diagnosis.cluster import Cluster
from exporter.diagnosis.facts import Certainty, Evidence, Finding, Severity, Text
from exporter.diagnosis.node import WHOLE_NODE, Node
from exporter.diagnosis.views import Instance, Views, views_of
from exporter.diagnosis.words import Say, in_both, moment, phrase, place

START_FAILED_SECONDS = 1800.0
"""For how long a start that failed is told of, unless the cluster is Normal again."""


class _Down(NamedTuple):
    """The alert about an instance that is down, how it is put, and the metric that says so."""

    alert: str
    phrase_key: str
    metric: str


_SERVER_DOWN = _Down("OpenGaussCMServerDown", "server_down", "opengauss_cm_server_state")
_DATANODE_DOWN = _Down("OpenGaussDatanodeDown", "datanode_down", "opengauss_cm_datanode_role")


def findings(cluster: Cluster, now: float) -> Iterator[Finding]:
    """Find what users feel; ``now`` is since the epoch."""
    views = views_of(cluster)
    yield from _unavailable(cluster, views)
    yield from _query_failing(cluster, views)
    yield from _degraded(cluster, views)
    yield from _servers_down(cluster, views)
    yield from _datanodes_down(cluster, views)
    yield from _start_failed(cluster, views, now)
    yield from _views_disagree(cluster, views)


def _unavailable(cluster: Cluster, views: Views) -> Iterator[Finding]:
    """Find an outage; a working primary in any view means that the cluster works."""
    works = views.states["Normal"] + views.states["Degraded"]
    if views.states["Unavailable"] and not works and not _all_datanodes_stopped(cluster, views):
        text = _of_cluster(cluster, "unavailable", views.states["Unavailable"])
        yield _cluster_seen("OpenGaussClusterUnavailable", Severity.CRITICAL, cluster, views, text)


def _all_datanodes_stopped(cluster: Cluster, views: Views) -> bool:
    datanodes = {
        Instance(m.node_id, m.node_name, m.instance_id)
        for m in cluster.members
        if m.component == "datanode"
    }
    stopped = {each.ids for each in datanodes if views.is_stopped(each)}
    return bool(datanodes) and len(stopped) >= cluster.count("datanode")


def _query_failing(cluster: Cluster, views: Views) -> Iterator[Finding]:
    """Not where the CM ports of a majority are taken, nor where there is no cm_server at all."""
    without_cm = bool(cluster.members) and not cluster.count("cm_server")
    if views.failing and not (views.answered or cluster.cm_port_majority or without_cm):
        yield _finding(
            "OpenGaussCMQueryFailing",
            Severity.CRITICAL,
            cluster,
            (
                _of_cluster(cluster, "query_failing", len(views.failing)),
                phrase("do_query_failing"),
            ),
            _outcomes_seen(views),
        )


def _degraded(cluster: Cluster, views: Views) -> Iterator[Finding]:
    if views.states["Degraded"] and not any(node.stopped for node in cluster.nodes):
        text = _of_cluster(cluster, "degraded", views.states["Degraded"])
        yield _cluster_seen("OpenGaussClusterDegraded", Severity.WARNING, cluster, views, text)


def _cluster_seen(
    alert: str, severity: Severity, cluster: Cluster, views: Views, text: Text
) -> Finding:
    return _finding(alert, severity, cluster, (text, phrase("do_query")), _states_seen(views))


def _servers_down(cluster: Cluster, views: Views) -> Iterator[Finding]:
    """Down only means that the asking node got no answer, so any answer to another counts."""
    for each in views.down:
        if each.ids not in views.up and each.node_id not in views.stopped_nodes:
            yield _instance_down(_SERVER_DOWN, cluster, views, each)


def _datanodes_down(cluster: Cluster, views: Views) -> Iterator[Finding]:
    for each in views.roles_down:
        if not views.is_stopped(each):
            yield _instance_down(_DATANODE_DOWN, cluster, views, each)


def _instance_down(down: _Down, cluster: Cluster, views: Views, instance: Instance) -> Finding:
    return _finding(
        down.alert,
        Severity.WARNING,
        cluster,
        (
            _of_instance(cluster, down.phrase_key, instance),
            phrase(f"do_{down.phrase_key}", node=instance.node_name),
        ),
        _seen_down(views, down.metric, instance),
        instance,
    )


def _start_failed(cluster: Cluster, views: Views, now: float) -> Iterator[Finding]:
    name = "opengauss_log_signature_last_match_timestamp_seconds"
    for node in cluster.nodes:
        records = list(node.page.all(name, signature="start_failed"))
        last = max((each.value for each in records), default=0.0)
        stopped = WHOLE_NODE in node.stopped
        if last > now - START_FAILED_SECONDS and not stopped and not views.states["Normal"]:
            yield _finding(
                "OpenGaussStartFailed",
                Severity.WARNING,
                cluster,
                (_gave_up(cluster, node, last), phrase("do_query")),
                evidence.metrics(node, records),
                Instance(node.node_id, node.node_name, ""),
            )


def _views_disagree(cluster: Cluster, views: Views) -> Iterator[Finding]:
    """Two states at once, or an answer on one node and none on another."""
    if len(views.states) > 1 or (views.failing and views.answered):
        yield _finding(
            "OpenGaussNodeViewsDisagree",
            Severity.WARNING,
            cluster,
            (in_both(lambda say: _seen_differently(say, cluster, views)), phrase("do_disagree")),
            (*_states_seen(views), *_outcomes_seen(views)),
        )


def _seen_differently(say: Say, cluster: Cluster, views: Views) -> str:
    states = (say("sees", count=n, state=state) for state, n in sorted(views.states.items()))
    silent = sorted((each.node.node_name, each.outcome) for each in views.failing)
    nothing = (say("sees_nothing", node=node, outcome=outcome) for node, outcome in silent)
    return say("views", place=place(say, cluster.name)) + "".join((*states, *nothing)) + say("cut")


def _finding(
    alert: str,
    severity: Severity,
    cluster: Cluster,
    texts: tuple[Text, Text],
    shown: Iterable[Evidence],
    instance: Instance = Instance("", "", ""),  # noqa: B008 -- frozen
) -> Finding:
    description, action = texts
    return Finding(
        alert,
        severity,
        Certainty.REPORTED,
        phrase(f"summary {alert}"),
        description,
        action,
        cluster.name,
        instance.node_name,
        instance_id=instance.instance_id,
        evidence=tuple(shown),
    )


def _known_conflict(say: Say, cluster: Cluster, node_name: str = "") -> str:
    """Say whether a port conflict, which has a finding of its own, may be behind it."""
    known = any(n.unwanted for n in cluster.nodes if node_name in {"", n.node_name})
    return say("conflict_known" if known else "no_conflict_known")


def _of_cluster(cluster: Cluster, key: str, count: int) -> Text:
    return in_both(
        lambda say: (
            say(key, place=place(say, cluster.name), count=count) + _known_conflict(say, cluster)
        )
    )


def _of_instance(cluster: Cluster, key: str, instance: Instance) -> Text:
    name = instance.node_name
    return in_both(
        lambda say: (
            say(key, place=place(say, cluster.name, name), instance_id=instance.instance_id)
            + _known_conflict(say, cluster, name)
        )
    )


def _gave_up(cluster: Cluster, node: Node, last: float) -> Text:
    return in_both(
        lambda say: (
            say("gave_up", place=place(say, cluster.name, node.node_name), time=moment(last))
            + _known_conflict(say, cluster)
        )
    )


def _states_seen(views: Views) -> Iterator[Evidence]:
    for node in views.counted:
        yield from evidence.metrics(node, node.page.true("opengauss_cm_cluster_state"))


def _outcomes_seen(views: Views) -> Iterator[Evidence]:
    for each in views.failing:
        shown = each.node.page.true("opengauss_cm_query_outcome", outcome=each.outcome)
        yield from evidence.metrics(each.node, shown)


def _seen_down(views: Views, name: str, instance: Instance) -> Iterator[Evidence]:
    for node in views.counted:
        yield from evidence.metrics(node, node.page.true(name, **instance._asdict()))
