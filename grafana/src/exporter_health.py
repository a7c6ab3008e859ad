"""The exporters themselves: whether what the other pages show can be trusted."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as builders

from exporter.cluster import metrics as cluster
from exporter.logs import metrics as logs
from exporter.ports import metrics as ports
from exporter.scrape import metrics as exporter
from exporter.scrape.base import Metric
from grafana.src import house, recorded, tables, words
from grafana.src.house import About
from grafana.src.promql import (
    ON_TARGET,
    Scope,
    copied,
    first_of,
    group_by,
    or_none,
)
from grafana.src.tables import Column

UID = "opengauss-exporter"
SCOPE = Scope()
TARGET = ("cluster", "instance")


def _named(metric: Metric, extra: str = "") -> str:
    return SCOPE.on_node(SCOPE.select(metric, extra))


def tiles() -> list[house.Panel]:
    """Count what keeps the exporters from telling the truth."""
    up = SCOPE.select(recorded.UP)
    success = SCOPE.select(exporter.COLLECTOR_SUCCESS)
    level = SCOPE.select(ports.PORT_ATTRIBUTION, 'level!="full"')
    reload = SCOPE.select(exporter.CONFIG_RELOAD_SUCCESSFUL)
    discovery = SCOPE.select(exporter.DISCOVERY_SUCCESS)
    versions = group_by(("version",), SCOPE.select(exporter.BUILD_INFO))
    tiles_ = (
        ("Down", "Exporters that Prometheus cannot scrape.", f"{up} == 0", words.WRONG),
        (
            "Collectors failing",
            "Collectors whose last run failed or took too long; their metrics are missing.",
            f"{success} == 0",
            words.WRONG,
        ),
        (
            "Discovery failing",
            "Nodes where a file of the installation could not be read or understood.",
            f"{discovery} == 0",
            words.WRONG,
        ),
        (
            "Reload failed",
            "Exporters that keep an old configuration because the new one has errors.",
            f"{reload} == 0",
            words.WRONG,
        ),
        (
            "Sees uids only",
            (
                "Exporters that may not see which process a foreign holder is: give them"
                " CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, both."
            ),
            f"{level} == 1",
            words.RISK,
        ),
        (
            "Other versions",
            "Versions in use beyond the one that most exporters have.",
            f"{versions} unless on (version) topk(1, count by (version) ({versions}))",
            words.RISK,
        ),
    )
    return [
        house.count_panel(About(number, title, description, 4, 3), rows, colour)
        for number, (title, description, rows, colour) in enumerate(tiles_, 1)
    ]


def collectors() -> house.Panel:
    """Draw each exporter's collectors."""
    about = About(
        7,
        "Collectors by node",
        "Whether the last run of each collector gave its metrics. An exporter that is down has no"
        " row.",
        height=6,
    )
    rows = f"min by (node_name, collector) ({_named(exporter.COLLECTOR_SUCCESS)})"
    panel = tables.matrix_panel(about, rows, tables.Axes("node_name", "collector", "Node"))
    tables.colour_numbers(panel, words.COLLECTOR)
    return panel


EXPORTER_COLUMNS = (
    Column("instance", "Exporter", 200),
    Column("node_name", "Node", 130),
    Column("version", "Version", 100),
    Column("python_version", "Python", 100),
    Column("level", "May see", 120, words.ATTRIBUTION),
    Column("source", "Sockets from", 130),
    Column("Value", "State", None, words.numbered(words.UP), filled=True),
)


def exporters() -> house.Panel:
    """List the exporters with what they are and what they may see."""
    about = About(
        8,
        "Exporters",
        "Version, how much of a stranger's process it may see (none, the uid, everything), and"
        " where it reads sockets: without sock_diag a listener on [::] cannot be told.",
        height=6,
    )
    joined = _named(exporter.BUILD_INFO)
    for metric, label in ((ports.PORT_ATTRIBUTION, "level"), (ports.PORT_SOURCE, "source")):
        joined = f"{joined} * {ON_TARGET} group_left ({label}) ({SCOPE.select(metric)} == 1)"
    down = f"({SCOPE.select(recorded.UP)} == 0)"
    shown = ", ".join(column.label for column in EXPORTER_COLUMNS if column.label != "Value")
    rows = f"max by ({shown}) ({first_of([joined, down])})"
    return tables.table_panel(about, rows, EXPORTER_COLUMNS)


def _lines(about: About, expression: str, unit: str, legend: str = "{{node_name}}") -> house.Panel:
    return house.series_panel(about, [(expression, legend)], unit)


def running() -> list[house.Panel]:
    """Draw how long collectors take and how old what they know is."""
    by_collector = "max by (collector)"
    last = _named(exporter.COLLECTOR_LAST_SUCCESS)
    asked = _named(cluster.QUERY_TIMESTAMP)
    return [
        _lines(
            About(9, "Longest run by collector", "The slowest exporter's last run.", 8, 7),
            f"{by_collector} ({_named(exporter.COLLECTOR_DURATION)})",
            "s",
            "{{collector}}",
        ),
        _lines(
            About(
                10,
                "Time since the last success",
                "The oldest success of each collector. It grows with the scrape interval alone"
                " while all is well.",
                8,
                7,
            ),
            f"{by_collector} (time() - ({last} > 0))",
            "s",
            "{{collector}}",
        ),
        _lines(
            About(
                11,
                "Age of the view of the cluster",
                "Since the end of each node's last cm_ctl query that came to an end of its own.",
                8,
                7,
            ),
            f"max by (node_name) (time() - ({asked} > 0))",
            "s",
        ),
    ]


def reading() -> list[house.Panel]:
    """Draw how the logs are followed, and what goes wrong."""
    behind = SCOPE.on_node(f"{SCOPE.select(logs.LOG_LAG)} > 0")
    lag = f"max by (node_name, source) ({behind})"
    lagging = f'label_join({lag}, "row", " ", "node_name", "source")'
    read = f"rate({SCOPE.select(logs.LOG_BYTES)}[$__rate_interval])"
    return [
        _lines(
            About(12, "Log bytes not read yet", "By node and source; none when all is read.", 8, 7),
            or_none(lagging, "row"),
            "bytes",
            "{{row}}",
        ),
        _lines(
            About(13, "Log bytes read", "Bytes a second, by node.", 8, 7),
            f"sum by (node_name) ({SCOPE.on_node(read)})",
            "Bps",
        ),
        _lines(
            About(
                14,
                "Errors",
                "Errors a second: of logs by reason, of cm_ctl's output by the place of an unknown"
                " word, and of requests that the web server turned away.",
                8,
                7,
            ),
            or_none(_errors(), "row"),
            house.PER_SECOND,
            "{{row}}",
        ),
    ]


def _errors() -> str:
    kinds = (
        (logs.LOG_ERRORS, "reason", "log"),
        (cluster.UNKNOWN_TOKENS, "field", "cm_ctl"),
        (exporter.WEB_REFUSALS, "reason", "web"),
    )
    rows = []
    for metric, label, kind in kinds:
        rate = f"sum by ({label}) (rate({SCOPE.select(metric)}[$__rate_interval])) > 0"
        rows.append(copied(f"({rate})", "row", f"{kind}: $1", label, "(.*)"))
    return first_of(rows)


def cost() -> list[house.Panel]:
    """Draw what the exporters cost their nodes."""
    cpu = f"rate({SCOPE.select(exporter.PROCESS_CPU)}[$__rate_interval])"
    return [
        _lines(
            About(15, "Memory", "Resident memory of each exporter.", 8, 7),
            f"max by (node_name) ({_named(exporter.PROCESS_RESIDENT_MEMORY)})",
            "bytes",
        ),
        _lines(
            About(16, "CPU", "Share of one core that each exporter uses.", 8, 7),
            f"max by (node_name) ({SCOPE.on_node(cpu)})",
            "percentunit",
        ),
        _lines(
            About(17, "Open files", "File descriptors of each exporter.", 8, 7),
            f"max by (node_name) ({_named(exporter.PROCESS_OPEN_FDS)})",
            "short",
        ),
    ]


def build() -> builders.Dashboard:
    """Build the page."""
    made = house.page(
        UID,
        "openGauss: exporters",
        "The exporters themselves: what fails, what is old, what they may see and what they cost.",
        SCOPE,
        every_cluster=True,
    )
    rows = (*tiles(), collectors(), exporters(), *running(), *reading(), *cost())
    return house.filled(made, rows)
