"""Prints a cluster as cm_ctl query does: widths, headers, separators, and its log in between."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from exporter.cluster.facts import ClusterView, CmServer, Datanode, DatanodeState, Place, Problem

_PROBLEMS = {
    Problem.ROOT: "current user is the root user (uid = 0), exit.\n",
    Problem.ENVIRONMENT: "cm_ctl: Fail to access the cluster static config file.[ERRDETAIL]:x\n",
    Problem.NO_ANSWER: "cm_ctl: send query msg to cm_server failed.\n",
    Problem.NO_PRIMARY: "cm_ctl: can't connect to cm_server.\nMaybe cm_server is not running, or"
    " timeout expired. Please try again.\n",
}
RECORDS = (
    "DEBUG1: connect to cmserver success, remotehost is 10.0.0.1:15300.\n",
    "DEBUG1: 461 : connect to cmserver failed: server closed the connection\n\tThis means\n.\n",
    "DEBUG1: Datanode State: node=9 nodeName=n9 ip=10.9.9.9 role=Down state=Unknown\n",
)
REASONS = (
    "cm_ctl: opendir /nonexistent failed! \n",
    "(null): opendir  failed! \n",
    "logfile_open could not open log file:current.log Permission denied.\n",
)


@dataclass(frozen=True)
class Columns:
    """The flags: az (-z), ip (-i), port (-p), data_dir (-d), one datanode a line (-w).

    ``others``: whether the cluster has etcds, fenced UDFs and WAL records, too.
    """

    az: bool = False
    ip: bool = False
    port: bool = False
    data_dir: bool = False
    one_a_line: bool = False
    others: bool = False


def noise(record: int, reason: int) -> str:
    """One log record as it stands on stdout when the log cannot be written."""
    return f"{REASONS[reason]}write_log_file,log file is null now:2026 tid=1  {RECORDS[record]}\n"


def print_tables(
    view: ClusterView, columns: Columns, records: Sequence[tuple[int, str]] = ()
) -> str:
    """Print the view with -C -v; a record goes behind a line or a state, by its number."""
    sections = [*_servers(view, columns), *_resources(view, columns), *_cluster(view, columns)]
    sections += [*_datanodes(view, columns), *_udfs(view, columns)]
    for number, record in records:
        sections[number % len(sections)] += record
    return "".join(sections) + (_PROBLEMS[view.problem] if view.problem else "")


def _place(place: Place, columns: Columns) -> str:
    az = f"{place.az:5} " if columns.az else ""
    ip = f"{place.ip:16} " if columns.ip else ""
    return f"{az}{place.node_id:2} {place.node_name:8} {ip}"


def _head(title: str, columns: Columns, titles: str = "instance state") -> list[str]:
    ip = "node_ip          " if columns.ip else ""
    return [f"{title}\n\n", f"node       {ip}{titles}\n", "-" * 60 + "\n"]


def _servers(view: ClusterView, columns: Columns) -> list[str]:
    lines = [*_head("[  CMServer State   ]", columns)]
    for row in view.cm_servers:
        path = f"{row.data_dir:20} " if columns.data_dir else "    "
        lines.append(f"{_place(row.place, columns)}{row.instance_id:4} {path}{row.state.value}\n")
    lines.append("\n")
    if columns.others:
        lines += _head("[    ETCD State     ]", columns)
        path = f"{'/etcd':20} " if columns.data_dir else "    "
        lines += [f"{_place(row.place, columns)}7001 {path}Down\n" for row in view.cm_servers]
    return [*lines, "\n"]


def _resources(view: ClusterView, columns: Columns) -> list[str]:
    if not view.resources:
        return []
    lines = ["\n", *_head("[ Defined Resource State ]", columns, "res_name instance  state  ")]
    for row in view.resources:
        role = f" ({row.role:7})" if row.role else ""
        state = f"{row.state.value:7}{role}"
        lines.append(f"{_place(row.place, columns)}{row.resource:8} {row.instance_id:9} {state}\n")
    return [*lines, "\n"]


def _cluster(view: ClusterView, columns: Columns) -> list[str]:
    if view.cluster_state is None:
        return []
    lines = [
        "[   Cluster State   ]\n\n",
        f"cluster_state   : {view.cluster_state.value}\n",
        f"redistributing  : {_yes(view.redistributing)}\n",
        f"balanced        : {_yes(view.balanced)}\n",
        "current_az      : AZ_ALL\n",
    ]
    lines += ["pausing         : Yes\n"] if view.paused else []
    lines += ["enable_walrecord: Yes\n"] if columns.others else []
    return [*lines, "\n"]


def _yes(flag: object) -> str:
    return "Yes" if flag else "No"


def _datanodes(view: ClusterView, columns: Columns) -> list[str]:
    if not view.datanodes:
        return []
    pieces = _head("[  Datanode State   ]", columns)
    last = len(view.datanodes) - 1
    for number, row in enumerate(view.datanodes):
        between = "\n" if columns.one_a_line or number == last else " | "
        pieces += [_cell(row, columns), _detail(row) + between]
    return pieces


def _cell(row: Datanode, columns: Columns) -> str:
    port = f"{row.port:<6} " if row.port is not None else ""
    path = f"{row.data_dir:12} " if columns.data_dir else "    "
    static_role = row.static_role.value if row.static_role else ""
    words = f"{static_role} {row.role.value:7} {row.state.value}"
    return f"{_place(row.place, columns)}{row.instance_id} {port}{path}{words}"


def _detail(row: Datanode) -> str:
    if row.state is DatanodeState.BUILDING and row.progress is not None:
        return f"({row.progress}%)"
    return f"({row.reason})" if row.reason else ""


def _udfs(view: ClusterView, columns: Columns) -> list[str]:
    if not columns.others:
        return []
    plain = Columns(ip=columns.ip)
    rows = [f"{_place(row.place, plain)}Down\n" for row in view.datanodes]
    return ["\n", *_head("[  Fenced UDF State   ]", plain, "state"), *rows]


def print_details(view: ClusterView) -> str:
    """Print the view with -v alone; every row's node is named by the block before it."""
    frame = "-" * 71 + "\n\n"
    summary = [
        ("cluster_state", view.cluster_state.value if view.cluster_state else "Unknown"),
        ("redistributing", _yes(view.redistributing)),
        ("balanced", _yes(view.balanced)),
    ]
    summary += [("pausing", "Yes")] if view.paused else []
    blocks = [frame, _block(summary), frame]
    rows: tuple[CmServer | Datanode, ...] = (*view.cm_servers, *view.datanodes)
    for row in rows:
        name = [("node", row.place.node_id), ("node_name", row.place.node_name)]
        blocks += [_block(name), _block(_instance(row))]
    return "".join([*blocks, frame])


def _instance(row: CmServer | Datanode) -> list[tuple[str, str]]:
    pairs = [
        ("node", row.place.node_id),
        ("instance_id", row.instance_id),
        ("node_ip", row.place.ip),
        ("data_path", row.data_dir),
    ]
    if isinstance(row, CmServer):
        return [*pairs, ("type", "CMServer"), ("instance_state", row.state.value)]
    pairs += [("type", "Datanode"), ("instance_state", row.role.value)]
    pairs += [("static_connections", "1"), ("HA_state", row.state.value)]
    if row.progress is not None:
        pairs += [("sync_state", "Async"), ("process_schedule", f"{row.progress}%")]
        return pairs
    return [*pairs, ("reason", row.reason), ("standby_node", "10.9.9.9"), ("standby_node", "")]


def _block(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(f"{key:26}: {value}\n" for key, value in pairs) + "\n"
