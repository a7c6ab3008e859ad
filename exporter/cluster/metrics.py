"""The cluster as CM tells it to this node: what ``cm_ctl query`` printed, and how asking went."""

from __future__ import annotations

from exporter.cluster.facts import (
    Answer,
    ClusterState,
    CmServerState,
    DatanodeRole,
    DatanodeState,
    Field,
    QueryOutcome,
    ResourceState,
)
from exporter.scrape.base import Kind, Metric, values_of

_GROUP = "Cluster"
_INSTANCE = ("node_id", "node_name", "instance_id")
_RESOURCE = ("node_id", "node_name", "resource", "instance_id")

QUERY_OUTCOME = Metric(
    "opengauss_cm_query_outcome",
    "1 for how the last cm_ctl query ended, 0 for every other way and before the first.",
    ("outcome",),
    values={"outcome": values_of(QueryOutcome)},
    group=_GROUP,
    zero_is_none=True,
)
QUERY_SUCCESS = Metric(
    "opengauss_cm_query_success",
    "1 if the last cm_ctl query ended with the outcome ok.",
    group=_GROUP,
)
QUERY_DURATION = Metric(
    "opengauss_cm_query_duration_seconds",
    "Duration of the last cm_ctl query.",
    group=_GROUP,
)
QUERY_TIMESTAMP = Metric(
    "opengauss_cm_query_timestamp_seconds",
    "End of the last cm_ctl query that came to an end of its own, since the epoch; 0 before the"
    " first. The states below are of that moment.",
    group=_GROUP,
)
CLUSTER_STATE = Metric(
    "opengauss_cm_cluster_state",
    "1 for the cluster's state in CM's words (cm_ctl query); Unknown also while it is not known."
    " A cm_server that is down is not part of it.",
    ("state",),
    values={"state": values_of(ClusterState)},
    group=_GROUP,
    zero_is_none=True,
)
CLUSTER_BALANCED = Metric(
    "opengauss_cm_cluster_balanced",
    "1 if CM says that every datanode has the role it was installed with (cm_ctl query);"
    " 0 if it says no, or says nothing. No is not a failure.",
    group=_GROUP,
)
CLUSTER_REDISTRIBUTING = Metric(
    "opengauss_cm_cluster_redistributing",
    "1 if CM says that data is being redistributed (cm_ctl query).",
    group=_GROUP,
)
CLUSTER_PAUSED = Metric(
    "opengauss_cm_cluster_paused",
    "1 if CM says that its arbitration is paused on this node (cm_ctl query).",
    group=_GROUP,
)
SERVER_STATE = Metric(
    "opengauss_cm_server_state",
    "1 for how the cm_server answered this node (cm_ctl query); Down says only that it did not.",
    (*_INSTANCE, "state"),
    values={"state": values_of(CmServerState)},
    group=_GROUP,
    zero_is_none=True,
)
SERVER_ANSWER = Metric(
    "opengauss_cm_server_answer",
    "1 for what a connection to the cm_server's address met (cm_ctl's own log), 0 for all while it"
    " is not known; not_cm_server: a program that speaks another protocol.",
    (*_INSTANCE, "answer"),
    values={"answer": values_of(Answer)},
    group=_GROUP,
    zero_is_none=True,
)
DATANODE_INFO = Metric(
    "opengauss_cm_datanode_info",
    "A datanode as installed, always 1 (cm_ctl query); empty labels for what was not asked for.",
    (*_INSTANCE, "ip", "port", "static_role"),
    group=_GROUP,
)
DATANODE_ROLE = Metric(
    "opengauss_cm_datanode_role",
    "1 for the role that the datanode plays, in CM's words (cm_ctl query).",
    (*_INSTANCE, "role"),
    values={"role": values_of(DatanodeRole)},
    group=_GROUP,
    zero_is_none=True,
)
DATANODE_STATE = Metric(
    "opengauss_cm_datanode_state",
    "1 for the datanode's HA state, in CM's words without a reason or a percentage (cm_ctl query).",
    (*_INSTANCE, "state"),
    values={"state": values_of(DatanodeState)},
    group=_GROUP,
    zero_is_none=True,
)
RESOURCE_STATE = Metric(
    "opengauss_cm_resource_state",
    "1 for the state of a defined resource's instance (cm_ctl query).",
    (*_RESOURCE, "state"),
    values={"state": values_of(ResourceState)},
    group=_GROUP,
    zero_is_none=True,
)
UNKNOWN_TOKENS = Metric(
    "opengauss_cm_unknown_tokens_total",
    "Words in the output of cm_ctl query that this exporter does not know, by where they stood;"
    " row: a line that fits no table.",
    ("field",),
    kind=Kind.COUNTER,
    values={"field": values_of(Field)},
    group=_GROUP,
)
