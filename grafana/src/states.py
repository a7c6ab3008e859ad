"""Queries for the states of clusters, nodes and their ports, as codes for the words of a panel."""

from __future__ import annotations

from exporter.cluster import metrics as cluster
from exporter.logs import metrics as logs
from exporter.ports import metrics as ports
from grafana.src import recorded, words
from grafana.src.promql import ON_TARGET, PORT, Scope, coded, first_of, group_by

NODE = ("cluster", "node_name")
INSTANCE = ("cluster", "node_name", "instance_id")


def passed(scope: Scope) -> str:
    """Ports whose conflict has passed, with nothing started again; known as an alert alone."""
    rows = scope.select(recorded.ALERTS, 'alertname="OpenGaussPortConflictPassed"')
    nodes = group_by((*NODE, "node_id"), scope.select(recorded.NODE_INFO))
    return f"{group_by(PORT, rows)} * on (cluster, node_name) group_left (node_id) {nodes}"


def left_down(scope: Scope) -> str:
    """Ports that are free again, but have left an instance down."""
    left = scope.select(recorded.LEFT_STOPPED)
    return first_of([group_by(PORT, left), group_by(PORT, passed(scope))])


def stopped(scope: Scope) -> str:
    """Nodes and instances that an operator stopped, and nodes that are paused."""
    return f"{scope.select(recorded.STOPPED)} or {scope.select(recorded.PAUSED)}"


def address_missing(scope: Scope) -> str:
    """Ports with an address that is on no interface of their node."""
    return scope.on_node(f"{scope.select(ports.PORT_ADDRESS_MISSING)} == 1")


def ephemeral(scope: Scope) -> str:
    """Ports that the kernel may hand to any outgoing connection."""
    return scope.on_node(f"{scope.select(ports.PORT_EPHEMERAL_RISK)} == 1")


def at_risk(scope: Scope) -> str:
    """Ports whose next start is in danger, for whatever reason."""
    risks = (scope.select(recorded.BLOCKED), scope.select(recorded.DUPLICATE), ephemeral(scope))
    return first_of(group_by(PORT, risk) for risk in risks)


def not_watched(scope: Scope) -> str:
    """Members that no exporter speaks for, whatever instance is chosen."""
    watched = Scope(("cluster",)).select(recorded.NODE_INFO)
    return f"{scope.select(recorded.MEMBER)}\nunless on (cluster, node_id) {watched}"


def verdict(scope: Scope, labels: tuple[str, ...]) -> str:
    """Tell the verdict about the ports for each combination of labels; see words.VERDICT."""
    return coded(
        {
            7: group_by(labels, scope.select(recorded.CONFLICT)),
            6: group_by(labels, left_down(scope)),
            5: group_by(labels, address_missing(scope)),
            4: group_by(labels, at_risk(scope)),
            3: group_by(labels, stopped(scope)),
            2: group_by(labels, not_watched(scope)),
            1: group_by(labels, scope.select(recorded.NODE_INFO)),
        }
    )


def in_order(shown: list[str], otherwise: str) -> str:
    """Give the expressions the codes 1, 2, … in their order, and 0 to the rows of the last."""
    return coded({**dict(enumerate(shown, 1)), 0: otherwise})


def _ok(scope: Scope) -> str:
    return f"({scope.select(cluster.QUERY_OUTCOME, _is('outcome', 'ok'))} == 1)"


def _is(label: str, value: str) -> str:
    return f'{label}="{value}"'


def ok(scope: Scope) -> str:
    """Narrow rows to nodes whose last query a primary cm_server has answered."""
    return f"{ON_TARGET} {_ok(scope)}"


def told(scope: Scope, value: str) -> str:
    """Tell a value, -1 where it is absent and no node's query was answered, and 0 otherwise.

    So that nothing is called `none` that nobody could look at.
    """
    return f"({value})\nor on () (group({_ok(scope)}) * 0)\nor on () vector(-1)"


def unanswered(scope: Scope) -> str:
    """Say -1 where no node's query was answered, and nothing otherwise."""
    return f"(vector(-1) unless on () group({_ok(scope)}))"


def answered(scope: Scope, rows: str) -> str:
    """Keep the rows that are 1 in the views that count."""
    return f"({rows} == 1) and {ok(scope)}"


def cluster_state(scope: Scope) -> str:
    """Code the state of each cluster in the views that count; see words.CLUSTER_STATES."""
    shown = [
        group_by(("cluster",), scope.select(recorded.CLUSTER_STATE, f'state="{state}"'))
        for state in words.CLUSTER_STATES
    ]
    return in_order(shown, group_by(("cluster",), scope.select(recorded.NODE_INFO)))


def cm_servers(scope: Scope) -> str:
    """Code the state of each cm_server in the views that count; see words.CM_SERVER_STATES."""
    shown = [
        group_by(INSTANCE, scope.select(recorded.CM_SERVER_STATE, f'state="{state}"'))
        for state in words.CM_SERVER_STATES
    ]
    return in_order(shown, _members(scope, "cm_server"))


def datanode_roles(scope: Scope) -> str:
    """Code the role of each datanode in the views that count; see words.DATANODE_ROLES."""
    shown = [
        group_by(INSTANCE, answered(scope, scope.select(cluster.DATANODE_ROLE, f'role="{role}"')))
        for role in words.DATANODE_ROLES
    ]
    return in_order(shown, _members(scope, "datanode"))


def datanode_states(scope: Scope) -> str:
    """Code the HA state of each datanode in the views that count; see words.DATANODE_STATES."""
    shown = [
        group_by(INSTANCE, answered(scope, scope.select(cluster.DATANODE_STATE, f'state="{name}"')))
        for name in words.DATANODE_STATES
    ]
    return in_order(shown, _members(scope, "datanode"))


def _members(scope: Scope, component: str) -> str:
    return group_by(INSTANCE, scope.select(recorded.MEMBER, f'component="{component}"'))


def markers(scope: Scope) -> str:
    """Code what keeps each node, or one of its instances, stopped; see words.MARKERS."""
    by_cm, by_nobody = (
        scope.on_node(f"{scope.select(logs.STOP_ORIGIN, _is('origin', name))} == 1")
        for name in ("restart_limit", "unknown")
    )
    whole = scope.select(recorded.STOPPED, 'instance_id=""')
    paused, instances = scope.select(recorded.PAUSED), scope.select(recorded.STOPPED)
    shown = [group_by(NODE, rows) for rows in (whole, paused, instances, by_cm, by_nobody)]
    return in_order(shown, group_by(NODE, scope.select(recorded.NODE_INFO)))
