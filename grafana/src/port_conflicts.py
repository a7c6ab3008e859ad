"""The page that an alert links to: which node, which port, who holds it, and what now."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.models import dashboard

from exporter.metrics import cluster, logs, ports
from exporter.model.words import ENDPOINT_WORDS
from grafana.src import house, recorded, words
from grafana.src.house import About, Column
from grafana.src.promql import (
    ON_TARGET,
    PORT,
    Scope,
    coded,
    copied,
    first_of,
    group_by,
    labelled,
    or_none,
    or_zero,
)

UID = "opengauss-port-conflicts"
SCOPE = Scope(("cluster", "job", "instance", "node", "endpoint"))
HOLDER = recorded.HOLDER_START.labels
ON_PORT = f"on ({', '.join(PORT)})"
NODE = ("cluster", "node_name")

CONFLICT = SCOPE.select(recorded.CONFLICT)
BLOCKED = SCOPE.select(recorded.BLOCKED)
LEFT_STOPPED = SCOPE.select(recorded.LEFT_STOPPED)
PASSED = SCOPE.select(recorded.ALERTS, 'alertname="OpenGaussPortConflictPassed"')
STOPPED = SCOPE.select(recorded.STOPPED)
PAUSED = SCOPE.select(recorded.PAUSED)
DUPLICATE = SCOPE.select(recorded.DUPLICATE)
MEMBER = SCOPE.select(recorded.MEMBER)
INFO = SCOPE.select(recorded.NODE_INFO)
EPHEMERAL = SCOPE.on_node(f"{SCOPE.select(ports.PORT_EPHEMERAL_RISK)} == 1")
# Watched by whichever exporter: choosing an instance makes no other node an unwatched one.
WATCHED = Scope(("cluster",)).select(recorded.NODE_INFO)
NOT_WATCHED = f"{MEMBER}\nunless on (cluster, node_id) {WATCHED}"


def verdict_of(labels: tuple[str, ...]) -> str:
    """Tell the verdict's code for each combination of labels; see words.VERDICT."""
    down = first_of([group_by(labels, LEFT_STOPPED), group_by(labels, PASSED)])
    risks = first_of(group_by(labels, risk) for risk in (BLOCKED, DUPLICATE, EPHEMERAL))
    return coded(
        {
            6: group_by(labels, CONFLICT),
            5: f"({down})",
            4: f"({risks})",
            3: group_by(labels, f"{STOPPED} or {PAUSED}"),
            2: group_by(labels, NOT_WATCHED),
            1: group_by(labels, INFO),
        }
    )


def status_rows() -> str:
    """Tell the ports that are taken now or block a start, with the label `status`."""
    return first_of(
        [labelled(CONFLICT, "status", "conflict"), labelled(BLOCKED, "status", "blocked")]
    )


def holder_rows() -> str:
    """Tell each holder with its pid as a label and its start as the value, 0 if not known.

    A port whose holder has vanished keeps a row of its own.
    """
    on_holder = f"on ({', '.join(HOLDER)})"
    pids = f'count_values by ({", ".join(HOLDER)}) ("pid", {SCOPE.select(recorded.HOLDER_PID)})'
    started = f"{pids} * {on_holder} group_left () {SCOPE.select(recorded.HOLDER_START)}"
    held = first_of([started, f"{pids} * 0"])
    joined = f"({held}) * {ON_PORT} group_left (status, reason, node_id) ({status_rows()})"
    return f"({joined})\nor {ON_PORT} (({status_rows()}) * 0)"


def holders() -> str:
    """Tell the table of holders."""
    checked = "|".join(name for name, word in ENDPOINT_WORDS.items() if word.precheck)
    rows = labelled(holder_rows(), "agent", "unchecked")
    joined = f'label_join({rows}, "case", "/", "endpoint", "reason")'
    rows = copied(joined, "agent", "$2", "case", f"({checked})/(.*)")
    rows = copied(rows, "place", "$1", "container", "(.{12}).*")
    rows = copied(rows, "place", "$1", "unit", "(.+)")
    shown = [column.label for column in HOLDER_COLUMNS if column.label != "Value"]
    return or_none(f"max by ({', '.join(shown)}) ({rows}) * 1000", "status")


NOT_KNOWN = {"0": words.Word("-", words.NEUTRAL)}
HOLDER_COLUMNS = (
    Column("status", "State", 130, words.STATUS, filled=True),
    Column("node_name", "Node", 75),
    Column("endpoint", "Endpoint", 140),
    Column("port", "Port", 62),
    Column("relation", "Holder", 95),
    Column("process", "Process", 105),
    Column("pid", "PID", 70),
    Column("user", "User", 65),
    Column("Value", "Running since", 155, NOT_KNOWN, "dateTimeAsIso"),
    Column("reason", "Reason", 150),
    Column("agent", "What cm_agent sees", 185, words.AGENT_SEES),
    Column("address", "Address", 110),
    Column("place", "Unit or container"),
)


def next_steps() -> str:
    """Tell what to do, row by row: how to look, what to do, and what starts it again.

    Numbers alone become part of a command: pids, ports and the ids of nodes.
    """
    looks = copied(holder_rows(), "look", "ss -tanp 'sport = :$1'", "port", "([0-9]+)")
    looks = copied(looks, "look", "TZ=UTC ps -o pid,lstart,user,args -p $1", "pid", "([1-9][0-9]*)")
    held = copied(looks, "action", "$1", "relation", "(.+)")
    left = labelled(LEFT_STOPPED, "action", "left_stopped")
    passed = labelled(PASSED, "action", "passed")
    stopped = labelled(f"({STOPPED} or {PAUSED})", "action", "stopped")
    rows = first_of(
        [
            labelled(held, "runbook", "ports.md"),
            labelled(left, "runbook", "history.md"),
            labelled(passed, "runbook", "history.md"),
            labelled(stopped, "runbook", "cluster.md"),
        ]
    )
    rows = copied(rows, "start", "cm_ctl start -n $1", "node_id", "([0-9]+)")
    shown = ", ".join(column.label for column in STEP_COLUMNS)
    return or_none(f"max by ({shown}) ({rows})", "action")


STEP_COLUMNS = (
    Column("node_name", "Node", 75),
    Column("port", "Port", 62),
    Column("action", "What to do", None, words.ACTIONS),
    Column("look", "Look first, as root", 300),
    Column("start", "Not back after 1 min", 160),
    Column("runbook", "Runbook", 80, link=f"{house.RUNBOOKS}${{__value.raw}}"),
)


def cells() -> str:
    """Tell who holds each port of each node; see words.CELLS."""
    relation = first_of(
        f"{group_by(PORT, SCOPE.select(recorded.HOLDER_PID, _is(name)))} * {code}"
        for name, code in words.RELATION_CODES.items()
    )
    of_node = ("cluster", "node_name", "endpoint")
    watched = SCOPE.on_node(f"1 + ({SCOPE.select(ports.PORT_LISTENING)} == bool 0)")
    unwatched = labelled(group_by((*of_node[:2], "component"), NOT_WATCHED), "endpoint", "")
    unwatched = copied(unwatched, "endpoint", "$1", "component", "(.+)")
    held = [
        f"{group_by(PORT, rows)} * {code} + {ON_PORT} ({relation})"
        for rows, code in ((CONFLICT, words.IN_CONFLICT), (BLOCKED, words.BLOCKS_START))
    ]
    every = first_of(
        [
            *held,
            f"max by ({', '.join(PORT)}) ({watched})",
            f"{unwatched} * 3",
        ]
    )
    return f"max by (node_name, endpoint) ({every})"


def _is(relation: str) -> str:
    return f'relation="{relation}"'


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
    panel = house.table_panel(about, cells(), ())
    pivot: dict[str, object] = {
        "columnField": "endpoint",
        "rowField": "node_name",
        "valueField": "Value",
        "emptyValue": "null",
    }
    tidy: dict[str, object] = {
        "renameByName": {"node_name\\endpoint": "Node"},
        "indexByName": {"node_name\\endpoint": 0, **_order_of_endpoints()},
    }
    by_node: dict[str, object] = {"fields": {}, "sort": [{"field": "Node"}]}
    panel.transformations(
        [
            dashboard.DataTransformerConfig(id_val="groupingToMatrix", options=pivot),
            dashboard.DataTransformerConfig(id_val="organize", options=tidy),
            dashboard.DataTransformerConfig(id_val="sortBy", options=by_node),
        ]
    )
    panel.override_by_name("Node", house.properties({"custom.width": 110}))
    panel.override_by_field_type(
        "number",
        house.properties(
            {
                "mappings": [words.mapping(words.numbered(words.CELLS))],
                "custom.cellOptions": house.cell("color-background"),
                "custom.align": "center",
            }
        ),
    )
    return panel


def _order_of_endpoints() -> dict[str, int]:
    return {name: index for index, name in enumerate(ENDPOINT_WORDS, 1)}


def _count(number: int, title: str, rows: str, colour: str, description: str) -> house.Panel:
    """Show how many rows there are, in the colour of what they mean, or `none`."""
    about = About(number, title, description, 4, 3)
    words_ = {"0": words.NONE}
    return house.stat_panel(about, or_zero(f"count({rows})"), words_, colour)


def verdict_row() -> list[house.Panel]:
    """Say in words and colour what is the matter."""
    about = About(
        1,
        "Verdict",
        "The worst of what the tiles beside it count: a conflict now; one that has passed and left"
        " something down; a risk for the next start; stopped on purpose; a node that nobody"
        " watches; or none.",
        4,
        3,
    )
    everywhere = or_zero(f"max({verdict_of(('cluster',))})")
    verdict = house.stat_panel(about, everywhere, words.numbered(words.VERDICT))
    passed = f"{group_by(PORT, LEFT_STOPPED)} or {group_by(PORT, PASSED)}"
    return [
        verdict,
        _count(
            2,
            "Conflicts now",
            group_by(PORT, CONFLICT),
            words.WRONG,
            "Ports that their components need and do not get, because a socket is in the way.",
        ),
        _count(
            3,
            "Left down",
            passed,
            words.LEFT,
            "Ports that are free again, but whose conflict has left an instance down: by CM's"
            " own marker, or because nothing started it again.",
        ),
        _count(
            4,
            "At risk",
            first_of(group_by(PORT, risk) for risk in (BLOCKED, DUPLICATE, EPHEMERAL)),
            words.RISK,
            "Ports whose component would not get them at its next start, that two endpoints"
            " share, or that the kernel may hand to any outgoing connection.",
        ),
        _count(
            5,
            "On purpose",
            f"{STOPPED} or {PAUSED}",
            words.ON_PURPOSE,
            "Nodes and instances that an operator stopped, and nodes that are paused.",
        ),
        _count(
            6,
            "Not watched",
            f"group by (cluster, node_id) ({NOT_WATCHED})",
            words.UNKNOWN,
            "Members of the cluster that no exporter speaks for: of them nothing is known.",
        ),
    ]


def tables() -> list[house.Panel]:
    """Name the holders and the next steps."""
    who = About(
        7,
        "Which node, which port, who holds it",
        "Every process with a socket that keeps a component from its port, or would at its next"
        " start. PID 0 or an empty name: the exporter may not see it.",
        height=5,
    )
    what = About(
        8,
        "What to do next",
        "The steps by what the holder is. A pid is reused: compare its start with the table above."
        " cm_ctl start exits 0 even when it failed, so read what it prints.",
        height=5,
    )
    return [
        house.table_panel(who, holders(), HOLDER_COLUMNS),
        house.table_panel(what, next_steps(), STEP_COLUMNS),
    ]


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
    return house.state_panel(
        about,
        [
            (cluster_states(), "cluster", words.coloured(words.CLUSTER_STATES, NO_ANSWER)),
            (
                cm_server_states(),
                "{{node_name}} CMS",
                words.coloured(words.CM_SERVER_STATES, NO_ANSWER),
            ),
            (
                datanode_roles(),
                "{{node_name}} DN",
                words.coloured(words.DATANODE_ROLES, NO_ANSWER),
            ),
            (verdict_of(NODE), "{{node_name}} port", words.numbered(words.VERDICT)),
            (markers(), "{{node_name}} stop", words.coloured(words.MARKERS, words.NONE)),
        ],
    )


NO_ANSWER = words.Word("no answer", words.UNKNOWN)
OK = SCOPE.select(cluster.QUERY_OUTCOME, 'outcome="ok"')


def _code(shown: list[str], otherwise: str) -> str:
    """Give the expressions the codes 1, 2, … in their order, and 0 to the rows of the last."""
    return coded({**dict(enumerate(shown, 1)), 0: otherwise})


def cluster_states() -> str:
    """Code the state of the cluster in the views that count."""
    shown = [
        group_by(("cluster",), SCOPE.select(recorded.CLUSTER_STATE, f'state="{state}"'))
        for state in words.CLUSTER_STATES
    ]
    return _code(shown, group_by(("cluster",), INFO))


def cm_server_states() -> str:
    """Code the state of each cm_server in the views that count."""
    shown = [
        group_by(INSTANCE, SCOPE.select(recorded.CM_SERVER_STATE, f'state="{state}"'))
        for state in words.CM_SERVER_STATES
    ]
    return _code(shown, _members("cm_server"))


def datanode_roles() -> str:
    """Code the role of each datanode in the views that count."""
    shown = []
    for role in words.DATANODE_ROLES:
        played = SCOPE.select(cluster.DATANODE_ROLE, f'role="{role}"')
        shown.append(group_by(INSTANCE, f"({played} == 1) and {ON_TARGET} ({OK} == 1)"))
    return _code(shown, _members("datanode"))


INSTANCE = ("cluster", "node_name", "instance_id")


def _members(component: str) -> str:
    return group_by(INSTANCE, SCOPE.select(recorded.MEMBER, f'component="{component}"'))


def markers() -> str:
    """Code what keeps each node, or one of its instances, stopped."""
    by_origin = {
        origin: SCOPE.on_node(f"{SCOPE.select(logs.STOP_ORIGIN, _origin(origin))} == 1")
        for origin in ("restart_limit", "unknown")
    }
    whole = SCOPE.select(recorded.STOPPED, 'instance_id=""')
    shown = [whole, PAUSED, STOPPED, by_origin["restart_limit"], by_origin["unknown"]]
    return _code([group_by(NODE, rows) for rows in shown], group_by(NODE, INFO))


def _origin(origin: str) -> str:
    return f'origin="{origin}"'


def signature_rates() -> house.Panel:
    """Draw what the logs say."""
    about = About(
        11,
        "Log records by signature",
        "Records a second that have one of the signatures, of the chosen nodes together; the ones"
        " that report a port as taken are marked on every panel, too.",
        12,
        8,
    )
    rate = SCOPE.on_node(f"rate({SCOPE.select(logs.SIGNATURE_MATCHES)}[$__rate_interval])")
    rows = or_none(f"sum by (signature) ({rate}) > 0", "signature")
    return house.series_panel(about, [(rows, "{{signature}}")], "suffix: /s")


def alerts() -> house.Panel:
    """Draw which alerts fire."""
    about = About(
        12,
        "Firing alerts",
        "Every alert of this cluster while it fires, whatever Alertmanager does with it.",
        12,
        8,
    )
    firing = SCOPE.select(recorded.ALERTS, 'alertstate="firing", alertname=~"OpenGauss.+"')
    counted = f"count by (alertname, node_name) ({firing})"
    named = f'label_join({counted}, "alert", " ", "alertname", "node_name")'
    return house.series_panel(about, [(or_none(named, "alert"), "{{alert}}")])


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
    )
    for variable in house.variables(SCOPE):
        made.with_variable(variable)
    made.annotation(port_reports())
    for panel in (*verdict_row(), *tables(), matrix(), timeline(), signature_rates(), alerts()):
        made.with_panel(panel)
    return made
