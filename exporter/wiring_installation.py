"""The installation's part of the composition root, and the two commands that show it."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from typing import Callable, Optional

from exporter.config import Config, merge_endpoints
from exporter.discovery import Discovery
from exporter.endpoints import discovered_endpoints
from exporter.errors import SourceError, UsageError
from exporter.flags import Flag, Values, one_of
from exporter.model.installation import Installation
from exporter.model.logs import StopMarker
from exporter.model.ports import ClusterIdentity, Endpoint
from exporter.options import Options
from exporter.output import write_out
from exporter.reports import discover as discover_report
from exporter.reports import targets as targets_report
from exporter.sources.accounts import Accounts, own_user
from exporter.sources.cluster_processes import ClusterProcesses
from exporter.sources.command import Runner
from exporter.sources.environment_search import EnvironmentSearch
from exporter.sources.host_files import HostFiles, WatchedFiles
from exporter.sources.installation import NO_UID, Defaults, InstallationReader, Remembered
from exporter.sources.markers import read_identity, read_markers
from exporter.sources.shell_environment import ShellEnvironment

_MAX_PORT = 65535


@dataclass(frozen=True)
class InstallationParts:
    """What knows the installation; ``discovery`` is a service to start and to stop.

    ``identity`` tells what makes a process one of this cluster's, ``markers`` lists the stop
    markers below a GAUSSHOME, both as they are at the moment; they raise SourceError.
    """

    discovery: Discovery
    identity: Callable[[], ClusterIdentity]
    markers: Callable[[str], tuple[StopMarker, ...]]

    def own_port_problem(self, options: Options) -> str:
        """Look, and tell which endpoint needs a port on which we are to listen; empty if none."""
        self.discovery.look()
        for endpoint in self.discovery.endpoints():
            if endpoint.port in options.listen_ports:
                needs = f"{endpoint.endpoint} of the cluster needs port {endpoint.port}"
                return f"{needs}; choose another --web.listen-address"
        return ""


class InstallationWiring:
    """Puts together what knows the installation; nothing is read yet.

    It outlives a reload, so that the last good facts of the same installation do, too.
    """

    def __init__(self) -> None:
        self._remembered: dict[tuple[Optional[str], ...], Remembered] = {}

    def __call__(self, options: Options, config: Config, host_name: str) -> InstallationParts:
        """Make the parts for one configuration; raises SourceError for a user that is not here."""
        wanted = config.installation
        _check_user(options, wanted.user)
        same = (wanted.user, wanted.env_file, wanted.gausshome)
        remembered = self._remembered.setdefault(same, Remembered())
        return _parts(options, config, host_name, remembered)


def _check_user(options: Options, name: Optional[str]) -> None:
    if name is not None:
        try:
            Accounts(HostFiles(options.rootfs), own_user()).find(name)
        except SourceError:
            raise SourceError(f"installation.user: no user {name!r} here") from None


def _parts(
    options: Options, config: Config, host_name: str, remembered: Remembered
) -> InstallationParts:
    runner, files = Runner(), HostFiles(options.rootfs)
    reader, nothing = _reader(options, config, host_name, runner, remembered)
    discovery = Discovery(reader.refresh, _derive(config), nothing, runner.stop)

    def identity() -> ClusterIdentity:
        found = discovery.installation()
        if found.uid == NO_UID:  # whoever holds a port would look like a stranger
            raise SourceError(f"the cluster's OS user {found.user!r} is not known")
        return read_identity(files, found)

    return InstallationParts(discovery, identity, lambda home: read_markers(files, home))


def _reader(
    options: Options, config: Config, host_name: str, runner: Runner, remembered: Remembered
) -> tuple[InstallationReader, Installation]:
    hints = config.installation
    files, own = WatchedFiles(options.rootfs), own_user()
    shell = ShellEnvironment(runner.run) if files.is_own_root else None
    search = EnvironmentSearch(files, ClusterProcesses(options.procfs), shell, os.environ)
    defaults = Defaults(own.name, host_name)
    accounts = Accounts(files, own)
    reader = InstallationReader(hints, defaults, files, search, accounts.find, remembered)
    name = hints.node_name or host_name
    return reader, Installation(hints.user or own.name, NO_UID, name)


def _derive(config: Config) -> Callable[[Installation], tuple[Endpoint, ...]]:
    return lambda found: merge_endpoints(discovered_endpoints(found), config.endpoints)


def _port(text: str) -> int:
    """Read a TCP port; raises ValueError."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= _MAX_PORT):
        raise ValueError(f"{text!r} is not a port from 1 to {_MAX_PORT}")
    return int(text)


EXPORTER_PORT_FLAG = Flag(
    "exporter-port", "The exporters' port; without it this one's own.", "PORT", _port
)
DISCOVER_FLAGS = (Flag("format", "text or json.", "FORMAT", one_of("text", "json"), "text"),)
TARGETS_FLAGS = (
    Flag(
        "format",
        "file_sd: a file for file_sd_configs; scrape-config: a part of prometheus.yml.",
        "FORMAT",
        one_of("file_sd", "scrape-config"),
        "file_sd",
    ),
    Flag("cluster", "The cluster's name; without it GS_CLUSTER_NAME.", "NAME"),
    EXPORTER_PORT_FLAG,
)


def look_for_installation(
    options: Options, config: Config
) -> tuple[Installation, tuple[Endpoint, ...]]:
    """Look once for the installation and the endpoints of this node."""
    reader, _ = _reader(options, config, platform.node(), Runner(), Remembered())
    found = reader.refresh()
    return found, _derive(config)(found)


def exporter_port(options: Options, values: Values) -> int:
    """Return the port at which the cluster's exporters answer; raises UsageError."""
    port: int = values["exporter-port"] or min(options.listen_ports, default=0)
    if not port:
        raise UsageError("the exporters' port is the kernel's choice; give --exporter-port")
    return port


def discover(options: Options, config: Config, values: Values) -> int:
    """Write what was found of the installation; 1 when something that must be there was not."""
    found, endpoints = look_for_installation(options, config)
    as_json = values["format"] == "json"
    write = discover_report.as_json if as_json else discover_report.as_text
    write_out(write(found, endpoints).encode("utf-8", "replace"), sys.stdout.buffer)
    return int(bool(found.problems))


def targets(options: Options, config: Config, values: Values) -> int:
    """Write the scrape targets of all nodes; 1 without a static config to take them from."""
    port = exporter_port(options, values)
    found, _ = look_for_installation(options, config)
    if found.static is None:
        told = "\n".join(finding.detail for finding in found.problems)
        sys.stderr.write(f"no cluster_static_config could be read\n{told}\n")
        return 1
    cluster = values["cluster"] or found.cluster_name
    if not cluster:
        sys.stderr.write("the cluster's name is not known: give it with --cluster\n")
    as_config = values["format"] == "scrape-config"
    write = targets_report.scrape_config if as_config else targets_report.file_sd
    text = write(found.static, port, cluster)
    write_out(text.encode("utf-8", "replace"), sys.stdout.buffer)
    return os.EX_OK
