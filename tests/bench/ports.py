"""The ports collector beside lsof, ss and psutil, on an idle and on a crowded host.

All of them answer the same question in the same minute: who has these eight ports? Ours is the
whole collector, from the netlink sockets to the families. The endpoints lie below the ephemeral
range, so that no connection of the crowd has one of their ports by chance.
"""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path

import psutil

from exporter.options import Options
from exporter.parts import port_parts
from exporter.ports.collector import PortsCollector
from exporter.ports.facts import ClusterIdentity, Endpoint
from exporter.ports.inspector import ALL_STATES_LONGEST_WAIT_SECONDS
from tests.bench.crowd import crowd
from tests.bench.table import Row, at_least, at_most, milliseconds
from tests.support.holders import Holder, copy_interpreter
from tests.support.programs import find_program

HERE = "127.0.0.1"
ENDPOINTS = 8
SOCKETS, PROCESSES = 80_000, 1_000
SETTLED_SECONDS = 11  # until the process table takes those that it saw for known


def rows() -> Iterator[Row]:
    """Measure; the crowd is made once for all figures of a busy host."""
    ports = list(_free_ports(ENDPOINTS + 1))
    with tempfile.TemporaryDirectory() as directory:
        exe = copy_interpreter(Path(directory), "cm_server")
        specs = [f"listen,{HERE},{port}" for port in ports[:ENDPOINTS]]
        with Holder(*specs, exe=exe):
            healthy, missing = _collector(ports[:ENDPOINTS]), _collector(ports)
            list(healthy.collect())
            time.sleep(SETTLED_SECONDS)
            idle = milliseconds(lambda: list(healthy.collect()), 50)
            yield at_most("ports collector, warm, idle host", idle, 2, "ms")
            with crowd(SOCKETS, PROCESSES):
                yield from _busy(healthy, missing, ports)


def _busy(healthy: PortsCollector, missing: PortsCollector, ports: Sequence[int]) -> Iterator[Row]:
    for collector in (healthy, missing):
        list(collector.collect())
    time.sleep(SETTLED_SECONDS)
    where = f"{SOCKETS:,} sockets, {PROCESSES:,} processes"
    lsof = milliseconds(lambda: _lsof(ports), 3)
    ours = milliseconds(lambda: list(healthy.collect()), 50)
    yield at_most(f"ports collector, warm, {where}, all healthy", ours, 5, "ms")
    yield at_least("  times faster than lsof -i for the same ports", lsof / ours, 400, "x")
    dear = _with_a_fresh_dump(missing)
    yield at_most(f"ports collector, {where}, one own listener missing", dear, 80, "ms")
    yield at_least("  times faster than lsof -i for the same ports", lsof / dear, 30, "x")
    yield Row("  peer: lsof -nP -i TCP:…", f"{lsof:.0f} ms")
    yield Row("  peer: ss -ltnp", f"{milliseconds(_ss, 3):.0f} ms")
    every = milliseconds(lambda: psutil.net_connections("tcp"), 3)
    yield Row("  peer: psutil.net_connections('tcp')", f"{every:.0f} ms")


def _with_a_fresh_dump(collector: PortsCollector) -> float:
    """Measure looks that each pay for a dump of all states, which are seconds apart."""

    def after_a_pause() -> float:
        time.sleep(ALL_STATES_LONGEST_WAIT_SECONDS + 0.1)
        start = time.perf_counter()
        list(collector.collect())
        return time.perf_counter() - start

    return sorted(after_a_pause() for _ in range(5))[2] * 1000


def _collector(ports: Sequence[int]) -> PortsCollector:
    endpoints = tuple(
        Endpoint(
            "cm_server",
            str(number),
            port,
            "cm_server",
            "cm_server",
            (ip_address(HERE),),
            precheck=True,
        )
        for number, port in enumerate(ports, 1)
    )
    identity = ClusterIdentity(psutil.Process().uids().effective, "cluster")
    parts = port_parts(Options(), lambda: endpoints, lambda: identity)
    return PortsCollector(parts.inspector.inspect)


def _free_ports(count: int) -> Iterator[int]:
    for port in range(21000, 32000):
        with closing(socket.socket()) as probe:
            if probe.connect_ex((HERE, port)) == 0:
                continue
            yield port
            count -= 1
        if not count:
            return


def _lsof(ports: Sequence[int]) -> None:
    asked = ",".join(map(str, ports))
    subprocess.run(
        [find_program("lsof", package="lsof"), "-nP", f"-iTCP:{asked}"],
        capture_output=True,
        check=False,
    )


def _ss() -> None:
    subprocess.run(
        [find_program("ss", package="iproute2"), "-ltnp"], capture_output=True, check=True
    )
