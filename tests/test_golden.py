"""The whole page of an exporter over a host that never changes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Callable

from exporter.build import Runtime, build
from exporter.config import Config
from exporter.config.schema import InstallationHints
from exporter.host.clock import Clock
from exporter.installation.discovery import Discovery
from exporter.installation.facts import StopMarker
from exporter.options import Options
from exporter.parts import BindFailureAge, InstallationParts, PortParts
from exporter.ports.facts import ClusterIdentity, Endpoint
from exporter.scrape.exposition import Format, render
from exporter.scrape.self_metrics import ReloadRecord
from exporter.web.refusals import Refusals
from tests.support.facts import APP, CLUSTER, OMM, OTHER_USER, endpoint, process, socket
from tests.support.fake_host import HERE, FakeHost
from tests.support.installations import installation
from tests.support.promtool import check_metrics

GOLDEN = Path(__file__).parent / "golden" / "metrics.txt"
NOW = 1_795_392_000.0
# What is of this run and not of the host: the client library's own process and Python.
OF_THIS_RUN = re.compile(
    r"^((?:process|python_gc)_\w+(?:\{[^}]*\})?) .*$|^(python_info)\{.*$", re.MULTILINE
)
PYTHON = re.compile(r'python_version="[^"]*"')


def still_page() -> bytes:
    """Scrape once over the fixed host."""
    clock = Clock(lambda: 5.0, lambda: NOW)
    refusals = Refusals(clock.monotonic)
    runtime = Runtime(
        clock, ReloadRecord(clock.wall), refusals, "ogdb1", _installation, _ports_of_the_host
    )
    config = Config(installation=InstallationHints(node_id=1))
    application = build(Options(), config, runtime)
    families = application.registry.scrape(30.0)
    application.stop()
    return render(families, Format.TEXT)


def _installation(_options: Options, _config: Config, _host_name: str) -> InstallationParts:
    """Two nodes, of which this is the first; an operator has stopped its database."""
    cm_server = endpoint("cm_server", HERE)
    datanode = endpoint("datanode", HERE, port=15400, process="gaussdb", data_dir="/data/dn")
    endpoints = (cm_server, replace(datanode, component="datanode"))
    known = installation(variables={"GS_CLUSTER_NAME": "demo"})
    stopped = (StopMarker("instance_manual_start", "6001", NOW - 60),)
    discovery = Discovery(lambda: known, lambda _: endpoints, known)
    return InstallationParts(discovery, lambda: CLUSTER, lambda: stopped)


def _ports_of_the_host(
    _options: Options,
    endpoints: Callable[[], tuple[Endpoint, ...]],
    _identity: Callable[[], ClusterIdentity],
    _bind_failure_age: BindFailureAge,
) -> PortParts:
    """A cm_server whose port a web server has, and a healthy database beside that stranger."""
    database = process(600, f"{APP}_d712af3/bin/gaussdb", data_dir="/data/dn")
    web = process(900, "/usr/sbin/nginx", OTHER_USER)
    host = FakeHost(
        [
            (socket(), (web,)),
            (socket(HERE, inode=2, port=15400, uid=OMM), (database,)),
            (socket("127.0.0.1", inode=3, port=15400), (web,)),
        ]
    )
    return PortParts(lambda uid: host.of_user(uid).processes, host.inspector(endpoints()))


def masked(page: bytes) -> str:
    """Replace what differs from run to run by a dash."""
    text = OF_THIS_RUN.sub(lambda found: f"{found[1] or found[2]} -", page.decode())
    return PYTHON.sub('python_version="-"', text)


def test_the_page_is_the_golden_one(*, update_golden: bool) -> None:
    """Every family, label and help text is what users have been promised."""
    page = still_page()
    check_metrics(page)
    if update_golden:
        GOLDEN.write_text(masked(page), encoding="utf-8")
    told = "if the difference is meant, `make golden` writes tests/golden/metrics.txt anew"
    assert masked(page) == GOLDEN.read_text(encoding="utf-8"), told
