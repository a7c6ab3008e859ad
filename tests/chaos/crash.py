"""A cm_server that crashed and is not started again, for a minute and a half of real time."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.table import Row
from tests.support.exporter_process import ExporterProcess
from tests.support.holders import Holder, copy_interpreter
from tests.support.programs import lasting_port
from tests.support.truth import seen, start_would_be_stopped

HERE = "127.0.0.1"
SECONDS = 90.0
PAUSE = 0.5
CLIENTS = 10


def rows() -> Iterator[Row]:
    """Clients stay connected, go one by one; the port is free, and every page should say so."""
    port = lasting_port()
    config = f'endpoints: [{{endpoint: cm_server, instance_id: "1", port: {port}}}]'
    with tempfile.TemporaryDirectory() as directory, ExporterProcess(config) as exporter:
        exe = copy_interpreter(Path(directory), "cm_server")
        exporter.wait_ready()
        with Holder(f"accepted,{HERE},{port}", exe=exe) as server:
            clients = [Holder(f"client,{HERE},{port}") for _ in range(CLIENTS)]
            server.kill()
            scrapes, wrong = _watch(exporter, port, clients)
    yield Row(
        f"a cm_server is killed under {CLIENTS} clients, {SECONDS:.0f} s of scrapes",
        f"{scrapes} scrapes, {wrong} wrong",
        "no conflict, nobody foreign",
        scrapes > CLIENTS and not wrong,
    )


def _watch(exporter: ExporterProcess, port: int, clients: list[Holder]) -> tuple[int, int]:
    """Scrape until time is up, ending the clients on the way; count scrapes and wrong ones."""
    end, scrapes, wrong = time.monotonic() + SECONDS, 0, 0
    while time.monotonic() < end:
        page = seen(exporter.metrics(), endpoint="cm_server", instance_id="1")
        wrong += bool(page.conflict or page.foreign_owner or start_would_be_stopped(HERE, port))
        scrapes += 1
        if clients and scrapes % CLIENTS == 0:
            clients.pop().stop()
        time.sleep(PAUSE)  # the time that passes is what this is about
    for client in clients:
        client.stop()
    return scrapes, wrong
