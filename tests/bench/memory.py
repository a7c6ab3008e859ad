"""What the exporter's memory is after a long day: 10,000 scrapes and a gigabyte of logs."""

from __future__ import annotations

import http.client
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.table import Row, at_most
from tests.support.exporter_process import ExporterProcess
from tests.support.recorded_logs import recorded

SCRAPES = 10_000
GIGABYTE = 1_000_000_000
CHUNK = 20_000_000
PATIENCE_SECONDS = 120.0
_ENDPOINTS = "".join(
    f'  - {{endpoint: cm_server, instance_id: "{number}", port: {15300 + number}}}\n'
    for number in range(9)
)


def rows() -> Iterator[Row]:
    """Measure after a tenth of the work, and after all of it; the lag is gone at both moments."""
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory, "cm_agent-current.log")
        log.touch()
        source = f"{{source: cm_agent, paths: [{log}]}}"
        config = f"endpoints:\n{_ENDPOINTS}logs: {{sources: [{source}]}}\n"
        with ExporterProcess(config) as exporter:
            exporter.wait_ready()
            _work(exporter, log, SCRAPES // 10, GIGABYTE // 10)
            early = _resident(exporter.pid)
            _work(exporter, log, SCRAPES * 9 // 10, GIGABYTE * 9 // 10)
            late = _resident(exporter.pid)
    what = f"RSS after {SCRAPES:,} scrapes and 1 GB of logs"
    yield at_most(what, late, 54, "MB")
    yield at_most("  growth over the last nine tenths of that", late - early, 2, "MB")


def _work(exporter: ExporterProcess, log: Path, scrapes: int, size: int) -> None:
    """Scrape and write side by side, the log renamed away whenever it has grown by a chunk."""
    text = b"".join(path.read_bytes() for path in recorded("cm_agent"))
    chunk = text * (CHUNK // len(text))
    chunks = -(-size // len(chunk))
    written = _read(exporter.metrics())
    connection = http.client.HTTPConnection("127.0.0.1", exporter.port, timeout=60)
    for _ in range(chunks):
        # no two files begin alike: a real one begins with its own time
        written += log.write_bytes(f"{time.time_ns()}\n".encode() + chunk)
        for _ in range(scrapes // chunks):
            connection.request("GET", "/metrics")
            connection.getresponse().read()
        _wait_until_read(exporter, written)
        log.replace(log.with_name("cm_agent-old.log"))
        log.touch()
    connection.close()


def _wait_until_read(exporter: ExporterProcess, size: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _read(exporter.metrics()) < size:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{size} bytes were not read within {PATIENCE_SECONDS:.0f} s")
        time.sleep(0.05)


def _read(page: str) -> int:
    found = re.search(r'^opengauss_log_bytes_total\{source="cm_agent"\} (\S+)$', page, re.MULTILINE)
    if found is None:
        raise AssertionError("the page tells no bytes of cm_agent's log")
    return int(float(found.group(1)))


def _resident(pid: int) -> float:
    """Return the resident memory in megabytes (proc(5), VmRSS in KiB)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise AssertionError(f"/proc/{pid}/status tells no VmRSS")
    return int(found.group(1)) * 1024 / 1_000_000
