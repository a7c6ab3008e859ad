"""The flags, as every Prometheus exporter has them, and what they say as one frozen fact.

Flags may stand before or behind the command, as ``--flag=value`` or ``--flag value``.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Callable, NamedTuple, Optional, get_type_hints

from exporter.errors import UsageError

Values = Mapping[str, Any]
"""What was given for each flag, or its default, by the flag's name."""

COLLECTORS = ("ports", "node", "cluster", "logs")
"""Collectors that a flag can switch off; each is on unless told otherwise."""
_MOST_REQUESTS = 10_000


@dataclass(frozen=True)
class Flag:
    """One flag: its name without dashes, and what it takes; without ``metavar`` it is a switch.

    ``parse`` raises ValueError with what is allowed. ``default`` is as an operator would write
    it, and is parsed like any other value; empty is None.
    """

    name: str
    help: str
    metavar: str = ""
    parse: Callable[[str], Any] = str
    default: str = ""
    repeat: bool = False
    negatable: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """All ways to write the flag."""
        negated = (f"--no-{self.name}",) if self.negatable else ()
        return (f"--{self.name}", *negated)


class ListenAddress(NamedTuple):
    """Where the exporter answers; an empty host is every address, port 0 the kernel's choice."""

    host: str
    port: int

    def __str__(self) -> str:
        """Write the address as the flag takes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def listen_address(text: str) -> ListenAddress:
    """Read ``:PORT``, ``host:PORT`` or ``[::1]:PORT``; raises ValueError."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%\w]+)\]|([^\s:\[\]/]*)):([0-9]{1,5})", text)
    if not match or int(match.group(3)) > 65535:  # noqa: PLR2004  # the largest port
        raise ValueError(f"{text!r} is none of :PORT, HOST:PORT, [IPv6]:PORT")
    return ListenAddress(match.group(1) or match.group(2) or "", int(match.group(3)))


def telemetry_path(text: str) -> str:
    """Read the path of the metrics, which must not hide another page; raises ValueError."""
    taken = text == "/" or text.startswith("/-/") or text == "/diagnosis"
    if taken or not re.fullmatch(r"(/[A-Za-z0-9_.~-]+)+", text):
        raise ValueError(f"{text!r} is not a path such as /metrics, or the path of another page")
    return text


def absolute_path(text: str) -> Path:
    """Read an absolute path; raises ValueError."""
    if not text.startswith("/") or "\0" in text:
        raise ValueError(f"{text!r} is not an absolute path")
    return Path(text)


def request_limit(text: str) -> int:
    """Read a number of requests; raises ValueError."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > _MOST_REQUESTS:
        raise ValueError(f"{text!r} is not a whole number from 0 to {_MOST_REQUESTS}")
    return int(text)


def one_of(*words: str) -> Callable[[str], str]:
    """Make a parser of a closed set of words."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"{text!r} is none of {', '.join(words)}")
        return text

    return parse


COLLECTOR_FLAGS = tuple(
    Flag(f"collector.{name}", f"The collector {name}, on by default.", negatable=True)
    for name in COLLECTORS
)


@dataclass(frozen=True)
class Options:
    """What the flags of one start say: a field each, with its flag and its default.

    ``max_requests`` 0 is no limit. ``procfs``, ``sysfs`` and ``rootfs`` are where the host's
    file systems are seen from here.
    """

    config_file: Annotated[
        Optional[Path],
        Flag("config.file", "The configuration; without one the defaults hold.", "FILE", Path),
    ] = None
    config_check: Annotated[
        bool, Flag("config.check", "Check the configuration, say what is wrong with it, end.")
    ] = False
    listen_addresses: Annotated[
        tuple[ListenAddress, ...],
        Flag(
            "web.listen-address",
            "Where to answer: :PORT, HOST:PORT or [IPv6]:PORT; may be given several times.",
            "ADDRESS",
            listen_address,
            repeat=True,
        ),
    ] = (ListenAddress("", 19836),)
    web_config_file: Annotated[
        Optional[Path],
        Flag(
            "web.config.file",
            "TLS, client certificates, users and headers, as Prometheus' exporters take them.",
            "FILE",
            Path,
        ),
    ] = None
    telemetry_path: Annotated[
        str, Flag("web.telemetry-path", "Path of the metrics.", "PATH", telemetry_path)
    ] = "/metrics"
    enable_lifecycle: Annotated[
        bool, Flag("web.enable-lifecycle", "Let POST /-/reload read the configuration anew.")
    ] = False
    max_requests: Annotated[
        int,
        Flag(
            "web.max-requests",
            "Scrapes that are answered at the same time, others get 503; 0 is no limit.",
            "NUMBER",
            request_limit,
        ),
    ] = 40
    collectors: Annotated[frozenset[str], COLLECTOR_FLAGS] = frozenset(COLLECTORS)
    procfs: Annotated[
        Path, Flag("path.procfs", "Where the host's /proc is seen.", "DIRECTORY", absolute_path)
    ] = Path("/proc")
    sysfs: Annotated[
        Path, Flag("path.sysfs", "Where the host's /sys is seen.", "DIRECTORY", absolute_path)
    ] = Path("/sys")
    rootfs: Annotated[
        Path, Flag("path.rootfs", "Where the host's / is seen.", "DIRECTORY", absolute_path)
    ] = Path("/")
    log_level: Annotated[
        str,
        Flag(
            "log.level",
            "The least severe level that is logged: debug, info, warn, error.",
            "LEVEL",
            one_of("debug", "info", "warn", "error"),
        ),
    ] = "info"
    log_format: Annotated[
        str, Flag("log.format", "logfmt or json.", "FORMAT", one_of("logfmt", "json"))
    ] = "logfmt"

    @property
    def listen_ports(self) -> frozenset[int]:
        """The exporter's own ports, as far as they are known before the kernel chose."""
        return frozenset(address.port for address in self.listen_addresses if address.port)


def _flags_of(name: str) -> tuple[Flag, ...]:
    """Return the flags of a field, with its default as an operator would write it."""
    said = get_type_hints(Options, include_extras=True)[name].__metadata__[0]
    if isinstance(said, tuple):
        return said
    default = getattr(Options(), name)
    value = default[0] if said.repeat else default
    written = "" if value is None or not said.metavar else str(value)
    return (dataclasses.replace(said, default=written),)


_FLAGS_OF = {option.name: _flags_of(option.name) for option in dataclasses.fields(Options)}
FLAGS = tuple(flag for flags in _FLAGS_OF.values() for flag in flags)
"""The flags of every command."""


def options_of(values: Values) -> Options:
    """Turn the flags of every command into Options; raises UsageError."""
    contents = {name: values[flag.name] for name, flags in _FLAGS_OF.items() for flag in flags}
    contents["collectors"] = frozenset(c for c in COLLECTORS if values[f"collector.{c}"])
    addresses = tuple(contents["listen_addresses"] or Options().listen_addresses)
    contents["listen_addresses"] = addresses
    fixed = [address for address in addresses if address.port]
    if len(set(fixed)) < len(fixed):
        raise UsageError("the same --web.listen-address is given twice")
    return Options(**contents)
