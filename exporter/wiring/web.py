"""Puts the web server's parts together: its configuration file, the gate, and the limits."""

from __future__ import annotations

import resource
from typing import Callable

from exporter.config.web import WebConfig
from exporter.options import Options
from exporter.web.connection import Limits
from exporter.web.gate import Access, Gate, PasswordChecker, make_access
from exporter.web.messages import Handler
from exporter.web.refusals import Refusals
from exporter.web.reloading import ReloadRecord, WebFile
from exporter.web.server import Server
from exporter.wiring.settings import read_web_config


def web_file(options: Options, record: ReloadRecord, monotonic: Callable[[], float]) -> WebFile:
    """Read the web configuration; raises ConfigError."""
    checker = PasswordChecker()

    def apply(config: WebConfig) -> Access:
        return make_access(config, checker, monotonic)

    def note(problem: str) -> None:
        record.note("web configuration", problem)

    return WebFile(options.web_config_file, read_web_config, apply, note)


def make_server(pages: Handler, web: WebFile, refusals: Refusals) -> Server:
    """Make the server whose every answer has passed the gate."""
    limits = Limits(connections=_most_connections())
    return Server(Gate(pages, web.access, refusals), refusals, limits, web.tls)


def _most_connections() -> int:
    """Leave half of the file descriptors to the collectors."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(Limits.connections, soft // 2))
