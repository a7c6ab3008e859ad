"""The subjects' parts of the composition root: each put together from its room's classes."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Callable, Optional

from exporter.cluster.cm_ctl import CmCtlQuery
from exporter.cluster.collector import ClusterCollector
from exporter.cluster.poller import Cadence, QueryPoller, is_stopped
from exporter.config import Config, parse_signatures
from exporter.config.schema import CmQuery, Logs, Signature
from exporter.host.answer_cache import AnswerCache
from exporter.host.cgroup import CgroupTree, UnitReader
from exporter.host.clock import Clock, boot_time
from exporter.host.command import Account, Runner
from exporter.host.facts import Process
from exporter.host.files import HostFiles, WatchedFiles
from exporter.host.netns import ClusterNamespace
from exporter.host.network import HostFacts
from exporter.host.process_table import ProcessTable
from exporter.host.processes import ProcessReader
from exporter.host.procfs import Procfs
from exporter.host.users import Accounts, UserNames, own_user
from exporter.installation.discovery import Discovery
from exporter.installation.endpoints import node_endpoints, own_port_problem
from exporter.installation.environment import EnvironmentSearch, ShellEnvironment
from exporter.installation.facts import NO_UID, Installation, StopMarker
from exporter.installation.installed_files import FactStore
from exporter.installation.markers import read_identity, read_markers
from exporter.installation.members import members
from exporter.installation.reader import InstallationReader, require_user
from exporter.logs.collector import LogsCollector, StopOriginCollector
from exporter.logs.evidence import LogEvidence, bind_failure_age
from exporter.logs.facts import LogSnapshot
from exporter.logs.follower import LogFollower
from exporter.logs.listing import LogHost
from exporter.logs.plan import LocalZone, LogPlan, horizon
from exporter.logs.service import LogService, StateFile, default_state_file, host_id
from exporter.options import Options
from exporter.ports.facts import ClusterIdentity, Endpoint
from exporter.ports.inspector import PortInspector, Sources, no_bind_failure
from exporter.ports.owners import OwnerLookup
from exporter.ports.proc_net import ClusterSockets
from exporter.ports.sock_diag import SockDiag

# The groups of a user take a hundred system calls where systemd's module is asked for them.
_ACCOUNT_SECONDS = 300.0
LOOK_SECONDS = 1.0  # what was read within it belongs to one scrape, and is read once

# port → how many seconds ago a bind on it failed last, None if that is not known
BindFailureAge = Callable[[int], Optional[float]]


@dataclass(frozen=True)
class InstallationParts:
    """What knows the installation; ``discovery`` is a service to start and to stop.

    ``identity`` returns what makes a process one of this cluster's, ``markers`` the stop markers
    below GAUSSHOME, both as they are at the moment; they raise SourceError.
    """

    discovery: Discovery
    identity: Callable[[], ClusterIdentity]
    markers: Callable[[], tuple[StopMarker, ...]]

    def own_port_problem(self, options: Options) -> str:
        """Look, and say which endpoint needs a port on which we are to listen; empty if none."""
        self.discovery.look()
        return own_port_problem(self.discovery.endpoints(), options.listen_ports)


class InstallationFactory:
    """Puts together what knows the installation; nothing is read yet.

    It outlives a reload, so that the last good facts of the same installation do, too.
    """

    def __init__(self) -> None:
        self._stores: dict[tuple[Optional[str], ...], FactStore] = {}

    def __call__(self, options: Options, config: Config, host_name: str) -> InstallationParts:
        """Make the parts for one configuration; raises SourceError for a user that is not here."""
        hints, files, runner = config.installation, HostFiles(options.rootfs), Runner()
        require_user(Accounts(files, own_user()).find, hints.user)
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
            lambda: read_markers(files, discovery.installation().gausshome),
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


@dataclass(frozen=True)
class PortParts:
    """What looks at processes and ports; not shared between two configurations.

    ``processes`` lists those of a user, by a look of the last second where there was one.
    """

    processes: Callable[[int], Sequence[Process]]
    inspector: PortInspector


def port_parts(
    options: Options,
    endpoints: Callable[[], tuple[Endpoint, ...]],
    identity: Callable[[], ClusterIdentity],
    bind_failure_age: BindFailureAge = no_bind_failure,
) -> PortParts:
    """Put together everything that one look at the ports needs; nothing is read yet."""
    procfs, clock = Procfs(options.procfs), Clock()
    users = UserNames(options.rootfs, clock.monotonic)
    reader = ProcessReader(procfs, users, boot_time)
    table = ProcessTable(procfs, reader, clock.monotonic)
    namespace = ClusterNamespace(procfs)
    owners = OwnerLookup(procfs, reader, table, clock.monotonic)
    host = HostFacts(procfs, namespace)
    sources = Sources(
        processes=table.of_user,
        locate=namespace.locate,
        sockets=ClusterSockets(SockDiag(namespace.open), procfs, namespace),
        owners=owners.owners,
        attribution=owners.attribution,
        user=users.user,
        placement=CgroupTree(options.sysfs, procfs, clock.monotonic).placement,
        unit=UnitReader(options.sysfs, procfs).contents,
        ephemeral_ports=host.ephemeral_ports,
        addresses=host.interface_addresses,
    )
    inspector = PortInspector(endpoints, identity, sources, clock, bind_failure_age)
    return PortParts(lambda uid: table.of_user(uid, LOOK_SECONDS).processes, inspector)


def query_parts(
    config: CmQuery,
    installation: Callable[[], Installation],
    markers: Callable[[], Sequence[StopMarker]],
    cm_server_runs: Callable[[], bool],
    environ: Mapping[str, str] = os.environ,
) -> tuple[QueryPoller, ClusterCollector]:
    """Make what asks and what shows it; nothing is asked before the poller's thread is started.

    ``installation``, ``markers`` and ``cm_server_runs`` are called from that thread and from those
    of scrapes; ``markers`` may raise SourceError.
    """
    runner = Runner()
    account = AnswerCache(Account.of, _ACCOUNT_SECONDS, time.monotonic)
    query = CmCtlQuery(runner, config, installation, environ, account)
    poller = QueryPoller(
        query,
        lambda: Cadence.of_node(config.interval, installation().node_id or 0),
        query.max_age,
        lambda: is_stopped(markers) and not cm_server_runs(),
        runner.stop,
    )
    return poller, ClusterCollector(poller.snapshot, lambda: members(installation().static))


@dataclass(frozen=True)
class LogParts:
    """The thread that follows, the collectors that show, and the evidence for the ports."""

    service: LogService
    collectors: tuple[LogsCollector, StopOriginCollector]
    bind_failure_age: Callable[[int], Optional[float]]


@dataclass(frozen=True)
class LogSurroundings:
    """Where the logs are, and what else is known; all of it may change, and is asked anew.

    ``markers`` may raise SourceError.
    """

    installation: Callable[[], Installation]
    endpoints: Callable[[], tuple[Endpoint, ...]]
    markers: Callable[[], Sequence[StopMarker]]
    rootfs: Path = Path("/")
    host_name: str = ""


def log_parts(
    config: Logs,
    around: LogSurroundings,
    environ: Mapping[str, str] = os.environ,
    *,
    keeps_state: bool = True,
) -> LogParts:
    """Put the parts together; nothing is read before the service is started."""
    clock, files = Clock(), HostFiles(around.rootfs)
    signatures = (*shipped(), *config.signatures)
    configured = {source.source: source.paths for source in config.sources}
    plan = LogPlan(around.installation, configured, signatures)

    def tz() -> str:
        return config.timezone or around.installation().variables.get("TZ", "")

    evidence = LogEvidence(signatures, LocalZone(files, tz, clock.monotonic))
    follower = LogFollower(
        plan.patterns,
        plan.matchers,
        evidence,
        partial(horizon, config.look_back, around.markers),
        host=LogHost(around.rootfs),
    )
    path = Path(config.state_file) if config.state_file else default_state_file(environ)
    wanted = path if keeps_state else None
    state = StateFile(wanted, host_id(files) or around.host_name) if wanted else None
    service = LogService(follower, evidence, state, clock)

    def snapshot() -> LogSnapshot:
        return service.snapshot

    collectors = (
        LogsCollector(snapshot, signatures, around.endpoints),
        StopOriginCollector(snapshot, around.endpoints, around.markers),
    )
    return LogParts(
        service, collectors, lambda port: bind_failure_age(snapshot(), port, clock.wall())
    )


def shipped() -> tuple[Signature, ...]:
    """List the shipped signatures; raises ConfigError if the package is broken."""
    return parse_signatures(shipped_signatures(), "signatures.yml")


def shipped_signatures() -> bytes:
    """Return the text of the shipped signatures (config/signatures.yml in the project)."""
    return resources.files("exporter").joinpath("data/signatures.yml").read_bytes()
