"""The tables of holders and of next steps, asked of Prometheus' engine over the shipped rules."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.support.dashboards import every_panel, interpolated
from tests.support.promtool import INSTALL
from tests.support.rules import RULE_FILES, rules

EXPR = {panel["title"]: panel["targets"][0]["expr"] for _, panel in every_panel()}
HOLDERS = EXPR["Which node, which port, who holds it"]
STEPS = EXPR["What to do next"]
NOW = "10m"
FOREIGN, LEFTOVER, IPV6 = "foreign_listener", "leftover", "ipv6_listener"


class Row(NamedTuple):
    """What a table says of one port of one node."""

    node: str
    port: str
    told: str


class Made:
    """The series of one cluster, of which the exporters of its nodes would be the source."""

    def __init__(self, cluster: str) -> None:
        self.series: list[Mapping[str, str]] = []
        self._cluster = {"cluster": cluster} if cluster else {}

    def add(self, name: str, node: int, labels: Mapping[str, str], value: float = 1) -> None:
        """Add a series whose value does not change."""
        target = {**self._cluster, "job": "opengauss-cm", "instance": f"n{node}:19836"}
        text = _braces({**target, **labels})
        self.series.append({"series": name + text, "values": f"{value}x200"})

    def node(self, number: int, host: str = "", *components: str) -> None:
        """Add a node, and its instances under the name that the static config has for its host."""
        here = {"node_id": str(number)}
        self.add("opengauss_node_info", number, {**here, "node_name": f"n{number}"})
        for component in components:
            member = {**here, "node_name": host, "component": component, "instance_id": "6001"}
            self.add("opengauss_cluster_member", number, member)

    def stranger(self, number: int) -> None:
        """Add a node that does not know its id."""
        self.add("opengauss_node_info", number, {"node_id": "", "node_name": f"n{number}"})

    def port(self, node: int, endpoint: str, port: int, reason: str = "") -> None:
        """Add an endpoint, with a reason as one that is in conflict."""
        key = {"endpoint": endpoint, "instance_id": "6001", "port": str(port)}
        self.add("opengauss_port_listening", node, key, 0)
        if reason:
            self.add("opengauss_port_conflict", node, {**key, "reason": reason})

    def stopped(self, node: int, origin: str) -> None:
        """Let a marker keep the database of a node stopped."""
        instance = {"instance_id": "6001"}
        self.add("opengauss_stop_origin", node, {**instance, "origin": origin})
        marker = {"marker": "instance_manual_start", **instance}
        self.add("opengauss_marker_mtime_seconds", node, marker, 500)

    def reported(self, node: int, port: int) -> None:
        """Let a log have reported a port as taken."""
        report = {"signature": "db_bind_failed", "port": str(port)}
        self.add("opengauss_log_port_report_timestamp_seconds", node, report, 490)


def _braces(labels: Mapping[str, str]) -> str:
    shown = ", ".join(f"{name}={json.dumps(value)}" for name, value in labels.items() if value)
    return f"{{{shown}}}"


def differing(expr: str, label: str, made: Made, rows: Iterable[Row], directory: Path) -> str:
    """Tell what promtool finds different from what one column of a table should say."""
    samples = [
        {"labels": _braces({"node_name": row.node, "port": row.port, label: row.told}), "value": 1}
        for row in rows
    ]
    shown = f"group by (node_name, port, {label}) ({interpolated(expr, cluster='.*')})"
    test = {"expr": shown, "eval_time": NOW, "exp_samples": samples}
    case = {"interval": "5s", "input_series": made.series, "promql_expr_test": [test]}
    document = {
        "rule_files": [str(path) for path in RULE_FILES],
        "group_eval_order": list(dict.fromkeys(rule.group for rule in rules())),
        "evaluation_interval": "5s",
        "tests": [case],
    }
    file = directory / "asked.test.yml"
    file.write_text(json.dumps(document), encoding="utf-8")
    words = ["promtool", "test", "rules", str(file)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    except FileNotFoundError:
        raise AssertionError(INSTALL) from None
    told = done.stdout + done.stderr
    return told[told.find("exp:") :] if done.returncode else ""


def _without_cm() -> Made:
    """Make a cluster of databases alone, whose second host has another name in the static config.

    The third has none that could be a host's, and the exporter of the fourth does not know its id.
    """
    made = Made("")
    for number, host in enumerate(("n1", "host-2.example", "-x;reboot"), 1):
        made.node(number, host, "datanode")
    made.stranger(4)
    return made


def test_gs_om_starts_what_is_down_where_there_is_no_cm(tmp_path: Path) -> None:
    """The command is gs_om's, with the host's name as the static config has it or a gap for it."""
    made = _without_cm()
    made.port(1, "datanode", 15400, FOREIGN)
    made.port(2, "datanode_ha", 15401, LEFTOVER)
    made.port(3, "dms", 15420, FOREIGN)
    made.port(4, "datanode", 15400, FOREIGN)
    rows = [
        Row("n1", "15400", "gs_om -t start -h n1"),
        Row("n2", "15401", "gs_om -t start -h host-2.example"),
        Row("n3", "15420", "gs_om -t start -h NODE"),
        Row("n4", "15400", "gs_om -t start -h NODE"),
    ]
    assert differing(STEPS, "start", made, rows, tmp_path) == ""


def test_without_cm_no_start_is_told_for_what_needs_none(tmp_path: Path) -> None:
    """As on the page: a database runs on without its heartbeat, and other ports are not gs_om's."""
    made = _without_cm()
    made.port(1, "datanode_heartbeat", 15405, IPV6)
    made.port(2, "proxy", 6432, FOREIGN)
    rows = [Row("n1", "15405", ""), Row("n2", "6432", "")]
    assert differing(STEPS, "start", made, rows, tmp_path) == ""


def test_without_cm_gs_om_starts_what_a_conflict_or_an_operator_left_down(tmp_path: Path) -> None:
    """Steps without a holder name the same command as those with one."""
    made = _without_cm()
    made.port(1, "datanode", 15400)
    made.stopped(1, "unknown")
    made.reported(1, 15400)
    made.port(2, "datanode", 15400)
    made.reported(2, 15400)
    made.stopped(3, "operator")
    rows = [
        Row("n1", "15400", "gs_om -t start -h n1"),
        Row("n2", "15400", "gs_om -t start -h host-2.example"),
        Row("n3", "", "gs_om -t start -h NODE"),
    ]
    assert differing(STEPS, "start", made, rows, tmp_path) == ""


def test_cm_ctl_starts_what_is_down_where_cm_is_or_may_be(tmp_path: Path) -> None:
    """A part of CM anywhere is a CM; while no members are known, all is told as with one."""
    with_agent, unknown = Made("agent"), Made("unknown")
    with_agent.node(1, "n1", "datanode")
    with_agent.node(2, "n2", "cm_agent")
    with_agent.port(1, "datanode", 15400, FOREIGN)
    unknown.node(3)
    unknown.port(3, "datanode_heartbeat", 15405, FOREIGN)
    unknown.stranger(4)
    unknown.port(4, "datanode", 15400, FOREIGN)
    with_agent.series += unknown.series
    rows = [
        Row("n1", "15400", "cm_ctl start -n 1"),
        Row("n3", "15405", "cm_ctl start -n 3"),
        Row("n4", "15400", ""),
    ]
    assert differing(STEPS, "start", with_agent, rows, tmp_path) == ""


def test_nothing_is_told_of_cm_agent_where_there_is_none(tmp_path: Path) -> None:
    """Its check is spoken of where it is, and nowhere else."""
    made = _without_cm()
    made.port(1, "datanode", 15400, FOREIGN)
    made.port(1, "datanode_heartbeat", 15405, FOREIGN)
    with_cm = Made("cm")
    with_cm.node(5, "n5", "cm_agent", "datanode")
    with_cm.port(5, "cm_server", 15300, IPV6)
    with_cm.port(5, "datanode_installed", 15400, FOREIGN)
    with_cm.port(5, "datanode_heartbeat", 15405, FOREIGN)
    made.series += with_cm.series
    rows = [
        Row("n1", "15400", "without_cm"),
        Row("n1", "15405", "without_cm"),
        Row("n5", "15300", IPV6),
        Row("n5", "15400", FOREIGN),
        Row("n5", "15405", "unchecked"),
    ]
    assert differing(HOLDERS, "agent", made, rows, tmp_path) == ""


def test_cm_agent_does_not_check_the_ports_of_a_database_with_dms(tmp_path: Path) -> None:
    """Scripts start it; cm_server's ports are checked all the same."""
    made = Made("pool")
    made.node(1, "n1", "cm_agent", "cm_server", "datanode")
    made.port(1, "dms", 15420)
    made.port(1, "datanode", 15400, FOREIGN)
    made.port(1, "datanode_ha", 15401, IPV6)
    made.port(1, "cm_server", 15300, FOREIGN)
    rows = [
        Row("n1", "15300", FOREIGN),
        Row("n1", "15400", "unchecked"),
        Row("n1", "15401", "unchecked"),
    ]
    assert differing(HOLDERS, "agent", made, rows, tmp_path) == ""


def test_cm_agent_does_not_check_a_port_that_only_the_server_was_given(tmp_path: Path) -> None:
    """It goes on checking the installed one, also of another database of the same node."""
    made = Made("prod")
    made.node(1, "n1", "cm_agent", "datanode")
    made.port(1, "datanode_installed", 15400, FOREIGN)
    made.port(1, "datanode_ha_installed", 15401)
    made.port(1, "datanode", 15500, FOREIGN)
    made.port(1, "datanode_ha", 15501, IPV6)
    made.node(2, "n2", "datanode")
    made.port(2, "datanode", 15400, IPV6)
    rows = [
        Row("n1", "15400", FOREIGN),
        Row("n1", "15500", "unchecked"),
        Row("n1", "15501", "unchecked"),
        Row("n2", "15400", IPV6),
    ]
    assert differing(HOLDERS, "agent", made, rows, tmp_path) == ""
