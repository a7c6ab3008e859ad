"""The installation's part of the composition root, and the two commands that show it."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass
from typing import Callable, Optional

from exporter.config import Config
from exporter.host.clock import boot_time
from exporter.host.command import Runner
from exporter.host.files import HostFiles, WatchedFiles
from exporter.host.processes import ProcessReader
from exporter.host.procfs import Procfs
from exporter.host.users import UserNames
from exporter.installation.accounts import Accounts, own_user
from exporter.installation.discovery import Discovery
from exporter.installation.endpoints import node_endpoints, own_port_problem
from exporter.installation.environment import EnvironmentSearch, ShellEnvironment
from exporter.installation.facts import NO_UID, Installation, StopMarker
from exporter.installation.installed_files import FactStore
from exporter.installation.markers import read_identity, read_markers
from exporter.installation.reader import InstallationReader
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
        return own_port_problem(self.discovery.endpoints(), options.listen_ports)


class InstallationWiring:
    """Puts together what knows the installation; nothing is read yet.

    It outlives a reload, so that the last good facts of the same installation do, too.
    """

    def __init__(self) -> None:
        self._stores: dict[tuple[Optional[str], ...], FactStore] = {}

    def __call__(self, options: Options, config: Config, host_name: str) -> InstallationParts:
        """Make the parts for one configuration; raises SourceError for a user that is not here."""
        hints, files, runner = config.installation, HostFiles(options.rootfs), Runner()
        if hints.user is not None:
            Accounts(files, own_user()).require(hints.user)
        same = (hints.user, hints.env_file, hints.gausshome)
        store = self._stores.setdefault(same, FactStore())
        reader = _reader(options, config, host_name, runner, store)
        discovery = Discovery(
            reader.refresh,
            lambda installation: node_endpoints(installation, config.endpoints),
            reader.known,
            runner.stop,
        )
        return InstallationParts(
            discovery,
            lambda: read_identity(files, discovery.installation()),
            lambda gausshome: read_markers(files, gausshome),
        )


def _reader(
    options: Options, config: Config, host_name: str, runner: Runner, store: FactStore
) -> InstallationReader:
    hints = config.installation
    files, own, procfs = WatchedFiles(options.rootfs), own_user(), Procfs(options.procfs)
    processes = ProcessReader(procfs, UserNames(options.rootfs, time.monotonic), boot_time)
    evaluate = ShellEnvironment(runner.run).evaluate if files.is_own_root else None
    search = EnvironmentSearch(files, processes, evaluate, os.environ)
    nothing = Installation(hints.user or own.name, NO_UID, hints.node_name or host_name)
    return InstallationReader(hints, nothing, files, search, Accounts(files, own).find, store)


def look_for_installation(
    options: Options, config: Config
) -> tuple[Installation, tuple[Endpoint, ...]]:
    """Look once for the installation and the endpoints of this node."""
    installation = _reader(options, config, platform.node(), Runner(), FactStore()).refresh()
    return installation, node_endpoints(installation, config.endpoints)
