"""Answer scrapes until told to end.

The own addresses are listened on before anything is started; what outlives a reload is made once.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
from functools import partial
from typing import Callable

import structlog

from exporter.build import ZERO_IS_NONE, build, make_runtime, read_config, read_web_config
from exporter.commands.diagnosis_text import DiagnosisPage
from exporter.config import Config
from exporter.config.web import WebConfig
from exporter.errors import ListenError
from exporter.host.service_manager import ServiceManager
from exporter.options import Options, Values
from exporter.scrape.self_metrics import ReloadRecord
from exporter.web.connection import Limits
from exporter.web.daemon import Daemon
from exporter.web.gate import Access, Gate, PasswordChecker, make_access
from exporter.web.messages import Handler
from exporter.web.refusals import Refusals
from exporter.web.reloading import Reloader, WebFile
from exporter.web.server import Server, open_listeners
from exporter.web.site import Site, SiteSettings

# A scrape asks the host for much, and behind each answer waits until the thread that searches the
# logs lets it have the interpreter. Beside logs that grow by 50 MB/s the p99 of /metrics was 216 ms
# with Python's own 5 ms, and 70 ms with this.
TURN_SECONDS = 0.0005


def run(options: Options, config: Config, _values: Values) -> int:
    """Serve until told to end; 1 when an own address cannot be had, else 0.

    78 when the cluster needs one of the own ports: then the exporter would be the conflict.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the loop handles it: it must not kill
    sys.setswitchinterval(TURN_SECONDS)
    runtime = make_runtime()
    web = _web_file(options, runtime.reloads, runtime.clock.monotonic)
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
        web.refresh if options.web_config_file else None,
    )

    async def live() -> None:
        daemon = Daemon(reloader, ServiceManager(os.environ))
        reload = daemon.reload if options.enable_lifecycle else None
        pages = {"/diagnosis": DiagnosisPage(daemon.registry, runtime.clock.wall)}
        settings = SiteSettings(
            options.telemetry_path, options.max_requests, reload, pages, ZERO_IS_NONE
        )
        site = Site(daemon.registry, settings, runtime.refusals)
        await daemon.run(_make_server(site, web, runtime.refusals), listeners)

    asyncio.run(live())
    return os.EX_OK


def _web_file(options: Options, record: ReloadRecord, monotonic: Callable[[], float]) -> WebFile:
    checker = PasswordChecker()

    def access(config: WebConfig) -> Access:
        return make_access(config, checker, monotonic)

    note = partial(record.note, "web configuration")
    return WebFile(options.web_config_file, read_web_config, access, note)


def _make_server(pages: Handler, web: WebFile, refusals: Refusals) -> Server:
    limits = Limits(connections=_most_connections())
    return Server(Gate(pages, web.access, refusals), refusals, limits, web.tls)


def _most_connections() -> int:
    """Leave half of the file descriptors to the collectors."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(Limits.connections, soft // 2))
