"""The one place that knows what a configuration is checked against, at start and at reload."""

from __future__ import annotations

from exporter.config import Checks, Config, load_config
from exporter.options import Options


def read_config(options: Options) -> Config:
    """Read the configuration that the flags name; raises ConfigError with every problem."""
    return load_config(options.config_file, Checks(listen_ports=options.listen_ports))
