"""A host that withholds, is crowded, or changes all the time."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Barrier

from tests.bench.table import Row, at_most
from tests.chaos.looks import (
    as_expected,
    bad_pages,
    failed_collectors,
    nothing,
    unless_busy,
    value,
    wait_until,
)
from tests.chaos.web import footprint
from tests.support.exporter_process import ExporterProcess
from tests.support.holders import Holder
from tests.support.programs import free_port
from tests.support.truth import seen

HERE = "127.0.0.1"
STRANGER = ("--uid", "65534")
AS_SERVICE = ("setpriv", "--reuid=65533", "--regid=65533", "--clear-groups", "--")
PAIRS = 200
PROCESSES, DESCRIPTORS = 1_000, 100
_CROWD = """
import os, sys
processes, descriptors = map(int, sys.argv[1:])
for _ in range(processes):
    if not os.fork():
        kept = [os.open("/dev/null", os.O_RDONLY) for _ in range(descriptors)]
        os.read(0, 1)
        os._exit(0)
print("ready", flush=True)
os.read(0, 1)
"""


def config(port: int) -> str:
    """Watch one port as a cm_server's."""
    entry = {"endpoint": "cm_server", "instance_id": "1", "port": port}
    return json.dumps({"endpoints": [entry]})


def conflict(page: str) -> str:
    """Tell the reason of the conflict, and the holders' pids."""
    found = seen(page, endpoint="cm_server", instance_id="1")
    return f"{found.conflict}, pid {','.join(h['pid'] for h in found.holders)}"


def hidepid() -> Iterator[Row]:
    """The /proc of a host that hides other users' processes, without any privilege."""
    port = free_port()
    mount = 'mount -t proc -o hidepid=2 proc /proc && exec "$@"'
    prefix = ("unshare", "--mount", "sh", "-c", mount, "sh", *AS_SERVICE)
    held = Holder(f"listen,{HERE},{port}", options=STRANGER)
    with held, ExporterProcess(config(port), prefix=prefix) as exporter:
        exporter.wait_ready()
        page = exporter.metrics()
    told = "foreign_listener, pid 0"
    yield as_expected("hidepid=2: a stranger on the CM port", conflict(page), told)
    yield nothing("hidepid=2: failed collectors", failed_collectors(page), "none")


def stopped_cm_ctl() -> Iterator[Row]:
    """A cm_ctl that stands still for ever, and a child of it that does, too."""
    with tempfile.TemporaryDirectory() as name:
        program = Path(name, "cm_ctl")
        program.write_text("#!/bin/sh\nsleep 987654 &\nkill -STOP $$\n", encoding="utf-8")
        program.chmod(0o755)
        app = Path(name, "app", "bin")
        app.mkdir(parents=True)
        text = json.dumps(
            {
                "installation": {"gausshome": str(app.parent)},
                "cm_query": {"command": [str(program)], "timeout": "1s", "interval": "1s"},
            }
        )
        with ExporterProcess(text) as exporter:
            exporter.wait_ready()
            bad = bad_pages(exporter, 20)
            outcome = 'opengauss_cm_query_outcome{outcome="timeout"}'
            timed_out = wait_until(lambda: value(exporter.metrics(), outcome) == 1)
    left = subprocess.run(["pgrep", "-f", "^sleep 987654"], capture_output=True, check=False)
    yield as_expected("cm_ctl under SIGSTOP: outcome timeout", timed_out, expected=True)
    yield nothing("cm_ctl under SIGSTOP: failed collectors meanwhile", bad, "none")
    yield as_expected("cm_ctl under SIGSTOP: processes left behind", left.stdout.decode(), "")


@contextmanager
def processes(number: int, descriptors: int) -> Iterator[None]:
    """Keep many processes with many open files each."""
    words = [sys.executable, "-S", "-c", _CROWD, str(number), str(descriptors)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as crowd:
        assert crowd.stdout is not None
        assert crowd.stdout.readline() == b"ready\n"
        yield


def crowded_host(number: int = PROCESSES) -> Iterator[Row]:
    """Find a new holder among many processes with many files; then scrape while it stays."""
    port = free_port()
    with processes(number, DESCRIPTORS), ExporterProcess(config(port)) as exporter:
        exporter.wait_ready()
        with Holder(f"listen,{HERE},{port}", options=STRANGER) as holder:
            named = wait_until(lambda: f"pid {holder.pid}" in conflict(exporter.metrics()), 10)
            bad = bad_pages(exporter, 20)
            took = min(_ports_seconds(exporter.metrics()) for _ in range(10))
    what = f"{number} processes x {DESCRIPTORS} files"
    yield as_expected(f"{what}: a new holder is named", named, expected=True)
    yield nothing(f"{what}: failed collectors", bad, "none")
    yield unless_busy(at_most(f"{what}: ports collector, warm, at best", took * 1000, 50, "ms"))


def _ports_seconds(page: str) -> float:
    return value(page, 'opengauss_exporter_collector_duration_seconds{collector="ports"}')


def few_descriptors() -> Iterator[Row]:
    """Forty file descriptors in all, while a crowd of clients takes what it can."""
    port = free_port()
    with ExporterProcess(config(port), prefix=("prlimit", "--nofile=40")) as exporter:
        exporter.wait_ready()
        with ExitStack() as stack:
            for _ in range(60):
                stack.enter_context(Holder(f"client,{HERE},{exporter.port}"))
            bad = bad_pages(exporter, 20)
        opened = footprint(exporter.pid).descriptors
    yield nothing("40 descriptors, 60 clients: pages that were not whole", bad, "none")
    yield at_most("40 descriptors, 60 clients: descriptors afterwards", opened, 40, "")


def namespaces() -> Iterator[Row]:
    """The port is held in other network namespaces only: that is nobody's conflict here."""
    port = free_port()
    inside = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(Holder(f"listen,{HERE},{port}", prefix=inside))
        with ExporterProcess(config(port)) as exporter:
            exporter.wait_ready()
            page = exporter.metrics()
    yield as_expected("the port held in 3 other network namespaces", conflict(page), "None, pid ")
    yield nothing("... failed collectors", failed_collectors(page), "none")


def high_availability_pair() -> Iterator[Row]:
    """Two Prometheus servers that scrape at the same moment see the same, for one look's price."""
    port, together = free_port(), Barrier(2)
    with ExporterProcess(config(port)) as exporter:
        exporter.wait_ready()

        def server(_: int) -> list[str]:
            pages = []
            for _ in range(PAIRS):
                together.wait(60)
                pages.append(exporter.metrics())
            return pages

        with Holder(f"listen,{HERE},{port}", options=STRANGER), ThreadPoolExecutor(2) as pool:
            one, other = pool.map(server, range(2))
    differ = [a for a, b in zip(one, other) if verdicts(a) != verdicts(b)]
    failed = [name for page in (*one, *other) for name in failed_collectors(page)]
    yield as_expected(f"two servers, {PAIRS} scrapes each: verdicts that differ", len(differ), 0)
    yield nothing("two servers: failed collectors", failed, "none")


def verdicts(page: str) -> list[str]:
    """Take what a page says of the ports."""
    return [line for line in page.splitlines() if line.startswith("opengauss_port_")]
