"""The configuration as frozen facts, key by key as in the file.

Every field's name is its key; a field's default is what holds when the key is left out or has
no value. Durations are in seconds. Nothing here has been looked up on the host.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from exporter.host.facts import IPAddress


@dataclass(frozen=True)
class InstallationHints:
    """What the configuration says of the installation; every None is left to discovery."""

    user: Optional[str] = None
    env_file: Optional[str] = None
    gausshome: Optional[str] = None
    gausslog: Optional[str] = None
    dss_home: Optional[str] = None
    static_config: Optional[str] = None
    node_id: Optional[int] = None
    node_name: Optional[str] = None


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
class Signature:
    """A named pattern of one log record, and what it means.

    ``pattern`` is RE2 and sees one physical line, as grep does. ``details`` are patterns for the
    lines below it that belong to the same record; only their named groups count. The group
    ``port`` stands for a port of this node that the record reports as taken; where there is a
    group ``code``, only with 98 (EADDRINUSE) in it.
    """

    id: str
    sources: tuple[str, ...]
    pattern: str
    severity: str = "info"
    meaning: str = ""
    reference: str = ""
    details: tuple[str, ...] = ()

    @property
    def reports_port(self) -> bool:
        """Whether its records name a port of this node as taken."""
        return any("(?P<port>" in pattern for pattern in (self.pattern, *self.details))


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
