"""The composition root: the only file that knows concrete classes.

``build`` lists what there is, in the order of the page. What outlives a reload is in ``Runtime``.
"""

from __future__ import annotations

import asyncio
import os
import platform
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable, Optional, Protocol

import structlog
from prometheus_client.core import Metric

from exporter import logsetup
from exporter.collectors.installation import InstallationCollector, MarkersCollector
from exporter.collectors.node import ProcessesCollector
from exporter.collectors.node_info import NodeInfoCollector
from exporter.collectors.ports import PortsCollector
from exporter.collectors.self_metrics import ProcessCollectors, SelfCollector
from exporter.config import Config
from exporter.daemon import Daemon
from exporter.errors import ListenError
from exporter.flags import Values
from exporter.inspection import no_bind_failure
from exporter.members import node_identity
from exporter.metrics import CATALOGUE
from exporter.metrics.exporter import COLLECTOR_SUCCESS
from exporter.options import Options
from exporter.output import write_out
from exporter.registry import Clock, Collector, Registry
from exporter.reloading import Reloader, ReloadRecord
from exporter.settings import read_config
from exporter.sources.host_files import HostFiles
from exporter.sources.remembered import RememberedAnswers
from exporter.sources.service_manager import ServiceManager
from exporter.web.exposition import Format, render
from exporter.web.listen import open_listeners
from exporter.web.refusals import Refusals
from exporter.web.site import Site, SiteSettings
from exporter.wiring_diagnosis import DiagnosisPage, diagnose_command, owners_are_known
from exporter.wiring_installation import InstallationParts, InstallationWiring
from exporter.wiring_logs import LogParts, LogSurroundings, log_parts
from exporter.wiring_ports import LOOK_SECONDS, BindFailureAge, PortParts, Watched, port_parts
from exporter.wiring_query import query_parts
from exporter.wiring_web import make_server, web_file

ONCE_BUDGET_SECONDS = 60.0
DIAGNOSE_BUDGET_SECONDS = 20.0
MOST_LOOKS = 5
# A scrape asks the host for much, and behind each answer waits until the thread that searches the
# logs lets it have the interpreter. Beside logs that grow by 50 MB/s the p99 of /metrics was 216 ms
# with Python's own 5 ms, and 70 ms with this.
TURN_SECONDS = 0.0005


class Service(Protocol):
    """Work in the background: a poller, a follower of logs."""

    def start(self) -> None:
        """Begin; must not raise for what the host lacks."""

    def stop(self) -> None:
        """End in bounded time."""

    def wait_for_first(self, timeout: float) -> bool:
        """Wait until there is something to show, or it is known that there is not."""


@dataclass(frozen=True)
class Runtime:
    """What every application of this process shares, whatever its configuration.

    Without ``keeps_state`` nothing is remembered of the logs, and no state file touched.
    """

    clock: Clock
    reloads: ReloadRecord
    refusals: Refusals
    host_name: str
    installation: Callable[[Options, Config, str], InstallationParts]
    ports: Callable[[Options, Watched, BindFailureAge], PortParts] = port_parts
    keeps_state: bool = True


@dataclass(frozen=True)
class Application:
    """The collectors of one configuration, and the background work behind them."""

    registry: Registry
    services: tuple[Service, ...] = ()
    own_port_problem: Callable[[], str] = str

    def start(self) -> None:
        """Start the background work."""
        for service in self.services:
            service.start()

    def wait_for_first(self, timeout: float) -> None:
        """Wait until each has something to show, ``timeout`` seconds for all of them."""
        deadline = time.monotonic() + timeout
        for service in self.services:
            service.wait_for_first(max(0.0, deadline - time.monotonic()))

    def stop(self) -> None:
        """End the background work, the last started first."""
        for service in reversed(self.services):
            service.stop()
        self.registry.close()


def make_runtime(
    clock: Clock = Clock(),  # noqa: B008 -- frozen
    *,
    keeps_state: bool = True,
) -> Runtime:
    """Make what outlives a reload."""
    return Runtime(
        clock,
        ReloadRecord(clock.wall),
        Refusals(clock.monotonic),
        platform.node(),
        InstallationWiring(),
        keeps_state=keeps_state,
    )


def build(options: Options, config: Config, runtime: Runtime) -> Application:
    """Put the parts together; nothing is started and nothing is read yet."""
    found = runtime.installation(options, config, runtime.host_name)
    services: list[Service] = [found.discovery]
    collectors: list[Collector] = [
        NodeInfoCollector(lambda: node_identity(found.discovery.installation())),
        InstallationCollector(found.discovery.installation),
        *_optional_collectors(options, config, found, runtime, services),
        SelfCollector(runtime.reloads.status, lambda: runtime.refusals.counts),
        ProcessCollectors(),
    ]
    return Application(
        Registry(collectors, CATALOGUE, runtime.clock),
        tuple(services),
        lambda: found.own_port_problem(options),
    )


def _optional_collectors(
    options: Options,
    config: Config,
    found: InstallationParts,
    runtime: Runtime,
    services: list[Service],
) -> Sequence[Collector]:
    """Make the collectors that ``--no-collector.<name>`` can leave out; add their services."""
    identity = RememberedAnswers(found.identity, LOOK_SECONDS, time.monotonic)
    watched = Watched(found.discovery.endpoints, identity)
    logs = _logs(options, config, found, runtime)
    parts = runtime.ports(options, watched, logs.bind_failure_age if logs else no_bind_failure)
    node = ProcessesCollector(watched.endpoints, watched.identity, parts.processes)
    made: dict[str, tuple[Collector, ...]] = {
        "ports": (PortsCollector(parts.inspector.inspect),),
        "node": (node, MarkersCollector(found.discovery.installation, found.markers)),
    }
    if config.cm_query.enabled and "cluster" in options.collectors:
        query = query_parts(
            config.cm_query,
            found.discovery.installation,
            lambda: node.runs("cm_server"),
            HostFiles(options.rootfs),
        )
        services.append(query.poller)
        made["cluster"] = (query.collector,)
    if logs:
        services.append(logs.service)
        made["logs"] = logs.collectors
    return [each for name, some in made.items() if name in options.collectors for each in some]


def _logs(
    options: Options, config: Config, found: InstallationParts, runtime: Runtime
) -> Optional[LogParts]:
    if not config.logs.enabled or "logs" not in options.collectors:
        return None
    discovery = found.discovery
    around = LogSurroundings(
        discovery.installation,
        discovery.endpoints,
        lambda: found.markers(discovery.installation().gausshome),
        options.rootfs,
        runtime.host_name,
    )
    return log_parts(config.logs, around, keeps_state=runtime.keeps_state)


def serve(options: Options, config: Config) -> int:
    """Serve until told to end; 1 when an own address cannot be had, else 0.

    78 when the cluster needs one of the own ports: then the exporter would be the conflict.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the loop handles it: it must not kill
    sys.setswitchinterval(TURN_SECONDS)
    runtime = make_runtime()
    web = web_file(options, runtime.reloads, runtime.clock.monotonic)
    first = build(options, config, runtime)
    problem = first.own_port_problem()
    if problem:
        structlog.get_logger().error(problem)
        return os.EX_CONFIG
    try:
        listeners = open_listeners(options.listen_addresses)
    except ListenError as error:
        structlog.get_logger().error(str(error))
        return 1
    reloader = Reloader(
        first,
        lambda: build(options, read_config(options), runtime),
        runtime.reloads,
        (web.refresh,) if options.web_config_file else (),
    )

    async def live() -> None:
        daemon = Daemon(reloader, ServiceManager(os.environ))
        reload = daemon.reload if options.enable_lifecycle else None
        pages = {"/diagnosis": DiagnosisPage(daemon.registry, runtime.clock.wall)}
        settings = SiteSettings(options.telemetry_path, options.max_requests, reload, pages)
        site = Site(daemon.registry, settings, runtime.refusals)
        await daemon.run(make_server(site, web, runtime.refusals), listeners)

    asyncio.run(live())
    return os.EX_OK


def look(
    application: Application,
    budget: float,
    enough: Callable[[Sequence[Metric]], bool] = lambda _: True,
) -> tuple[Metric, ...]:
    """Start, look, end; some times more until ``enough`` says that there is no more to see.

    Waits for the first results of the background work, then for the collectors, ``budget`` seconds
    at most for each.
    """
    application.start()
    try:
        application.wait_for_first(budget)
        families = application.registry.scrape(budget)
        looks = 1
        while looks < MOST_LOOKS and not enough(families):
            families = application.registry.scrape(budget)
            looks += 1
        return families
    finally:
        application.stop()


def diagnose(options: Options, config: Config, values: Values) -> int:
    """Look once and say what it means; the status is that of the verdict, see STATUS."""
    level = "error" if options.log_level == Options().log_level else options.log_level
    logsetup.configure(level, options.log_format, sys.stderr)  # the report says what is missing
    runtime = make_runtime(keeps_state=False)

    def look_once() -> tuple[Metric, ...]:
        application = build(options, config, runtime)
        return look(application, DIAGNOSE_BUDGET_SECONDS, owners_are_known)

    wall = runtime.clock.wall
    return diagnose_command(look_once, wall, options, config, values, sys.stdout.buffer)


def once(options: Options, config: Config) -> int:
    """Write one page to stdout; 1 when a collector failed (the page tells which), else 0."""
    families = look(build(options, config, make_runtime()), ONCE_BUDGET_SECONDS)
    write_out(render(families, Format.TEXT), sys.stdout.buffer)
    outcome = next(family for family in families if family.name == COLLECTOR_SUCCESS.name)
    return int(any(not sample.value for sample in outcome.samples))
