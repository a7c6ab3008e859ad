"""The configuration: a strict file in, frozen facts out, or every problem at once."""

from __future__ import annotations

from exporter.config.endpoints import configured_endpoints, merge_endpoints
from exporter.config.loader import load_config, parse_config, parse_signatures
from exporter.config.reading import Checks
from exporter.config.schema import CmQuery, Config, EndpointConfig, Logs, LogSource
from exporter.config.web import load_web_config

__all__ = [
    "Checks",
    "CmQuery",
    "Config",
    "EndpointConfig",
    "LogSource",
    "Logs",
    "configured_endpoints",
    "load_config",
    "load_web_config",
    "merge_endpoints",
    "parse_config",
    "parse_signatures",
]
