"""The one place that knows what a configuration is checked against, at start and at reload."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from exporter.config import Checks, Config, load_config, load_web_config, parse_signatures
from exporter.config.schema import Signature
from exporter.config.web import WebConfig
from exporter.logs.patterns import pattern_problem
from exporter.options import Options
from exporter.web.tls import tls_problems


def read_config(options: Options) -> Config:
    """Read the configuration that the flags name; raises ConfigError with every problem."""
    checks = Checks(
        listen_ports=options.listen_ports,
        pattern_problem=pattern_problem,
        signature_ids=frozenset(each.id for each in shipped()),
    )
    return load_config(options.config_file, checks)


def read_web_config(path: Path) -> WebConfig:
    """Read the file of ``--web.config.file``; raises ConfigError with every problem."""
    return load_web_config(path, tls_problems)


def shipped() -> tuple[Signature, ...]:
    """List the shipped signatures; raises ConfigError if the package is broken."""
    return parse_signatures(shipped_signatures(), "signatures.yml")


def shipped_signatures() -> bytes:
    """Return the text of the shipped signatures (config/signatures.yml in the project)."""
    return resources.files("exporter").joinpath("data/signatures.yml").read_bytes()
