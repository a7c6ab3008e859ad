"""Many clients and slow clients against the real exporter."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.bench.table import Row, at_most
from tests.chaos.looks import as_expected, unless_busy
from tests.support.exporter_process import ExporterProcess

SLOW_CLIENTS = 500
TOO_MANY = 900
SCRAPERS = 50


@dataclass(frozen=True)
class Footprint:
    """What a process takes: resident memory in MB, threads, file descriptors."""

    memory: float
    threads: int
    descriptors: int


def footprint(pid: int) -> Footprint:
    """Read it from /proc."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    memory = int(fields["VmRSS"].split()[0]) / 1024
    return Footprint(memory, int(fields["Threads"]), len(list(Path(f"/proc/{pid}/fd").iterdir())))


@contextmanager
def clients(port: int, number: int) -> Iterator[list[socket.socket]]:
    """Open many connections that have each sent half a header."""
    with ExitStack() as stack:
        opened = []
        for _ in range(number):
            client = socket.create_connection(("127.0.0.1", port), 30)
            stack.callback(client.close)
            client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n")
            opened.append(client)
        yield opened


def scrape_ms(exporter: ExporterProcess) -> float:
    """Scrape once over a connection of its own; returns milliseconds."""
    began = time.perf_counter()
    exporter.metrics()
    return (time.perf_counter() - began) * 1000


def slow_clients(exporter: ExporterProcess) -> Iterator[Row]:
    """Scrape while others dribble, until the exporter has left all of them."""
    with clients(exporter.port, SLOW_CLIENTS) as slow:
        began, slowest = time.monotonic(), 0.0
        waiting = len(slow)
        while waiting and time.monotonic() - began < 60:
            slowest = max(slowest, scrape_ms(exporter))
            waiting = sum(_dribble(client) for client in slow)
        took = time.monotonic() - began
    yield unless_busy(
        at_most(f"slowest scrape beside {SLOW_CLIENTS} slow clients", slowest, 1000, "ms")
    )
    yield unless_busy(at_most("until all slow clients were left", took, 15, "s"))


def _dribble(client: socket.socket) -> bool:
    """Send a header line; False when the exporter has hung up."""
    with suppress(OSError):
        client.sendall(b"X: y\r\n")
        client.settimeout(0)
        try:
            client.recv(1000)  # what comes is a refusal, or the end
        except BlockingIOError:
            return True
    return False


def too_many(exporter: ExporterProcess) -> Iterator[Row]:
    """Scrape with more connections than there are places."""
    with clients(exporter.port, TOO_MANY):
        slowest = max(scrape_ms(exporter) for _ in range(20))
        descriptors = footprint(exporter.pid).descriptors
    yield unless_busy(at_most(f"slowest scrape with {TOO_MANY} connections", slowest, 1000, "ms"))
    yield at_most("file descriptors then", descriptors, 540, "")


def scrapers(exporter: ExporterProcess) -> Iterator[Row]:
    """Scrape from many sides at once: everyone gets a page, or is told to come back."""

    def scraper(_: int) -> list[int]:
        connection = http.client.HTTPConnection("127.0.0.1", exporter.port, timeout=60)
        return [_status(connection) for _ in range(40)]

    with ThreadPoolExecutor(SCRAPERS) as pool:
        answers = [status for each in pool.map(scraper, range(SCRAPERS)) for status in each]
    odd = sum(status not in {200, 503} for status in answers)
    yield at_most(f"{SCRAPERS} scrapers at once: answers that are no page and no 503", odd, 0, "")


def _status(connection: http.client.HTTPConnection) -> int:
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    answer.read()
    return answer.status


def rows() -> Iterator[Row]:
    """Run everything against one exporter."""
    with ExporterProcess() as exporter:
        exporter.wait_ready()
        for trial in (slow_clients, too_many, scrapers):
            yield from trial(exporter)
        yield as_expected("healthy at the end", exporter.get("/-/healthy").status, 200)
