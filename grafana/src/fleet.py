"""All clusters together: which one is in trouble, and which will be.

It asks recorded rows, of which a healthy fleet has few; of scraped metrics only what names nodes
and what puts a port at risk.
"""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as builders

from grafana.src import house, recorded, states, tables, words
from grafana.src.house import About
from grafana.src.promql import PORT, Scope, copied, first_of, group_by, labelled, or_none
from grafana.src.tables import Column

UID = "opengauss-fleet"
SCOPE = Scope()
CLUSTER = ("cluster",)
CONFLICT = SCOPE.select(recorded.CONFLICT)
SHOWN_NODES = 200  # rows of a table that a person may still scroll through


def tiles() -> list[house.Panel]:
    """Count clusters and nodes."""
    info = SCOPE.select(recorded.NODE_INFO)
    clusters = group_by(CLUSTER, info)
    normal = list(words.CLUSTER_STATES).index("Normal") + 1
    nodes_at_risk = group_by(states.NODE, states.at_risk(SCOPE))
    unwatched = f"group by (cluster, node_id) ({states.not_watched(SCOPE)})"
    tiles_ = (
        ("Clusters", "Clusters of which a node is watched.", clusters, words.NEUTRAL),
        ("Nodes", "Nodes that are watched.", info, words.NEUTRAL),
        (
            "In conflict",
            "Clusters with a port in conflict now.",
            group_by(CLUSTER, CONFLICT),
            words.WRONG,
        ),
        (
            "Not Normal",
            "Clusters of which a node sees a state other than Normal, or no node gets an answer.",
            f"({states.cluster_state(SCOPE)}) != {normal}",
            words.LEFT,
        ),
        (
            "Nodes at risk",
            (
                "Nodes with a port that a next start would not get, that two endpoints share, or"
                " that the kernel may hand to any connection."
            ),
            nodes_at_risk,
            words.RISK,
        ),
        ("Not watched", "Members that no exporter speaks for.", unwatched, words.UNKNOWN),
    )
    return [
        house.count_panel(About(number, title, description, 4, 3), rows, colour)
        for number, (title, description, rows, colour) in enumerate(tiles_, 1)
    ]


COLUMNS = ("Ports", "State", "Conflicts", "At risk", "On purpose", "Not watched", "Nodes")


def clusters() -> house.Panel:
    """Draw each cluster with its verdict, its state and what there is to count."""
    about = About(
        7,
        "Cluster by cluster",
        "One row for each cluster; its name leads to its port conflicts. A cluster without the"
        " label of that name stands as (no label).",
        height=9,
    )
    info = SCOPE.select(recorded.NODE_INFO)
    counted = (
        CONFLICT,
        group_by(PORT, states.at_risk(SCOPE)),
        states.stopped(SCOPE),
        f"group by (cluster, node_id) ({states.not_watched(SCOPE)})",
    )
    nothing = f"{group_by(CLUSTER, info)} * 0"
    columns = [
        states.verdict(SCOPE, CLUSTER),
        states.cluster_state(SCOPE),
        *(first_of([f"count by (cluster) ({rows})", nothing]) for rows in counted),
        f"count by (cluster) ({info})",
    ]
    rows = first_of(labelled(f"({rows})", "what", title) for title, rows in zip(COLUMNS, columns))
    named = copied(labelled(f"({rows})", "name", "(no label)"), "name", "$1", "cluster", "(.+)")
    axes = tables.Axes("name", "what", "Cluster", COLUMNS, 190)
    panel = tables.matrix_panel(about, f"max by (name, what) ({named})", axes)
    return _worded(panel)


def _worded(panel: house.Panel) -> house.Panel:
    state = words.coloured(words.CLUSTER_STATES, words.NO_ANSWER)
    panel.override_by_name("Ports", _filled(words.numbered(words.VERDICT)))
    panel.override_by_name("State", _filled(state))
    for title in COLUMNS[2:-1]:
        panel.override_by_name(title, house.properties({"mappings": [words.mapping(_NONE)]}))
    link = {
        "title": "Port conflicts",
        "url": "/d/opengauss-port-conflicts?var-cluster=${__value.text}",
        "targetBlank": False,
    }
    panel.override_by_name("Cluster", house.properties({"links": [link]}))
    return panel


_NONE = {"0": words.NONE}


def _filled(told: words.Words) -> list[house.Property]:
    return house.properties(tables.filled_cells(told))


def over_time() -> list[house.Panel]:
    """Draw states, reasons and conflicts over time."""
    by_state = About(
        8,
        "Clusters by state",
        "How many clusters have a node that sees them so. A cluster whose nodes disagree counts"
        " once for each state; no answer: no node's query was answered by a primary cm_server.",
        8,
        8,
    )
    reasons = About(
        9,
        "Top reasons of conflicts",
        "Ports in conflict by the reason, the ones of stopped components left out.",
        8,
        8,
    )
    risks = About(
        10,
        "Ports at risk, by kind",
        "Latent: a holder would stop the next start. Shared: two endpoints of a node have the"
        " port. Ephemeral: the kernel may hand the port to any outgoing connection.",
        8,
        8,
    )
    why = f"topk(5, count by (reason) ({CONFLICT}))"
    kinds = first_of(labelled(f"count({rows})", "risk", kind) for kind, rows in _risks().items())
    return [
        _counted(by_state, _by_state(), "state", words.SEEN_STATES),
        _counted(reasons, why, "reason", words.REASONS),
        _counted(risks, kinds, "risk", words.RISKS),
    ]


def _counted(about: About, rows: str, label: str, colours: dict[str, str]) -> house.Panel:
    named = [(or_none(rows, label), f"{{{{{label}}}}}")]
    return house.series_panel(about, named, colours=colours)


def _by_state() -> str:
    seen = f"group by (cluster, state) ({SCOPE.select(recorded.CLUSTER_STATE)})"
    silent = f"count(({states.cluster_state(SCOPE)}) == 0)"
    return first_of([f"count by (state) ({seen})", labelled(silent, "state", words.NO_ANSWER.text)])


def _risks() -> dict[str, str]:
    return {
        "latent": group_by(PORT, SCOPE.select(recorded.BLOCKED)),
        "shared": group_by(PORT, SCOPE.select(recorded.DUPLICATE)),
        "ephemeral": group_by(PORT, states.ephemeral(SCOPE)),
    }


NODE_COLUMNS = (
    Column("risk", "Risk", 140, {"none": words.NONE}),
    Column("cluster", "Cluster", 260),
    Column("node_name", "Node", 260),
    Column("Value", "Ports"),
)


def nodes() -> house.Panel:
    """List the nodes with ports at risk, the most ports first."""
    about = About(
        11,
        "Nodes by risk",
        f"The {SHOWN_NODES} nodes with the most ports at risk, by kind of risk.",
        height=8,
    )
    rows = first_of(
        labelled(f"count by (cluster, node_name) ({rows})", "risk", kind)
        for kind, rows in _risks().items()
    )
    most = f"sort_desc(topk({SHOWN_NODES}, {rows}))"
    return tables.table_panel(about, or_none(most, "risk"), NODE_COLUMNS)


def build() -> builders.Dashboard:
    """Build the page."""
    made = house.page(
        UID,
        "openGauss: fleet",
        "All clusters: which are in trouble, and which nodes will be at their next start.",
        SCOPE,
        every_cluster=True,
    )
    return house.filled(made, (*tiles(), clusters(), *over_time(), nodes()))
