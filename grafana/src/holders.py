"""Queries for who holds the ports of a cluster's nodes, and what to do about it."""

from __future__ import annotations

from exporter.config.words import ENDPOINT_WORDS
from exporter.ports import metrics as ports
from grafana.src import recorded, states, words
from grafana.src.promql import (
    PORT,
    Scope,
    copied,
    first_of,
    group_by,
    labelled,
    or_none,
)
from grafana.src.tables import Column

HOLDER = recorded.HOLDER_START.labels
ON_PORT = f"on ({', '.join(PORT)})"
ON_ENDPOINT = "on (cluster, node_name, endpoint, instance_id)"
# The start of a process in the time zone in which the page shows it.
PROCESS = "TZ=${__timezone} ps -o pid,lstart,user,args"
# The form of a host's name, as nothing else becomes part of a command.
HOST = "[A-Za-z0-9][A-Za-z0-9_.-]*"
CLUSTER = Scope(("cluster",))
NODE = ("cluster", "node_id")
CM_PORTS, DB_PORTS = (
    "|".join(
        name
        for name, word in ENDPOINT_WORDS.items()
        if word.precheck and word.component == component
    )
    for component in ("cm_server", "datanode")
)
# What gs_om starts: neither a heartbeat, which gaussdb opens by itself, nor what is not openGauss'.
BY_GS_OM = f"(?:{DB_PORTS}|dms)"
RANGE = "sysctl net.ipv4.ip_local_port_range"
NO_TIME = {"0": words.Word("-", words.NEUTRAL)}

HOLDER_COLUMNS = (
    Column("status", "State", 112, words.STATUS, filled=True),
    Column("node_name", "Node", 75),
    Column("endpoint", "Endpoint", at_least=100),
    Column("port", "Port", 62),
    Column("process", "Process", 100),
    Column("pid", "PID", 68),
    Column("user", "User", 62),
    Column("place", "Unit, container", at_least=105),
    Column("Value", "Running since", None, NO_TIME, "dateTimeAsIso", at_least=98),
    Column("how", "Reason, address", at_least=150),
    Column("agent", "cm_agent sees", None, words.AGENT_SEES, at_least=105),
)

STEP_COLUMNS = (
    Column("node_name", "Node", 75),
    Column("port", "Port", 62),
    Column("action", "What to do", None, words.ACTIONS),
    Column("look", "Look first, as root", 325),
    Column("start", "Not back after 1 min", 160),
    Column("runbook", "Runbook", 80, link="${__value.raw}"),
)


def _status_rows(scope: Scope, extra: str = "") -> str:
    """Tell the ports that are taken now or block a start, with the label `status`."""
    conflict, blocked = (
        scope.select(rows, extra) for rows in (recorded.CONFLICT, recorded.BLOCKED)
    )
    return first_of(
        [labelled(conflict, "status", "conflict"), labelled(blocked, "status", "blocked")]
    )


def _checked_rows(scope: Scope) -> str:
    """Tell the same with the label `agent`: what cm_agent's check makes of it, if there is one.

    A database with DMS has none, for scripts start it (CM cma_instance_management.cpp); nor has a
    port that only postgresql.conf names.
    """
    every = _status_rows(scope)
    servers, databases = (
        _status_rows(scope, f'endpoint=~"{words}"') for words in (CM_PORTS, DB_PORTS)
    )
    with_dms, without_cm = (
        CLUSTER.select(rows) for rows in (recorded.WITH_DMS, recorded.WITHOUT_CM)
    )
    unmoved = f"({databases}) unless {ON_ENDPOINT} {scope.select(recorded.MOVED)}"
    checked = first_of([servers, f"{unmoved} unless on (cluster) {with_dms}"])
    there = f"({checked}) unless on (cluster) {without_cm}"
    rows = (
        copied(there, "agent", "$1", "reason", "(.+)"),
        labelled(f"({every}) and on (cluster) {without_cm}", "agent", "without_cm"),
        labelled(every, "agent", "unchecked"),
    )
    return f"\nor {ON_PORT} ".join(rows)


def _holder_rows(scope: Scope, status: str, *labels: str) -> str:
    """Tell each holder with its pid as a label and its start as the value, 0 if not known.

    A port whose holder has vanished keeps a row of its own. ``labels`` are more of the status'.
    """
    on_holder = f"on ({', '.join(HOLDER)})"
    pids = f'count_values by ({", ".join(HOLDER)}) ("pid", {scope.select(recorded.HOLDER_PID)})'
    started = f"{pids} * {on_holder} group_left () {scope.select(recorded.HOLDER_START)}"
    held = first_of([started, f"{pids} * 0"])
    shown = ("status", "reason", "node_id", *labels)
    joined = f"({held}) * {ON_PORT} group_left ({', '.join(shown)}) ({status})"
    return f"({joined})\nor {ON_PORT} (({status}) * 0)"


def holders(scope: Scope) -> str:
    """Tell the table of holders."""
    rows = _holder_rows(scope, _checked_rows(scope), "agent")
    rows = copied(rows, "place", "$1", "container", "(.{12}).*")
    rows = copied(rows, "place", "$1", "unit", "(.+)")
    rows = copied(rows, "at", "on $1", "address", "(.+)")
    rows = f'label_join({rows}, "how", " ", "reason", "at")'
    shown = [column.label for column in HOLDER_COLUMNS if column.label != "Value"]
    return or_none(f"max by ({', '.join(shown)}) ({rows}) * 1000", "status")


def next_steps(scope: Scope) -> str:
    """Tell what to do, row by row: how to look, what to do, and what starts it again.

    Numbers, and names of the form of a host's, alone become part of a command: pids, ports, nodes.
    """
    left, down = scope.select(recorded.LEFT_STOPPED), states.passed(scope)
    taken = first_of(
        [
            _step(_held(scope), "", "ports.md"),
            _step(left, "left_stopped", "history.md", by="gs_om"),
            _step(down, "passed", "history.md", by="gs_om"),
        ]
    )
    rows = first_of(
        [
            _starting(taken),
            _step(states.address_missing(scope), "address", "risks.md", "ip -brief address"),
            _step(scope.select(recorded.DUPLICATE), "duplicate", "risks.md"),
            _step(states.ephemeral(scope), "ephemeral", "risks.md", RANGE),
            _starting(_step(states.stopped(scope), "stopped", "cluster.md", by="gs_om")),
        ]
    )
    shown = ", ".join(column.label for column in STEP_COLUMNS)
    return or_none(f"max by ({shown}) ({_with_runbook(scope, rows)})", "action")


def _with_runbook(scope: Scope, rows: str) -> str:
    """Make the runbook's page an address, below the one that all links to documents begin with.

    A step stays where no such address is recorded.
    """
    docs = f"topk(1, group by (docs) ({scope.select(recorded.ADDRESSES)})) or on () vector(1)"
    joined = f"({rows}) * on () group_left (docs) ({docs})"
    return f'label_join({joined}, "runbook", "/", "docs", "page")'


def _held(scope: Scope) -> str:
    rows = _holder_rows(scope, _status_rows(scope))
    rows = copied(rows, "look", "ss -tanp 'sport = :$1'", "port", "([0-9]+)")
    rows = copied(rows, "look", f"{PROCESS} -p $1", "pid", "([1-9][0-9]*)")
    rows = copied(rows, "by", "gs_om", "endpoint", BY_GS_OM)
    return copied(rows, "action", "$1", "relation", "(.+)")


def _step(rows: str, action: str, page: str, look: str = "", by: str = "") -> str:
    labels = {"action": action, "look": look, "page": f"runbooks/{page}", "by": by}
    for label, value in labels.items():
        rows = labelled(rows, label, value) if value else rows
    return rows


def _starting(rows: str) -> str:
    """Say what starts a row's node: cm_ctl, and where there is no CM gs_om, if `by` says so."""
    rows = f"({rows}) * on ({', '.join(NODE)}) group_left (cm_ctl, gs_om) ({_starts()})"
    rows = copied(rows, "start", "$1", "cm_ctl", "(.+)")
    rows = f'label_join({rows}, "case", "/", "by", "gs_om")'
    return copied(rows, "start", "$1", "case", "gs_om/(.+)")


def _starts() -> str:
    """Tell each node's command to start it, in the label of the program whose command it is.

    gs_om knows a host by its name in the static config; without one it would start all nodes.
    """
    nodes = group_by(NODE, CLUSTER.select(recorded.NODE_INFO))
    hosts = CLUSTER.select(recorded.MEMBER, f'node_name=~"{HOST}"')
    of_gs_om = f"and on (cluster) {CLUSTER.select(recorded.WITHOUT_CM)}"
    named = f"topk by ({', '.join(NODE)}) (1, {group_by((*NODE, 'node_name'), hosts)}) {of_gs_om}"
    rows = (
        copied(named, "gs_om", "gs_om -t start -h $1", "node_name", "(.+)"),
        labelled(f"{nodes} {of_gs_om}", "gs_om", "gs_om -t start -h NODE"),
        copied(nodes, "cm_ctl", "cm_ctl start -n $1", "node_id", "([0-9]+)"),
    )
    return f"\nor on ({', '.join(NODE)}) ".join(rows)


def cells(scope: Scope) -> str:
    """Tell who holds each port of each node; see words.CELLS."""
    relation = first_of(
        f"{group_by(PORT, scope.select(recorded.HOLDER_PID, _is(name)))} * {code}"
        for name, code in words.RELATION_CODES.items()
    )
    taken = {recorded.CONFLICT: words.IN_CONFLICT, recorded.BLOCKED: words.BLOCKS_START}
    held = [
        f"{group_by(PORT, scope.select(rows))} * {code} + {ON_PORT} ({relation})"
        for rows, code in taken.items()
    ]
    watched = scope.on_node(f"1 + ({scope.select(ports.PORT_LISTENING)} == bool 0)")
    address = f"{group_by(PORT, states.address_missing(scope))} * 4"
    own_or_free = f"max by ({', '.join(PORT)}) ({watched})"
    every = first_of([*held, address, own_or_free, f"({_unwatched(scope)}) * 3"])
    return f"max by (node_name, endpoint) ({every})"


def _is(relation: str) -> str:
    return f'relation="{relation}"'


def _unwatched(scope: Scope) -> str:
    """Tell the members without an exporter; a component stands for its main endpoint."""
    rows = group_by((*states.NODE, "component"), states.not_watched(scope))
    return copied(rows, "endpoint", "$1", "component", "(.+)")
