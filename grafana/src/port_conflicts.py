"""The page that an alert links to: which node, which port, who holds it, and what now."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as builders

from exporter.config.words import ENDPOINT_WORDS
from exporter.logs import metrics as logs
from grafana.src import holders, house, recorded, states, tables, words
from grafana.src.house import About
from grafana.src.promql import PORT, Scope, first_of, group_by, or_none, or_zero

UID = "opengauss-port-conflicts"
SCOPE = Scope(("cluster", "job", "instance", "node", "endpoint"))
FIRING = 'alertstate="firing", alertname=~"OpenGauss.+"'


def verdict_row() -> list[house.Panel]:
    """Say in words and colour what is the matter."""
    about = About(
        1,
        "Verdict",
        "The worst of what the tiles beside it count: a conflict now; one that has passed and left"
        " something down; an address that is missing; a risk for the next start; stopped on"
        " purpose; a node that nobody watches; or none.",
        4,
        3,
    )
    code = or_zero(f"max({states.verdict(SCOPE, ('cluster',))})")
    return [house.stat_panel(about, code, words.numbered(words.VERDICT)), *_tiles()]


def _tiles() -> list[house.Panel]:
    unwatched = f"group by (cluster, node_id) ({states.not_watched(SCOPE)})"
    tiles = (
        (
            "Conflicts now",
            group_by(PORT, SCOPE.select(recorded.CONFLICT)),
            words.WRONG,
            "Ports that their components need and do not get, because a socket is in the way.",
        ),
        (
            "Left down",
            states.left_down(SCOPE),
            words.LEFT,
            (
                "Ports that are free again, but whose conflict has left an instance down: by CM's"
                " own marker, or because nothing started it again."
            ),
        ),
        (
            "At risk",
            states.at_risk(SCOPE),
            words.RISK,
            (
                "Ports whose component would not get them at its next start, that two endpoints"
                " share, or that the kernel may hand to any outgoing connection."
            ),
        ),
        (
            "On purpose",
            states.stopped(SCOPE),
            words.ON_PURPOSE,
            "Nodes and instances that an operator stopped, and nodes that are paused.",
        ),
        (
            "Not watched",
            unwatched,
            words.UNKNOWN,
            "Members of the cluster that no exporter speaks for: of them nothing is known.",
        ),
    )
    return [
        house.count_panel(About(number, title, description, 4, 3), rows, colour)
        for number, (title, rows, colour, description) in enumerate(tiles, 2)
    ]


def who_and_what() -> list[house.Panel]:
    """Name the holders and the next steps."""
    who = About(
        7,
        "Which node, which port, who holds it",
        "Every process with a socket that keeps a component from its port, or would at its next"
        " start. PID 0 or an empty name: the exporter may not see it.",
        height=6,
    )
    what = About(
        8,
        "What to do next",
        "The steps by what the holder is. A pid is reused: compare its start with the table above."
        " Check the output of cm_ctl start: it exits 0 even on failure. Without CM nothing"
        " comes back by itself: gs_om starts it; NODE stands for a host of the static config.",
        height=6,
    )
    return [
        tables.table_panel(who, holders.holders(SCOPE), holders.HOLDER_COLUMNS),
        tables.table_panel(what, holders.next_steps(SCOPE), holders.STEP_COLUMNS),
    ]


def matrix() -> house.Panel:
    """Draw the nodes against the endpoints."""
    about = About(
        9,
        "Who holds which port",
        "One row for each node. Red: its component is kept from the port now. Yellow: only its next"
        " start would be. Free: nobody holds it, as while the component is stopped, or where"
        " nobody binds it. Not watched: no exporter speaks for the node.",
        height=5,
    )
    panel = tables.matrix_panel(
        about,
        holders.cells(SCOPE),
        tables.Axes("node_name", "endpoint", "Node", tuple(ENDPOINT_WORDS)),
    )
    tables.colour_numbers(panel, words.numbered(words.CELLS))
    return panel


def timeline() -> house.Panel:
    """Put the states of everything above each other on one time axis."""
    about = About(
        10,
        "What happened when: cluster, CMServers, datanodes, ports, markers",
        "One time axis for the cluster as CM sees it, each cm_server (CMS), each datanode (DN), the"
        " verdict about each node's ports, and the markers that keep it stopped. No answer: no"
        " node's query was answered by a primary cm_server.",
        height=14,
    )
    otherwise = words.NO_ANSWER
    cluster = words.coloured(words.CLUSTER_STATES, otherwise)
    cm_servers = words.coloured(words.CM_SERVER_STATES, otherwise)
    roles = words.coloured(words.DATANODE_ROLES, otherwise)
    verdicts = words.numbered(words.VERDICT)
    rows = [
        (states.cluster_state(SCOPE), "cluster", cluster),
        (states.cm_servers(SCOPE), "{{node_name}} CMS", cm_servers),
        (states.datanode_roles(SCOPE), "{{node_name}} DN", roles),
        (states.verdict(SCOPE, states.NODE), "{{node_name}} port", verdicts),
        (states.markers(SCOPE), "{{node_name}} stop", words.coloured(words.MARKERS, words.NONE)),
    ]
    return house.state_panel(about, rows)


def signature_rates() -> house.Panel:
    """Draw what the logs say."""
    about = About(
        11,
        "Log records by signature",
        "Records a second that have one of the signatures, of the chosen nodes together; the ones"
        " that report a port as taken are marked on every panel, too.",
        12,
        10,
    )
    rate = SCOPE.on_node(f"rate({SCOPE.select(logs.SIGNATURE_MATCHES)}[$__rate_interval])")
    rows = or_none(f"sum by (signature) ({rate}) > 0", "signature")
    return house.series_panel(about, [(rows, "{{signature}}")], house.PER_SECOND)


def alerts() -> house.Panel:
    """Draw which alerts fire."""
    about = About(
        12,
        "Firing alerts",
        "Every alert of this cluster while it fires, whatever Alertmanager does with it; those that"
        " are critical page.",
        12,
        10,
    )
    by_severity = [
        group_by(
            ("alertname", "node_name"),
            SCOPE.select(recorded.ALERTS, f'{FIRING}, severity="{severity}"'),
        )
        for severity in words.SEVERITIES
    ]
    codes = first_of(f"{rows} * {code}" for code, rows in enumerate(by_severity, 1))
    named = f'label_join({codes}, "alert", " ", "alertname", "node_name")'
    shown = words.coloured(words.SEVERITIES, words.NONE)
    return house.state_panel(about, [(or_none(named, "alert"), "{{alert}}", shown)])


def port_reports() -> builders.AnnotationQuery:
    """Mark the moments at which a log reports a port of an endpoint as taken."""
    reports = SCOPE.select(logs.PORT_REPORT, 'port!="other"')
    return house.annotation(
        "Port reported as taken",
        f"{reports} * 1000 > 0",
        "{{signature}}: port {{port}}",
        "instance,signature,port",
        words.WRONG,
    )


def build() -> builders.Dashboard:
    """Build the page."""
    made = house.page(
        UID,
        "openGauss: port conflicts",
        "One cluster: is a port in conflict, on which node, who holds it, and what to do.",
        SCOPE,
    )
    made.annotation(port_reports())
    rows = (*verdict_row(), *who_and_what(), matrix(), timeline(), signature_rates(), alerts())
    return house.filled(made, rows)
