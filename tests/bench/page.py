"""The whole page: written, served, and what a process costs that does nothing else."""

from __future__ import annotations

import gc
import http.client
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import generate_latest
from prometheus_client.registry import Collector

from exporter.scrape.base import Family, Metric
from exporter.scrape.exposition import Format, render
from tests.bench.table import Row, at_most, milliseconds
from tests.lab.cluster import Lab
from tests.lab.fleet import exporter_config
from tests.lab.standins.plan import LabPlan
from tests.support.cluster_views import States, Topology, expected
from tests.support.cm_ctl_printer import Columns, print_tables
from tests.support.exporter_process import ExporterProcess

ENDPOINTS = 30
NODES = 9
SCRAPES = 1000
SCRAPE_INTERVAL = 15.0
IDLE_SCRAPES = 8  # two minutes: the kernel counts processor time in hundredths of a second
SETTLED_SECONDS = 60.0


class _Page(Collector):
    """3,000 series as the client library takes them."""

    def __init__(self) -> None:
        self.families = [_family(number) for number in range(60)]

    def collect(self) -> Iterable[Family]:
        return self.families

    def write_anew(self) -> None:
        """Write the page as if none of it had been written before."""
        for family in self.families:
            family.texts.clear()
        render(self.families, Format.TEXT)


def _family(number: int) -> Family:
    names = ("endpoint", "instance_id", "port", "reason", "user")
    return Metric(f"opengauss_m{number}", "Help.", names).family(
        (("cm_server", str(instance), "15300", "foreign_listener", "omm"), 1.0)
        for instance in range(50)
    )


def _config() -> str:
    endpoints = (
        f"  - {{endpoint: custom_{number}, instance_id: '{number}', port: {20000 + number},"
        f" process: /usr/bin/none}}\n"
        for number in range(ENDPOINTS)
    )
    return "endpoints:\n" + "".join(endpoints)


def _cpu_seconds(pid: int) -> tuple[float, float]:
    """Return the processor time of a process, and of the programs that it ran (proc(5) stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    own, programs = sum(map(int, fields[11:13])), sum(map(int, fields[13:15]))
    return own / os.sysconf("SC_CLK_TCK"), programs / os.sysconf("SC_CLK_TCK")


def _scrapes(port: int, number: int) -> tuple[list[float], bytes]:
    """Scrape over one connection, as Prometheus does; durations in ms, and the last page."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    durations, page = [], b""
    for _ in range(number):
        began = time.perf_counter()
        connection.request("GET", "/metrics")
        page = connection.getresponse().read()
        durations.append((time.perf_counter() - began) * 1000)
    connection.close()
    return sorted(durations), page


def rows() -> Iterator[Row]:
    """Measure the writing alone, then a real exporter."""
    page = _Page()
    gc.collect()
    ours = milliseconds(page.write_anew, 20)
    library = milliseconds(lambda: generate_latest(page), 20)
    yield Row("3,000 series written as text", f"{ours:.2f} ms")
    yield Row("  the same by prometheus_client", f"{library:.2f} ms")
    yield Row("  times faster", f"{library / ours:.1f} x")
    with ExporterProcess(_config()) as exporter:
        yield at_most("start to ready", exporter.wait_ready(), 1.0, "s")
        yield from _served(exporter, f"{ENDPOINTS} endpoints", 40)
    with _node_of_a_large_cluster() as config, ExporterProcess(config) as exporter:
        yield at_most("start to ready, with the first query", exporter.wait_ready(), 2, "s")
        yield from _served(exporter, f"a node of {NODES}", 20)
    with Lab(nodes=2) as lab, ExporterProcess(exporter_config(lab, 1)) as exporter:
        exporter.wait_ready()
        _await_normal(exporter)
        yield from _idle(exporter)


def _served(exporter: ExporterProcess, where: str, bar: float) -> Iterator[Row]:
    _scrapes(exporter.port, 20)
    durations, page = _scrapes(exporter.port, SCRAPES)
    series = sum(not line.startswith(b"#") for line in page.splitlines())
    yield Row(f"whole /metrics, {where}, median", f"{durations[SCRAPES // 2]:.2f} ms")
    yield at_most(f"whole /metrics, {where}, p99", durations[SCRAPES * 99 // 100], bar, "ms")
    yield at_most("  its size", series, 3000, "series")


def _await_normal(exporter: ExporterProcess) -> None:
    """Wait until the cluster has started, and its logs have been quiet for a minute."""
    deadline = time.monotonic() + SETTLED_SECONDS
    normal = b'opengauss_cm_cluster_state{state="Normal"} 1.0'
    while normal not in _scrapes(exporter.port, 1)[1]:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not Normal within {SETTLED_SECONDS:.0f} s")
        time.sleep(1)
    time.sleep(SETTLED_SECONDS + SCRAPE_INTERVAL)


def _idle(exporter: ExporterProcess) -> Iterator[Row]:
    """Scrape as Prometheus does; what cm_ctl itself takes is its own process' time."""
    before = _cpu_seconds(exporter.pid)
    for _ in range(IDLE_SCRAPES):
        time.sleep(SCRAPE_INTERVAL)
        _scrapes(exporter.port, 1)
    after, seconds = _cpu_seconds(exporter.pid), IDLE_SCRAPES * SCRAPE_INTERVAL
    own, programs = (100 * (late - early) / seconds for early, late in zip(before, after))
    yield at_most("CPU at a scrape each 15 s, idle cluster, of one core", own, 0.15, "%")
    yield Row("  the stand-in for cm_ctl, a Python program", f"{programs:.2f} %")


@contextmanager
def _node_of_a_large_cluster() -> Iterator[str]:
    """Start the first node of a cluster, and give its exporter's configuration.

    The other nodes are files alone, for they would take the processors that are measured; so what
    a query would say of them is printed from a file, and the query costs no time of its own.
    """
    lab = Lab(nodes=NODES)
    try:
        lab.prepare()
        lab.start_monitor(1)
        node = lab.node(1)
        answer = lab.root / "answer"
        answer.write_text(_answer(lab.plan), encoding="utf-8")
        config = {
            "installation": {
                "user": lab.account.pw_name,
                "env_file": str(node.env_file),
                "gausshome": str(node.gausshome),
            },
            "cm_query": {"command": ["/bin/cat", str(answer)]},
        }
        yield json.dumps(config)
    finally:
        lab.stop()


def _answer(plan: LabPlan) -> str:
    names = tuple((node.name, node.address) for node in plan.nodes)
    topology = Topology(names, plan.nodes[0].db_port, "P" + "S" * (NODES - 1))
    datanodes = [("Primary", "Normal"), *[("Standby", "Normal")] * (NODES - 1)]
    states = States("Normal", cms="Primary" + " Standby" * (NODES - 1), dn=datanodes)
    columns = Columns(ip=True, port=True, data_dir=True, one_a_line=True)
    return print_tables(expected(topology, "ipd", states), columns)
