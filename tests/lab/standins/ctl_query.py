"""`cm_ctl query`: ask every cm_server for its role, then the primary for the cluster."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.lab.standins import tables, wire
from tests.lab.standins.cm_server import ROLE_ONLY
from tests.lab.standins.ctl_base import Ctl
from tests.lab.standins.plan import NodePlan
from tests.lab.standins.tables import Datanode, Flags, Resource, Server, View

NO_PRIMARY = (
    "can't connect to cm_server.\n"
    "Maybe cm_server is not running, or timeout expired. Please try again."
)
_SEND_FAILED = "send query msg to cm_server failed."
_SEND_FAILED_SECONDS = 71.4  # as recorded, with a link that went down in the middle
_CALL_LINE = 461  # of ctl_common.cpp, as the records tell it


class _SendFailedError(Exception):
    """The primary was there when it was asked, and has not answered."""


def query(ctl: Ctl) -> int:
    """Print what the flags ask for; return 0, or 255 without a primary or its answer."""
    options = ctl.command.options
    output = options.get("l")
    try:
        if output is None:
            found = print_query(ctl, ctl.write)
        else:
            with Path(output).open("w", encoding="utf-8") as file:
                found = print_query(ctl, file.write)
    except _SendFailedError:
        ctl.tell("ERROR", _SEND_FAILED)
        return 255
    if not found:
        ctl.tell("ERROR", NO_PRIMARY)
    return 0 if found else 255


def print_query(ctl: Ctl, write: Callable[[str], object]) -> bool:
    """Print the tables; False when there is no primary to tell more than the first."""
    flags = Flags(frozenset(ctl.command.options))
    servers = []
    if "v" in flags and not ({"S", "s"} & flags.letters):
        servers = _servers(ctl, flags, write if "C" in flags else lambda _: None)
        if "C" in flags:
            ctl.record("DEBUG1", "query_kerberos: MPPDB_KRB5_FILE_PATH get fail.")
    elif "s" in flags:
        write("\n")
    _hang_if_told(ctl)
    leaders = [server.node_id for server in servers if server.state == "Primary"]
    view = ask_primary(ctl, leaders if "C" in flags and servers else None)
    if view is None:
        return False
    if not ctl.plan.pooled:
        ctl.record("DEBUG1", "[InitResStat] no custom resource config.")
    write(rest(view, servers, flags))
    _record_abnormal(ctl, view)
    return True


def _hang_if_told(ctl: Ctl) -> None:
    """Hang behind the table, then fail; the fault's text is for how many seconds."""
    told = ctl.node.fault("cm_ctl_send_fails")
    if told is not None:
        sys.stdout.flush()
        time.sleep(float(told or _SEND_FAILED_SECONDS))
        raise _SendFailedError


def rest(view: View, servers: list[Server], flags: Flags) -> str:
    """Return all that is printed behind the table of cm_servers."""
    if "v" not in flags:
        return tables.summary(view)
    if "C" not in flags:
        return tables.summary(view) + tables.details(servers, view.datanodes)
    if "S" in flags:
        return tables.cluster_section(view, flags)
    datanodes = tables.datanode_section(view.datanodes, flags)
    if "s" in flags:
        return datanodes
    before = tables.resource_section(view.resources, flags)
    fenced = "\n" + tables.fenced_section(view.datanodes, flags) if "F" in flags else ""
    return f"{before}{tables.cluster_section(view, flags)}\n{datanodes}{fenced}"


def _servers(ctl: Ctl, flags: Flags, write: Callable[[str], object]) -> list[Server]:
    """Ask every cm_server between the table's head and its rows, as the real one does."""
    unasked = [_as_row(node, "") for node in ctl.plan.nodes]
    write(tables.server_head(unasked, flags))
    servers = [_server(ctl, node) for node in ctl.plan.nodes]
    for server, row in tables.server_rows(servers, flags):
        write(row)
        if server.abnormal:
            place = f"node={server.node_id} nodeName={server.node_name} ip={server.ip}"
            path = server.path if "d" in flags else ""
            what = f"instanceId={server.node_id} DataPath={path} state={server.state}"
            ctl.record("DEBUG1", f"CMServer State: {place} {what}")
    write("\n")
    return servers


def _as_row(node: NodePlan, state: str) -> Server:
    return Server(node.node_id, node.name, node.address, f"{node.cm_dir}/cm_server", state)


def _server(ctl: Ctl, node: NodePlan) -> Server:
    state = _ask_role(ctl, node) or "Down"
    if state == "Down":
        ctl.record(
            "DEBUG1", f"can't connect to cm_server node {node.node_id} node_name {node.name}"
        )
    return _as_row(node, state)


def _ask_role(ctl: Ctl, node: NodePlan) -> str | None:
    talk = _connect(ctl, node, ROLE_ONLY)
    if talk is None:
        return None
    try:
        talk.connection.settimeout(ctl.command.number("t", 60))
        return str(talk.ask({"ask": "role"}))
    except (OSError, ValueError):
        return None
    finally:
        talk.close()


def ask_primary(ctl: Ctl, known: list[int] | None = None) -> View | None:
    """Return the primary's view of the cluster, or None when none answers.

    All cm_servers are tried in turn, unless their roles are known already.
    """
    for node in ctl.plan.nodes:
        if known is not None and node.node_id not in known:
            continue
        talk = _connect(ctl, node, "cm_ctl")
        if talk is not None:
            talk.connection.settimeout(ctl.command.number("t", 60))
            try:
                return _view(ctl, talk.ask({"ask": "query"}))
            except (OSError, ValueError):
                return None
            finally:
                talk.close()
    return None


def _connect(ctl: Ctl, node: NodePlan, name: str) -> wire.Conversation | None:
    target = (node.address, node.cm_port)
    try:
        talk = wire.connect(target, ctl.node.address, name, user=wire.user_name())
    except wire.ConnectError as error:
        text = f"{_CALL_LINE} : connect to cmserver failed: {error}."
        ctl.record("DEBUG1", text)
        return None
    text = f"connect to cmserver success, remotehost is {node.address}:{node.cm_port}."
    ctl.record("DEBUG1", text)
    return talk


def _view(ctl: Ctl, answer: dict[str, Any]) -> View:
    reports = answer["reports"]
    nodes = ctl.plan.nodes
    datanodes = tuple(_datanode(node, reports[str(node.node_id)], nodes[0]) for node in nodes)
    names = ("dms_res", "dss") if ctl.plan.pooled else ()
    resources = tuple(_resource(n, name, reports[str(n.node_id)]) for name in names for n in nodes)
    pausing = Path(ctl.node.bin, "cluster_manual_pause").exists()
    return View(answer["cluster_state"], answer["balanced"], datanodes, resources, pausing)


def _datanode(node: NodePlan, report: dict[str, Any], first: NodePlan) -> Datanode:
    static_role = "P" if node is first else "S"
    state, _, behind = report["state"].partition("(")
    role, path = report["role"], str(node.data)
    return Datanode(
        node.node_id, node.name, node.address, node.db_port, node.dn_id, path, static_role, role,
        state, report["reason"], f"({behind}" if behind else "",
    )  # fmt: skip


def _resource(node: NodePlan, name: str, report: dict[str, Any]) -> Resource:
    state = "Deleted" if report["stopped"] else report["resources"].get(name, "Unknown")
    number = node.dn_id if name == "dms_res" else node.resource_id
    return Resource(node.node_id, node.name, node.address, name, number, state)


def _record_abnormal(ctl: Ctl, view: View) -> None:
    for dn in view.datanodes:
        if dn.state != "Normal":
            place = f"node={dn.node_id} nodeName={dn.node_name} ip={dn.ip} port={dn.port}"
            what = f"instanceId={dn.instance_id} DataPath={dn.path} static_role={dn.static_role}"
            how = f"role={dn.role} state={dn.state} buildReason={dn.reason}"
            ctl.record("DEBUG1", f"Datanode State: {place} {what} {how}")
