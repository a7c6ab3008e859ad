"""`cm_ctl start`, `stop`, `pause`, `resume`: marker files on the nodes, then waiting and dots.

The real one reaches the other nodes by ssh; here all directories are on this machine.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable

from tests.lab.standins import ctl_query, procs
from tests.lab.standins.ctl_base import Ctl, parse
from tests.lab.standins.plan import NodePlan

_STATES = {"Starting": 0, "Normal": 2, "Unavailable": 3, "Degraded": 4, "Unknown": 5}
_HINT = (
    "HINT: Maybe the cluster is continually being started in the background.\n"
    "You can wait for a while and check whether the cluster starts, or increase the value of"
    ' parameter "-t", e.g -t 600.'
)
_SLOW_AFTER = 120


def start(ctl: Ctl) -> int:
    """Take the markers away and wait until it runs; 0 even when it does not, as the real one."""
    if "n" in ctl.command.options:
        return _start_node(ctl)
    ctl.tell("LOG", "checking cluster status.")
    ctl.tell("LOG", "checking cluster status.")
    ctl.tell("LOG", "checking finished in 500 ms.")
    ctl.tell("LOG", "start cluster. ")
    for node in ctl.plan.nodes:
        ctl.tell("LOG", f"start nodeid: {node.node_id}")
        _remove(node, ("cluster_manual_start", *_instance_markers(node)))
    limit = ctl.command.number("t", int(600 + 0.5 * len(ctl.plan.nodes)))
    if _wait(limit, lambda: _normal(ctl), lambda waited: _tell_slow(ctl, waited)):
        ctl.tell("LOG", "start cluster successfully.")
    else:
        ctl.tell("ERROR", f"start cluster failed in ({limit})s!\n\n{_HINT}")
        _append_query(ctl)
    return 0


def _append_query(ctl: Ctl) -> None:
    """Run `cm_ctl query -Cvdip` with its output in the own log, as a failed start does."""
    child = Ctl(ctl.plan, ctl.node, parse(("query", "-Cvdip")))
    printed: list[str] = []
    child.write = printed.append
    child.record("DEBUG1", f'ip: "{ctl.node.address}", cmd: "{child.command}". ')
    if not ctl_query.print_query(child, printed.append):
        printed.append(f"cm_ctl: {ctl_query.NO_PRIMARY}\n")
    child.raw("".join(printed))


def _start_node(ctl: Ctl) -> int:
    node = ctl.plan.node(ctl.command.number("n", 0))
    path = ctl.command.options.get("D")
    if path is None:
        ctl.tell("LOG", f"start the node:{node.node_id}. ")
        _remove(node, ("cluster_manual_start", *_instance_markers(node)))
    else:
        ctl.tell("LOG", f"start the node:{node.node_id},datapath:{path}. ")
        _remove(node, _instance_markers(node))
    limit = ctl.command.number("t", 600)
    programs = ("gaussdb",) if path is not None else ("cm_server", "gaussdb")
    if _wait(limit, _Steady(node, programs)):
        ctl.tell("LOG", "start node successfully.")
    else:
        hint = _HINT.replace("cluster", "node")
        ctl.tell("ERROR", f"start node failed in ({limit})s!\n\n{hint}")
        _append_query(ctl)
    return 0


class _Steady:
    """Whether a node's programs run and did a look ago: what dies of its port is not up."""

    def __init__(self, node: NodePlan, programs: tuple[str, ...]) -> None:
        self._node = node
        self._programs = programs
        self._before: dict[str, list[int]] = {}

    def __call__(self) -> bool:
        seen = {program: self._pids(program) for program in self._programs}
        steady = all(set(pids) & set(self._before.get(name, ())) for name, pids in seen.items())
        self._before = seen
        return steady

    def _pids(self, program: str) -> list[int]:
        node = self._node
        return procs.datanodes(node) if program == "gaussdb" else procs.find(node, program)


def stop(ctl: Ctl) -> int:
    """Make the markers and wait until nothing runs."""
    number = ctl.command.options.get("n")
    path = ctl.command.options.get("D")
    if number is None:
        return _stop_cluster(ctl)
    node = ctl.plan.node(int(number))
    if path is not None:
        ctl.tell("LOG", f"stop the node: {number}, datapath: {path}. ")
        _touch(node, f"instance_manual_start_{node.dn_id}")
        _wait(600, lambda: not procs.datanodes(node))
        ctl.tell("LOG", "stop instance successfully. ")
        return 0
    ctl.tell("LOG", f"stop the node: {number}. ")
    ctl.tell("LOG", f"stop node, nodeid: {number}")
    _touch(node, "cluster_manual_start")
    _wait(600, lambda: not procs.find(node, "cm_agent"))
    ctl.tell("LOG", "stop node successfully. ")
    return 0


def _stop_cluster(ctl: Ctl) -> int:
    ctl.tell("LOG", "stop cluster. ")
    for node in ctl.plan.nodes:
        ctl.tell("LOG", f"stop nodeid: {node.node_id}")
        _touch(node, "cluster_manual_start")
    nodes = ctl.plan.nodes
    _wait(600, lambda: not any(procs.find(node, "cm_agent") for node in nodes))
    ctl.tell("LOG", "stop cluster successfully.")
    return 0


def pause(ctl: Ctl) -> int:
    """Make the pause marker on every node."""
    ctl.tell("LOG", "Checking trust among all nodes.")
    ctl.tell("LOG", "Pausing the cluster.")
    for node in ctl.plan.nodes:
        _touch(node, "cluster_manual_pause")
    ctl.tell("LOG", "The cluster has been paused.")
    return 0


def resume(ctl: Ctl) -> int:
    """Take the pause marker away."""
    ctl.tell("LOG", "Checking trust among all nodes.")
    ctl.tell("LOG", "Resuming the cluster.")
    for node in ctl.plan.nodes:
        _remove(node, ("cluster_manual_pause",))
    ctl.tell("LOG", "The cluster has been resumed.")
    return 0


def _instance_markers(node: NodePlan) -> tuple[str, ...]:
    return tuple(path.name for path in node.bin.glob("instance_manual_start_*"))


def _remove(node: NodePlan, names: Iterable[str]) -> None:
    for name in names:
        (node.bin / name).unlink(missing_ok=True)


def _touch(node: NodePlan, name: str) -> None:
    (node.bin / name).touch(mode=0o600)


def _normal(ctl: Ctl) -> bool:
    view = ctl_query.ask_primary(ctl)
    ctl_start_status[0] = -1 if view is None else _STATES.get(view.cluster_state, 5)
    return view is not None and view.cluster_state == "Normal"


ctl_start_status = [5]  # g_cluster_start_status; cm_ctl is one command a process


def _tell_slow(ctl: Ctl, waited: int) -> None:
    if waited > _SLOW_AFTER and waited % 10 == 0:
        ctl.record(
            "DEBUG1",
            "starting exceeds 2 mins, instance status:"
            f"g_cluster_start_status={ctl_start_status[0]},g_az_start_status=5,"
            " g_node_start_status=5, g_instance_start_status=5",
        )


def _wait(
    limit: int, done: Callable[[], bool], every: Callable[[int], None] = lambda _: None
) -> bool:
    """Ask once a second, with a dot each time; False when the limit in seconds has passed."""
    began = time.monotonic()
    finished = False
    while not finished and time.monotonic() - began < limit:
        time.sleep(1)
        sys.stdout.write(".")
        sys.stdout.flush()
        finished = done()
        every(int(time.monotonic() - began))
    sys.stdout.write("\n")
    return finished
