"""What CM says of the cluster: the alerts of ``alerts/cluster.rules.yml``. None names a cause.

``Views`` are all nodes' answers together, as the recording rules of that file have them. A node's
view counts only while it asks, and only when a primary cm_server answered its last query.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Union

from exporter.cluster.facts import CmServerState
from exporter.diagnosis.cluster import WHOLE_NODE, Cluster, Node
from exporter.diagnosis.findings import Certainty, Evidence, Finding, Severity, Text
from exporter.diagnosis.page import Sample
from exporter.diagnosis.words import Say, in_both, metric_evidence, moment, phrase, place

START_FAILED_SECONDS = 1800.0
"""How long a failed start is reported, unless the cluster is Normal again."""
_NO_ANSWER = frozenset({"no_primary", "timeout"})
_ANSWERS = frozenset(state.value for state in CmServerState if state.is_answer)
_OUTCOME = "opengauss_cm_query_outcome"
_STATE = "opengauss_cm_cluster_state"


class _Down(NamedTuple):
    """The alert about an instance that is down, its phrase, and the label of CM's word for it."""

    alert: str
    phrase_key: str
    metric: str
    label: str


_SERVER_DOWN = _Down("OpenGaussCMServerDown", "server_down", "opengauss_cm_server_state", "state")
_DATANODE_DOWN = _Down(
    "OpenGaussDatanodeDown", "datanode_down", "opengauss_cm_datanode_role", "role"
)


class Instance(NamedTuple):
    """One instance, as CM names it."""

    node_id: str
    node_name: str
    instance_id: str

    @property
    def ids(self) -> tuple[str, str]:
        """What tells it from others whatever its node is called."""
        return (self.node_id, self.instance_id)


class Asked(NamedTuple):
    """A node that asks CM, and how its last query ended."""

    node: Node
    outcome: str


@dataclass(frozen=True)
class Views:
    """What CM says of one cluster.

    ``failures`` are the nodes that found no primary cm_server, or got no answer in time, and
    ``is_answered`` tells whether any got one; both leave out nodes that an operator stopped.
    ``counted`` are the nodes whose view counts. ``states`` counts the views that show a state.
    ``servers_down`` have no answer in any view; ``datanodes_down`` are those that CM calls Down.
    ``stopped`` has the ids of instances that an operator stopped, ``WHOLE_NODE`` for all of a node.
    """

    failures: tuple[Asked, ...]
    is_answered: bool
    counted: tuple[Node, ...]
    states: Counter[str]
    servers_down: tuple[Instance, ...]
    datanodes_down: tuple[Instance, ...]
    stopped: frozenset[tuple[str, str]]

    def is_stopped(self, node_id: str, instance_id: str = WHOLE_NODE) -> bool:
        """Tell whether an operator stopped the instance, or its node."""
        return not self.stopped.isdisjoint({(node_id, instance_id), (node_id, WHOLE_NODE)})


def views_of(cluster: Cluster) -> Views:
    """Take the views out of the pages."""
    outcomes = tuple(_outcomes(cluster))
    counted = tuple(node for node in cluster.nodes if _counts(node))
    states = (s for node in counted for s in {*_values(node, _STATE, "state")})
    servers = _down(counted, _SERVER_DOWN)
    up = {
        instance_of(sample).ids
        for node in counted
        for sample in node.page.true(_SERVER_DOWN.metric)
        if sample.labels["state"] in _ANSWERS
    }
    return Views(
        tuple(asked for asked in outcomes if asked.outcome in _NO_ANSWER),
        any(asked.outcome == "ok" for asked in outcomes),
        counted,
        Counter(states),
        tuple(instance for instance in servers if instance.ids not in up),
        _down(counted, _DATANODE_DOWN),
        frozenset((node.node_id, i) for node in cluster.nodes for i in node.stopped),
    )


def _counts(node: Node) -> bool:
    """Tell whether the node still asks: a stopped one shows its last answer for ever."""
    stopped = any(node.page.true("opengauss_marker_present", marker="cluster_manual_start"))
    return not stopped and any(node.page.true(_OUTCOME, outcome="ok"))


def _outcomes(cluster: Cluster) -> Iterator[Asked]:
    for node in cluster.nodes:
        if WHOLE_NODE not in node.stopped:
            yield from (Asked(node, outcome) for outcome in _values(node, _OUTCOME, "outcome"))


def _values(node: Node, metric: str, label: str) -> Iterator[str]:
    return (sample.labels[label] for sample in node.page.true(metric))


def instance_of(sample: Sample) -> Instance:
    """Return the instance that a sample is about."""
    return Instance(*(sample.labels[name] for name in Instance._fields))


def _down(nodes: Iterable[Node], down: _Down) -> tuple[Instance, ...]:
    """List the instances that any of the nodes sees down, each once, sorted."""
    seen = {
        instance_of(sample)
        for node in nodes
        for sample in node.page.true(down.metric, **{down.label: "Down"})
    }
    return tuple(sorted(seen))


def findings(cluster: Cluster, now: float) -> Iterator[Finding]:
    """Find what users feel; ``now`` is since the epoch."""
    views = views_of(cluster)
    yield from _unavailable(cluster, views)
    yield from _query_failing(cluster, views)
    yield from _degraded(cluster, views)
    for instance in views.servers_down:
        if not views.is_stopped(instance.node_id):
            yield _instance_down(_SERVER_DOWN, cluster, views, instance)
    for instance in views.datanodes_down:
        if not views.is_stopped(*instance.ids):
            yield _instance_down(_DATANODE_DOWN, cluster, views, instance)
    yield from _start_failed(cluster, views, now)
    yield from _views_disagree(cluster, views)


def _unavailable(cluster: Cluster, views: Views) -> Iterator[Finding]:
    """Find an outage; a working primary in any view means that the cluster works."""
    works = views.states["Normal"] + views.states["Degraded"]
    count = views.states["Unavailable"]
    if count and not works and not _all_datanodes_stopped(cluster, views):
        texts = (_described("unavailable", cluster, count=count), phrase("do_query"))
        evidence = _states_evidence(views)
        yield _finding("OpenGaussClusterUnavailable", Severity.CRITICAL, cluster, texts, evidence)


def _all_datanodes_stopped(cluster: Cluster, views: Views) -> bool:
    datanodes = cluster.ids("datanode")
    return bool(datanodes) and all(views.is_stopped(*ids) for ids in datanodes)


def _query_failing(cluster: Cluster, views: Views) -> Iterator[Finding]:
    """Not where the CM ports of a majority are taken, nor where there is no cm_server at all."""
    without_cm = bool(cluster.members) and not cluster.count("cm_server")
    if views.failures and not (views.is_answered or cluster.cm_port_majority or without_cm):
        description = _described("query_failing", cluster, count=len(views.failures))
        texts = (description, phrase("do_query_failing"))
        evidence = _failures_evidence(views)
        yield _finding("OpenGaussCMQueryFailing", Severity.CRITICAL, cluster, texts, evidence)


def _degraded(cluster: Cluster, views: Views) -> Iterator[Finding]:
    count = views.states["Degraded"]
    if count and not any(node.stopped for node in cluster.nodes):
        texts = (_described("degraded", cluster, count=count), phrase("do_query"))
        evidence = _states_evidence(views)
        yield _finding("OpenGaussClusterDegraded", Severity.WARNING, cluster, texts, evidence)


def _instance_down(down: _Down, cluster: Cluster, views: Views, instance: Instance) -> Finding:
    name = instance.node_name
    values = {"conflicts_of": name, "instance_id": instance.instance_id}
    texts = (
        _described(down.phrase_key, cluster, name, **values),
        phrase(f"do_{down.phrase_key}", node=name),
    )
    evidence = (
        piece
        for node in views.counted
        for piece in metric_evidence(node, node.page.true(down.metric, **instance._asdict()))
    )
    return _finding(down.alert, Severity.WARNING, cluster, texts, evidence, instance)


def _start_failed(cluster: Cluster, views: Views, now: float) -> Iterator[Finding]:
    name = "opengauss_log_signature_last_match_timestamp_seconds"
    for node in cluster.nodes:
        records = list(node.page.all(name, signature="start_failed"))
        last = max((record.value for record in records), default=0.0)
        stopped = WHOLE_NODE in node.stopped
        if last > now - START_FAILED_SECONDS and not stopped and not views.states["Normal"]:
            description = _described("gave_up", cluster, node.node_name, time=moment(last))
            yield _finding(
                "OpenGaussStartFailed",
                Severity.WARNING,
                cluster,
                (description, phrase("do_query")),
                metric_evidence(node, records),
                Instance(node.node_id, node.node_name, ""),
            )


def _views_disagree(cluster: Cluster, views: Views) -> Iterator[Finding]:
    """Two states at once, or an answer on one node and none on another."""
    if len(views.states) > 1 or (views.failures and views.is_answered):
        description = in_both(lambda say: _seen_differently(say, cluster, views))
        texts = (description, phrase("do_disagree"))
        evidence = (*_states_evidence(views), *_failures_evidence(views))
        yield _finding("OpenGaussNodeViewsDisagree", Severity.WARNING, cluster, texts, evidence)


def _seen_differently(say: Say, cluster: Cluster, views: Views) -> str:
    states = (say("sees", count=n, state=state) for state, n in sorted(views.states.items()))
    failures = sorted((asked.node.node_name, asked.outcome) for asked in views.failures)
    nothing = (say("sees_nothing", node=node, outcome=outcome) for node, outcome in failures)
    return say("views", place=place(say, cluster.name)) + "".join((*states, *nothing)) + say("cut")


def _finding(
    alert: str,
    severity: Severity,
    cluster: Cluster,
    texts: tuple[Text, Text],
    evidence: Iterable[Evidence],
    instance: Instance = Instance("", "", ""),  # noqa: B008 -- frozen
) -> Finding:
    return Finding(
        alert,
        severity,
        Certainty.REPORTED,
        phrase(f"summary {alert}"),
        *texts,
        cluster.name,
        instance.node_name,
        instance_id=instance.instance_id,
        evidence=tuple(evidence),
    )


def _described(
    key: str,
    cluster: Cluster,
    node_name: str = "",
    conflicts_of: str = "",
    **values: Union[str, int],
) -> Text:
    """Say what CM says, and whether a port conflict may be behind it.

    A conflict has a finding of its own. It counts on the node ``conflicts_of``, or on any node.
    """
    nodes = [node for node in cluster.nodes if conflicts_of in {"", node.node_name}]
    conflict = "conflict_known" if any(n.unwanted for n in nodes) else "no_conflict_known"
    return in_both(
        lambda say: say(key, place=place(say, cluster.name, node_name), **values) + say(conflict)
    )


def _states_evidence(views: Views) -> Iterator[Evidence]:
    for node in views.counted:
        yield from metric_evidence(node, node.page.true(_STATE))


def _failures_evidence(views: Views) -> Iterator[Evidence]:
    for node, outcome in views.failures:
        yield from metric_evidence(node, node.page.true(_OUTCOME, outcome=outcome))
