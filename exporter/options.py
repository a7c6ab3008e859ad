"""What the command line says, as one frozen fact."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Optional

DEFAULT_PORT = 19836
COLLECTORS = ("ports", "node", "cluster", "logs")
"""Collectors that a flag can switch off; each is on unless told otherwise."""


class ListenAddress(NamedTuple):
    """Where the exporter answers; an empty host is every address, port 0 the kernel's choice."""

    host: str
    port: int


@dataclass(frozen=True)
class Options:
    """The flags of one start; the defaults are those of the flags.

    ``max_requests`` 0 is no limit. ``procfs``, ``sysfs`` and ``rootfs`` are where the host's
    file systems are seen from here.
    """

    config_file: Optional[Path] = None
    listen_addresses: tuple[ListenAddress, ...] = (ListenAddress("", DEFAULT_PORT),)
    web_config_file: Optional[Path] = None
    telemetry_path: str = "/metrics"
    enable_lifecycle: bool = False
    max_requests: int = 40
    collectors: frozenset[str] = frozenset(COLLECTORS)
    procfs: Path = Path("/proc")
    sysfs: Path = Path("/sys")
    rootfs: Path = Path("/")
    log_level: str = "info"
    log_format: str = "logfmt"

    @property
    def listen_ports(self) -> frozenset[int]:
        """The exporter's own ports, as far as they are known before the kernel chose."""
        return frozenset(address.port for address in self.listen_addresses if address.port)
