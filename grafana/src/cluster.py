"""One cluster as CM sees it, and as each of its nodes sees it."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as builders

from exporter.cluster import metrics as cluster
from exporter.logs import metrics as logs
from grafana.src import house, recorded, states, tables, words
from grafana.src.house import About
from grafana.src.promql import (
    ON_TARGET,
    TARGET_LABELS,
    Scope,
    copied,
    first_of,
    group_by,
    labelled,
    or_none,
    or_zero,
)
from grafana.src.tables import Column

UID = "opengauss-cluster"
SCOPE = Scope()
# Who looks, whatever node is chosen as the one that is looked at.
VIEWERS = Scope(("cluster", "job", "instance"))
STARTS = "cm_server_start|resource_restart|resource_restart_limit|start_exceeds_2min|start_failed"
SEEN = (*TARGET_LABELS, "seen")


def tiles() -> list[house.Panel]:
    """Say how the cluster is."""
    state = or_zero(f"max({states.cluster_state(SCOPE)})")
    verdict = or_zero(f"max({states.verdict(SCOPE, ('cluster',))})")
    balanced = f"min({SCOPE.select(cluster.CLUSTER_BALANCED)} and {states.ok(SCOPE)})"
    cm_servers = f"({states.cm_servers(SCOPE)}) == {_code_of(words.CM_SERVER_STATES, 'Down')}"
    datanodes = f"({states.datanode_roles(SCOPE)}) == {_code_of(words.DATANODE_ROLES, 'Down')}"
    return [
        house.stat_panel(
            About(1, "Cluster", "CM's word for the cluster, the worst that any node sees.", 4, 3),
            state,
            words.coloured(words.CLUSTER_STATES, words.NO_ANSWER),
        ),
        _down(2, "CMServers down", "cm_servers that answer no node at all.", cm_servers),
        _down(3, "Datanodes down", "Datanodes whose role is Down in every view.", datanodes),
        house.stat_panel(
            About(
                4,
                "Balance",
                "Whether every view says that every datanode plays the role that it was installed"
                " with. No is not a"
                " failure: after a failover it is so until somebody switches back.",
                4,
                3,
            ),
            f"{balanced} or on () vector(-1)",
            words.BALANCE,
        ),
        _down(
            5,
            "Views differ",
            "Different states that the nodes see at the same time beyond the first, and nodes whose"
            " query fails while another's is answered.",
            _disagreements(),
        ),
        house.stat_panel(
            About(6, "Ports", "The verdict about the cluster's ports; see its own page.", 4, 3),
            verdict,
            words.numbered(words.VERDICT),
        ),
    ]


def _down(number: int, title: str, description: str, rows: str) -> house.Panel:
    about = About(number, title, description, 4, 3)
    told = states.told(SCOPE, f"count({rows})")
    return house.stat_panel(about, told, words.TOLD, words.WRONG)


def _code_of(listed: dict[str, str], word: str) -> int:
    return list(listed).index(word) + 1


def _disagreements() -> str:
    """Tell what is too much for one view: the states but one, and the nodes without an answer."""
    seen = VIEWERS.select(recorded.CLUSTER_STATE)
    answered = VIEWERS.select(recorded.VIEW)
    failing = VIEWERS.select(recorded.QUERY_OUTCOME)
    return first_of(
        [
            f"{seen} unless on (cluster, state) topk by (cluster) (1, {seen})",
            f"{failing} and on (cluster) {answered}",
        ]
    )


def timeline() -> house.Panel:
    """Put the states of the cluster's parts above each other."""
    about = About(
        7,
        "States and roles",
        "The cluster, each cm_server (CMS), each datanode's role (DN) and its HA state (HA), in the"
        " views that a primary cm_server has answered.",
        height=10,
    )
    otherwise = words.NO_ANSWER
    cm_servers = words.coloured(words.CM_SERVER_STATES, otherwise)
    roles = words.coloured(words.DATANODE_ROLES, otherwise)
    ha_states = words.coloured(words.DATANODE_STATES, otherwise)
    return house.state_panel(
        about,
        [
            (
                states.cluster_state(SCOPE),
                "cluster",
                words.coloured(words.CLUSTER_STATES, otherwise),
            ),
            (states.cm_servers(SCOPE), "{{node_name}} CMS", cm_servers),
            (states.datanode_roles(SCOPE), "{{node_name}} DN", roles),
            (states.datanode_states(SCOPE), "{{node_name}} HA", ha_states),
        ],
    )


def views() -> house.Panel:
    """Put what each node sees side by side."""
    about = About(
        8,
        "What each node sees, side by side",
        "A column for each node that asks, a row for what it sees: the cluster, each cm_server and"
        " each datanode. Two words in one row are a disagreement; a partition looks so.",
        height=7,
    )
    kinds = (
        (cluster.CLUSTER_STATE, "state", words.CLUSTER_STATES, "cluster", 100),
        (cluster.SERVER_STATE, "state", words.VIEWED_CM_SERVER, "cm_server of $1", 200),
        (cluster.DATANODE_ROLE, "role", words.DATANODE_ROLES, "datanode of $1", 300),
    )
    rows, shown = [], {}
    for metric, label, listed, seen, offset in kinds:
        for code, (word, colour) in enumerate(listed.items(), offset):
            told = f"{VIEWERS.select(metric, _is(label, word))} == 1"
            rows.append(f"{group_by(SEEN, _seen(told, seen))} * {code}")
            shown[code] = words.Word(word, colour)
    info = copied(VIEWERS.select(recorded.NODE_INFO), "viewer", "$1", "node_name", "(.+)")
    viewed = f"({first_of(rows)}) * {ON_TARGET} group_left (viewer) {info}"
    panel = tables.matrix_panel(
        about, f"max by (seen, viewer) ({viewed})", tables.Axes("seen", "viewer", "Seen", width=220)
    )
    tables.colour_numbers(panel, words.numbered(shown))
    return panel


def _seen(rows: str, name: str) -> str:
    if "$1" in name:
        return copied(rows, "seen", name, "node_name", "(.+)")
    return labelled(rows, "seen", name)


def _is(label: str, value: str) -> str:
    return f'{label}="{value}"'


def outcomes() -> house.Panel:
    """Draw how each node's queries end."""
    about = About(
        9,
        "How the queries of each node end",
        "The outcome of each node's last cm_ctl query. Purple: the exporter's own set-up keeps it"
        " from asking, which is no outage.",
        12,
        7,
    )
    shown = [
        group_by(
            states.NODE,
            SCOPE.on_node(f"{SCOPE.select(cluster.QUERY_OUTCOME, _is('outcome', name))} == 1"),
        )
        for name in words.OUTCOMES
    ]
    asked = states.in_order(shown, group_by(states.NODE, SCOPE.select(recorded.NODE_INFO)))
    unasked = words.Word("not asked yet", words.NEUTRAL)
    return house.state_panel(
        about, [(asked, "{{node_name}}", words.coloured(words.OUTCOMES, unasked))]
    )


def durations() -> house.Panel:
    """Draw how long the queries take."""
    about = About(
        10,
        "Duration of the queries",
        "How long each node's last cm_ctl query took. It grows by seconds for each cm_server that"
        " does not answer.",
        12,
        7,
    )
    taken = SCOPE.on_node(SCOPE.select(cluster.QUERY_DURATION))
    return house.series_panel(about, [(f"max by (node_name) ({taken})", "{{node_name}}")], "s")


def resources() -> house.Panel:
    """Draw the states of the defined resources."""
    about = About(
        11,
        "Resources",
        "The state of each instance of a resource that is defined in cm_resource.json, as DMS and"
        " DSS in resource pooling; none where none is defined.",
        12,
        7,
    )
    by = ("node_name", "resource", "instance_id")
    told = [
        group_by(
            by, states.answered(SCOPE, SCOPE.select(cluster.RESOURCE_STATE, _is("state", name)))
        )
        for name in words.RESOURCE_STATES
    ]
    codes = first_of(f"{rows} * {code}" for code, rows in enumerate(told, 1))
    named = f'label_join({codes}, "row", " ", "node_name", "resource")'
    nothing = f"({states.unanswered(SCOPE)} or on () vector(0))"
    defined = f"{named}\nor on () {labelled(nothing, 'row', 'all')}"
    shown = {**words.coloured(words.RESOURCE_STATES, words.NONE), **words.TOLD}
    return house.state_panel(about, [(defined, "{{row}}", shown)])


def starts() -> list[house.Panel]:
    """Tell of attempts to start."""
    attempts = About(
        12,
        "Start attempts",
        "Records a second of starts, restarts and failed starts, by node. A start each second is a"
        " component that dies at once.",
        12,
        7,
    )
    status = About(
        13,
        "What the last start said",
        "The number that cm_ctl wrote when a start exceeded two minutes, of the cluster, a zone, a"
        " node or an instance. None: no start has taken so long.",
        16,
        5,
    )
    given_up = About(
        14,
        "Given up after",
        "After how long the youngest start that failed was given up; the cluster may have started"
        " since.",
        8,
        5,
    )
    matches = SCOPE.select(logs.SIGNATURE_MATCHES, f'signature=~"{STARTS}"')
    rate = SCOPE.on_node(f"rate({matches}[$__rate_interval])")
    rows = f"sum by (signature, node_name) ({rate}) > 0"
    named = f'label_join({rows}, "row", " ", "signature", "node_name")'
    told = SCOPE.on_node(f"{SCOPE.select(logs.START_STATUS)} != 5")
    last = or_none(f"max by (node_name, scope) ({told})", "node_name", 5)
    failed = SCOPE.on_node(SCOPE.select(logs.START_FAILED_AFTER))
    none = {"0": words.NONE}
    return [
        house.series_panel(attempts, [(or_none(named, "row"), "{{row}}")], house.PER_SECOND),
        tables.table_panel(status, last, START_COLUMNS),
        house.stat_panel(given_up, or_zero(f"max({failed})"), none, words.NEUTRAL, "s"),
    ]


START_COLUMNS = (
    Column("node_name", "Node", 200, {"none": words.NONE}),
    Column("scope", "Start of", 200),
    Column("Value", "Number", None, words.START_STATUS, filled=True),
)


def build() -> builders.Dashboard:
    """Build the page."""
    made = house.page(
        UID,
        "openGauss: cluster",
        "One cluster as CM sees it, what each node sees of it, and how starts went.",
        SCOPE,
    )
    rows = (*tiles(), timeline(), views(), outcomes(), durations(), resources(), *starts())
    return house.filled(made, rows)
