"""Clusters made up by chance: every reason, relation, marker and record, and names that mislead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from exporter.diagnosis.page import Page, Sample
from exporter.ports.facts import Reason
from tests.support.agreement import NOW, World

OWN_WORD = "backup"
"""An endpoint that only a configuration names."""
PORTS = {
    "cm_server": ("1", "15300"),
    "cm_server_ha": ("1", "15301"),
    "cm_agent": ("10001", "15302"),
    "datanode": ("6001", "15400"),
    "datanode_ha": ("6001", "15401"),
    "datanode_installed": ("6001", "15500"),
    "datanode_ha_installed": ("6001", "15501"),
    "datanode_replication": ("6001", "15411"),
    "datanode_dolphin": ("6001", "3308"),
    "datanode_heartbeat": ("6001", "15405"),
    "dss": ("20001", "15410"),
    "dms": ("6001", "15420"),
    OWN_WORD: ("", "9999"),
}
_LEFT_OUT: tuple[set[str], ...] = (
    set(),
    {"datanode_installed", "datanode_ha_installed"},
    {"datanode_installed"},
    {"datanode_ha_installed"},
)
"""What a node may lack: postgresql.conf has another port, none, or one of the other two."""
_NAMES = ("nginx", "java -x", 'a"b\\c', "two\nlines", "\x1b[31mred", "数据库", "`id` $(reboot)", "")
_UNITS = ("", "nginx.service", "session-1.scope", "a@b.service", "x';reboot.service")
_RELATIONS = ("foreign", "leftover", "sibling", "unidentified", "own")
_SIGNATURES = ("port_in_use", "cm_server_bind_failed", "install_port_occupied")
_ORIGINS = ("none", "operator", "restart_limit", "unknown")


@dataclass(frozen=True)
class Mood:
    """What the nodes of one cluster have in common.

    ``trouble`` is how likely anything is wrong; ``everywhere`` are endpoints that are in conflict
    on every node; ``dms``, whether there is DMS; ``state`` is how the nodes see the cluster,
    ``down`` what they see down.
    """

    cluster: str
    nodes: int
    trouble: float
    everywhere: frozenset[str]
    dms: bool
    state: str
    outcome: str
    down: tuple[str, ...]


def worlds(seed: int, number: int) -> Iterator[World]:
    """Make so many clusters; the same seed makes the same ones."""
    random = Random(seed)  # noqa: S311  # nothing secret is made
    for each in range(number):
        nodes, watched = random.choice(((1, 1), (2, 2), (2, 2), (3, 3), (3, 2)))
        mood = Mood(
            random.choice(("", f"c{each}")),
            nodes,
            random.choice((0.05, 0.2, 0.9)),
            random.choice((frozenset(), frozenset({"cm_server", "datanode_ha"}))),
            random.random() < 0.3,
            random.choice(("Normal", "Degraded", "Unavailable", "Unavailable")),
            random.choice(("ok", "ok", "no_primary")),
            tuple(str(node) for node in range(1, nodes + 1) if random.random() < 0.3),
        )
        pages = [_page(random, mood, node) for node in range(1, watched + 1)]
        yield World(f"seed {seed} cluster {each}", mood.cluster, pages)


def _page(random: Random, mood: Mood, node: int) -> Page:
    info = {"node_id": str(node), "node_name": f"node{node}"}
    of_cluster = {"cluster_name": mood.cluster, "cluster_id": "abc"}
    samples = [Sample("opengauss_node_info", {**info, **of_cluster}, 1), *_members(mood.nodes)]
    samples += _node(random, mood.trouble)
    samples += _view(random, mood)
    left_out = random.choice(_LEFT_OUT) | (set() if mood.dms else {"dms"})
    unseen = random.choice(tuple(PORTS))
    for endpoint, (instance_id, port) in PORTS.items():
        if endpoint in left_out:
            continue
        key = {"endpoint": endpoint, "instance_id": instance_id, "port": port}
        samples += _endpoint(random, key, mood, unseen)
    return Page.of(f"node{node}:19836", NOW, samples)


def _members(nodes: int) -> Iterator[Sample]:
    for node in range(1, nodes + 1):
        here = {"node_id": str(node), "node_name": f"node{node}"}
        for component, instance_id in (("cm_server", "1"), ("datanode", "6001")):
            labels = {**here, "component": component, "instance_id": instance_id}
            yield Sample("opengauss_cluster_member", labels, 1)


def _node(random: Random, trouble: float) -> Iterator[Sample]:
    """Make the facts about a whole node: markers, who made them, what runs."""
    for marker in ("cluster_manual_start", "cluster_manual_pause"):
        present = float(random.random() < trouble / 8)
        labels = {"marker": marker, "instance_id": ""}
        yield Sample("opengauss_marker_present", labels, present)
    for instance_id in ("", "6001", "20001"):
        chosen = random.choice(_ORIGINS) if random.random() < trouble / 2 else "none"
        for origin in _ORIGINS:
            labels = {"instance_id": instance_id, "origin": origin}
            yield Sample("opengauss_stop_origin", labels, float(origin == chosen))
        if chosen != "none":
            labels = {"marker": "instance_manual_start", "instance_id": instance_id}
            mtime = random.choice((5900.25, 5500.0, 100.0))
            yield Sample("opengauss_marker_mtime_seconds", labels, mtime)
    for component, instance_id in (("cm_server", "1"), ("datanode", "6001")):
        labels = {"component": component, "instance_id": instance_id}
        yield Sample("opengauss_process_running", labels, float(random.random() > trouble))


def _view(random: Random, mood: Mood) -> Iterator[Sample]:
    """Make what the node's query said: how it ended, and the states of what it listed."""
    same = random.random() > mood.trouble / 3
    outcome = mood.outcome if same else random.choice(("ok", "timeout", "wrong_user"))
    state = mood.state if same else random.choice(("Normal", "Degraded"))
    yield Sample("opengauss_cm_query_outcome", {"outcome": outcome}, 1)
    yield Sample("opengauss_cm_cluster_state", {"state": state}, 1)
    for node in (str(each) for each in range(1, mood.nodes + 1)):
        here = {"node_id": node, "node_name": f"node{node}"}
        server = "Down" if node in mood.down and same else "Standby"
        role = "Down" if node in mood.down else "Standby"
        server_labels = {**here, "instance_id": "1", "state": server}
        yield Sample("opengauss_cm_server_state", server_labels, 1)
        role_labels = {**here, "instance_id": "6001", "role": role}
        yield Sample("opengauss_cm_datanode_role", role_labels, 1)
    failed = {"signature": "start_failed", "source": "cm_ctl"}
    time = random.choice((5000.5, 4100.0)) if random.random() < mood.trouble else 0
    yield Sample("opengauss_log_signature_last_match_timestamp_seconds", failed, time)


def _endpoint(random: Random, key: dict[str, str], mood: Mood, unseen: str) -> Iterator[Sample]:
    """Make the facts about one port; that of ``unseen`` has a holder whose process is not seen."""
    trouble = mood.trouble
    state = random.choice(("conflict", "blocked")) if random.random() < trouble else ""
    state = "conflict" if key["endpoint"] in mood.everywhere else state
    listening = float(state != "conflict" and random.random() > trouble)
    yield Sample("opengauss_port_listening", key, listening)
    wanted = random.choice(list(Reason)) if state else None
    for reason in Reason:
        labels = {**key, "reason": reason.value}
        conflict = state == "conflict" and reason is wanted
        blocked = state == "blocked" and reason is wanted
        yield Sample("opengauss_port_conflict", labels, float(conflict))
        yield Sample("opengauss_port_next_start_blocked", labels, float(blocked))
    for risk in ("ephemeral_risk", "duplicate", "address_missing"):
        yield Sample(f"opengauss_port_{risk}", key, float(random.random() < trouble / 3))
    for signature in _SIGNATURES:
        labels = {"signature": signature, "port": key["port"]}
        time = random.choice((5990.5, 5750.125, 5600.0, 90.0)) if random.random() < trouble else 0
        yield Sample("opengauss_log_port_report_timestamp_seconds", labels, time)
    for number in range(random.choice((0, 1, 1, 2, 5))):
        is_unseen = number == 0 and key["endpoint"] == unseen
        yield from _holder(random, key, number, 0 if is_unseen else _pid(random, key, number))


def _pid(random: Random, key: dict[str, str], number: int) -> int:
    """Choose a pid that no other holder of the node has, for their order is the query engine's."""
    return random.choice((4711, 815)) * 1000 + list(PORTS).index(key["endpoint"]) * 10 + number


def _holder(random: Random, key: dict[str, str], number: int, pid: int) -> Iterator[Sample]:
    labels = {
        **key,
        "relation": random.choice(_RELATIONS),
        "process": random.choice(_NAMES),
        "user": random.choice(_NAMES),
        "exe": random.choice(_NAMES),
        "unit": random.choice(_UNITS),
        "container": random.choice(("", "0123456789ab")),
        "address": f"10.0.0.{number}",
    }
    yield Sample("opengauss_port_holder_pid", labels, float(pid))
    if pid and random.random() < 0.8:
        start = random.choice((1.25, 5000.0, 5999.999))
        yield Sample("opengauss_port_holder_start_time_seconds", labels, start)
    if labels["relation"] == "foreign":
        stoppable = float(random.random() < 0.5)
        yield Sample("opengauss_port_holder_unit_stoppable", labels, stoppable)
