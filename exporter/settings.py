"""The one place that knows what a configuration is checked against, at start and at reload."""

from __future__ import annotations

from exporter.config import Checks, Config, load_config, parse_signatures
from exporter.model.logs import Signature
from exporter.options import Options
from exporter.parsers.patterns import pattern_problem
from exporter.sources.shipped import shipped_signatures


def read_config(options: Options) -> Config:
    """Read the configuration that the flags name; raises ConfigError with every problem."""
    checks = Checks(
        listen_ports=options.listen_ports,
        pattern_problem=pattern_problem,
        signature_ids=frozenset(each.id for each in shipped()),
    )
    return load_config(options.config_file, checks)


def shipped() -> tuple[Signature, ...]:
    """List the shipped signatures; raises ConfigError if the package is broken."""
    return parse_signatures(shipped_signatures(), "signatures.yml")
