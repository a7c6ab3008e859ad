"""The installation's part of the composition root, and the two commands that show it."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from typing import Callable, Optional

from exporter.config import Config, merge_endpoints
from exporter.errors import SourceError
from exporter.host.command import Runner
from exporter.host.files import HostFiles, WatchedFiles
from exporter.installation.accounts import Accounts, own_user
from exporter.installation.cluster_processes import ClusterProcesses
from exporter.installation.discovery import Discovery
from exporter.installation.endpoints import discovered_endpoints
from exporter.installation.environment import EnvironmentSearch, ShellEnvironment
from exporter.installation.facts import Installation, StopMarker
from exporter.installation.markers import read_identity, read_markers
from exporter.installation.reader import NO_UID, Defaults, InstallationReader, Remembered
from exporter.options import Options
from exporter.ports.facts import ClusterIdentity, Endpoint


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


def look_for_installation(
    options: Options, config: Config
) -> tuple[Installation, tuple[Endpoint, ...]]:
    """Look once for the installation and the endpoints of this node."""
    reader, _ = _reader(options, config, platform.node(), Runner(), Remembered())
    found = reader.refresh()
    return found, _derive(config)(found)
