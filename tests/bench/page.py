"""The whole page: written, served, and what a process costs that does nothing else."""

from __future__ import annotations

import gc
import http.client
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from exporter.web.exposition import Format, render
from tests.bench.table import Row, at_most, milliseconds
from tests.support.exporter_process import ExporterProcess

ENDPOINTS = 30
SCRAPES = 1000
IDLE_SECONDS = 60.0  # the kernel counts processor time in hundredths of a second
SCRAPE_INTERVAL = 15.0


class _Page(Collector):
    """3,000 series as the client library takes them."""

    def __init__(self) -> None:
        self.families = [_family(number) for number in range(60)]

    def collect(self) -> Iterable[Metric]:
        return self.families


def _family(number: int) -> GaugeMetricFamily:
    names = ("endpoint", "instance_id", "port", "reason", "user")
    family = GaugeMetricFamily(f"opengauss_m{number}", "Help.", labels=names)
    for instance in range(50):
        family.add_metric(("cm_server", str(instance), "15300", "foreign_listener", "omm"), 1.0)
    return family


def _config() -> str:
    endpoints = (
        f"  - {{endpoint: custom_{number}, instance_id: '{number}', port: {20000 + number},"
        f" process: /usr/bin/none}}\n"
        for number in range(ENDPOINTS)
    )
    return "endpoints:\n" + "".join(endpoints)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
    ours = milliseconds(lambda: render(page.families, Format.TEXT), 20)
    library = milliseconds(lambda: generate_latest(page), 20)
    yield Row("3,000 series written as text", f"{ours:.2f} ms")
    yield Row("  the same by prometheus_client", f"{library:.2f} ms")
    yield Row("  times faster", f"{library / ours:.1f} x")
    with ExporterProcess(_config()) as exporter:
        yield at_most("start to ready", exporter.wait_ready(), 1.5, "s")
        yield from _served(exporter)


def _served(exporter: ExporterProcess) -> Iterator[Row]:
    _scrapes(exporter.port, 20)
    before = _cpu_seconds(exporter.pid)
    durations, page = _scrapes(exporter.port, SCRAPES)
    each = (_cpu_seconds(exporter.pid) - before) / SCRAPES
    series = sum(not line.startswith(b"#") for line in page.splitlines())
    what = f"whole /metrics, {ENDPOINTS} endpoints, {series} series"
    yield Row(f"{what}, median", f"{durations[SCRAPES // 2]:.2f} ms")
    yield at_most(f"{what}, p99", durations[SCRAPES * 99 // 100], 50, "ms")
    before = _cpu_seconds(exporter.pid)
    time.sleep(IDLE_SECONDS)
    idle = (_cpu_seconds(exporter.pid) - before) / IDLE_SECONDS
    share = (idle + each / SCRAPE_INTERVAL) * 100
    yield at_most("CPU at a scrape each 15 s, of one core", share, 0.2, "%")
