"""The configuration: a strict file in, frozen facts out, or every problem at once."""

from __future__ import annotations

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
    "load_config",
    "load_web_config",
    "parse_config",
    "parse_signatures",
]
