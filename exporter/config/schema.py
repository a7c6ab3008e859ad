"""The configuration as frozen facts, key by key as in the file.

Every field's name is its key; a field's default is what holds when the key is left out or has
no value. Durations are in seconds. Nothing here has been looked up on the host.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from exporter.model.installation import InstallationHints
from exporter.model.logs import Signature
from exporter.model.ports import IPAddress


@dataclass(frozen=True)
class EndpointConfig:
    """One endpoint that is added, or that overrides the discovered one of the same key.

    ``addresses`` None: nobody told, what was discovered holds; empty: the wildcard.
    ``process`` None: what was discovered, else what the endpoint's word stands for.
    """

    endpoint: str
    instance_id: str
    port: int
    addresses: Optional[tuple[IPAddress, ...]] = None
    process: Optional[str] = None


@dataclass(frozen=True)
class CmQuery:
    """How the cluster's state is asked for; None: derived from the number of cm_servers."""

    enabled: bool = True
    command: tuple[str, ...] = ("cm_ctl", "query", "-Cvipd")
    interval: float = 15.0
    timeout: Optional[float] = None
    max_age: Optional[float] = None


@dataclass(frozen=True)
class LogSource:
    """Files of one source, as absolute paths or glob patterns."""

    source: str
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Logs:
    """Which logs are followed, and what is looked for in them."""

    enabled: bool = True
    sources: tuple[LogSource, ...] = ()
    signatures: tuple[Signature, ...] = ()
    look_back: float = 900.0
    timezone: Optional[str] = None
    state_file: Optional[str] = None


@dataclass(frozen=True)
class Config:
    """The whole configuration; ``Config()`` is what holds without a file."""

    installation: InstallationHints = field(default_factory=InstallationHints)
    endpoints: tuple[EndpointConfig, ...] = ()
    cm_query: CmQuery = field(default_factory=CmQuery)
    logs: Logs = field(default_factory=Logs)
