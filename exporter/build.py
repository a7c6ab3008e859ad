"""The composition root: the one place that knows concrete classes.

``build`` lists what there is, in the order of the page. What outlives a reload is in ``Runtime``.
A collector asks an entry of the catalogue for its family; a name that is not declared there cannot
be shown. ``docs/metrics.md`` is generated from ``CATALOGUE``.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional, Protocol

from exporter.cluster import metrics as cluster_metrics
from exporter.config import Checks, Config, load_config, load_web_config
from exporter.config.web import WebConfig
from exporter.host.answer_cache import AnswerCache
from exporter.host.clock import Clock
from exporter.installation import metrics as node_metrics
from exporter.installation.collector import (
    InstallationCollector,
    MarkersCollector,
    NodeInfoCollector,
    ProcessesCollector,
)
from exporter.installation.members import node_identity
from exporter.logs import metrics as log_metrics
from exporter.logs.patterns import pattern_problem
from exporter.options import Options
from exporter.parts import (
    LOOK_SECONDS,
    InstallationFactory,
    InstallationParts,
    LogParts,
    LogSurroundings,
    PortParts,
    log_parts,
    port_parts,
    query_parts,
    shipped,
)
from exporter.ports import metrics as port_metrics
from exporter.ports.collector import PortsCollector
from exporter.ports.inspector import no_bind_failure
from exporter.ports.relation import instances_of
from exporter.scrape import metrics as own_metrics
from exporter.scrape.base import Metric
from exporter.scrape.guard import Collector
from exporter.scrape.registry import Registry
from exporter.scrape.self_metrics import ProcessCollectors, ReloadRecord, SelfCollector
from exporter.web.refusals import Refusals
from exporter.web.tls import tls_problems

CATALOGUE: tuple[Metric, ...] = tuple(
    entry
    for room in (
        port_metrics,
        node_metrics,
        cluster_metrics,
        log_metrics,
        own_metrics,
    )
    for entry in vars(room).values()
    if isinstance(entry, Metric)
)
"""Every metric that this exporter can show, declared once."""
ZERO_IS_NONE = frozenset(entry.name for entry in CATALOGUE if entry.zero_is_none)
"""The metrics of which a client may have the zeros left out."""


def read_config(options: Options) -> Config:
    """Read the configuration that the flags name; raises ConfigError with every problem."""
    checks = Checks(
        listen_ports=options.listen_ports,
        pattern_problem=pattern_problem,
        signature_ids=frozenset(signature.id for signature in shipped()),
    )
    return load_config(options.config_file, checks)


def read_web_config(path: Path) -> WebConfig:
    """Read the file of ``--web.config.file``; raises ConfigError with every problem."""
    return load_web_config(path, tls_problems)


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
    ports: Callable[..., PortParts] = port_parts
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
        InstallationFactory(),
        keeps_state=keeps_state,
    )


def build(options: Options, config: Config, runtime: Runtime) -> Application:
    """Put the parts together; nothing is started and nothing is read yet."""
    node = runtime.installation(options, config, runtime.host_name)
    services: list[Service] = [node.discovery]
    collectors: list[Collector] = [
        NodeInfoCollector(lambda: node_identity(node.discovery.installation())),
        InstallationCollector(node.discovery.installation),
        *_optional_collectors(options, config, node, runtime, services),
        SelfCollector(runtime.reloads, lambda: runtime.refusals.counts),
        ProcessCollectors(),
    ]
    return Application(
        Registry(collectors, CATALOGUE, runtime.clock),
        tuple(services),
        lambda: node.own_port_problem(options),
    )


def _optional_collectors(
    options: Options,
    config: Config,
    node: InstallationParts,
    runtime: Runtime,
    services: list[Service],
) -> Sequence[Collector]:
    """Make the collectors that ``--no-collector.<name>`` can leave out; add their services."""
    identity = AnswerCache(node.identity, LOOK_SECONDS, time.monotonic)
    endpoints = node.discovery.endpoints
    logs = _logs(options, config, node, runtime)
    bind_failure_age = logs.bind_failure_age if logs else no_bind_failure
    parts = runtime.ports(options, endpoints, identity, bind_failure_age)
    processes = ProcessesCollector(endpoints, identity, parts.processes, instances_of)
    made: dict[str, tuple[Collector, ...]] = {
        "ports": (PortsCollector(parts.inspector.inspect),),
        "node": (processes, MarkersCollector(node.discovery.installation, node.markers)),
    }
    if config.cm_query.enabled and "cluster" in options.collectors:
        poller, cluster = query_parts(
            config.cm_query,
            node.discovery.installation,
            node.markers,
            lambda: processes.runs("cm_server"),
        )
        services.append(poller.background)
        made["cluster"] = (cluster,)
    if logs:
        services.append(logs.service)
        made["logs"] = logs.collectors
    return [one for name, some in made.items() if name in options.collectors for one in some]


def _logs(
    options: Options, config: Config, node: InstallationParts, runtime: Runtime
) -> Optional[LogParts]:
    if not config.logs.enabled or "logs" not in options.collectors:
        return None
    discovery = node.discovery
    around = LogSurroundings(
        discovery.installation,
        discovery.endpoints,
        node.markers,
        options.rootfs,
        runtime.host_name,
    )
    return log_parts(config.logs, around, keeps_state=runtime.keeps_state)
