"""The ports' part of the composition root: from the host to one look at its ports."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable, Optional

from exporter.host.cgroup import CgroupTree, UnitReader
from exporter.host.clock import Clock
from exporter.host.facts import Process
from exporter.host.names import UserNames
from exporter.host.netns import ClusterNamespace
from exporter.host.network import HostFacts
from exporter.host.process_table import ProcessTable
from exporter.host.processes import ProcessReader
from exporter.host.procfs import Procfs
from exporter.options import Options
from exporter.ports.facts import ClusterIdentity, Endpoint
from exporter.ports.inspector import PortInspector, Sources, no_bind_failure
from exporter.ports.owners import OwnerLookup
from exporter.ports.proc_net import ClusterSockets
from exporter.ports.sock_diag import SockDiag

LOOK_SECONDS = 1.0  # what was read within it belongs to one scrape, and is read once

# port → how many seconds ago a bind on it failed last, None if that is not known
BindFailureAge = Callable[[int], Optional[float]]


@dataclass(frozen=True)
class Watched:
    """What is watched: the endpoints, and whose they are; both may change between two looks."""

    endpoints: Callable[[], tuple[Endpoint, ...]]
    identity: Callable[[], ClusterIdentity]


@dataclass(frozen=True)
class PortParts:
    """What looks at processes and ports; not shared between two configurations.

    ``processes`` lists those of a user, by a look of the last second where there was one.
    """

    processes: Callable[[int], Sequence[Process]]
    inspector: PortInspector


def port_parts(
    options: Options,
    watched: Watched,
    bind_failure_age: BindFailureAge = no_bind_failure,
) -> PortParts:
    """Put together everything that one look at the ports needs; nothing is read yet."""
    procfs, clock = Procfs(options.procfs), Clock()
    users = UserNames(options.rootfs, clock.monotonic)
    reader = ProcessReader(procfs, users, _boot_time)
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
    inspector = PortInspector(watched.endpoints, watched.identity, sources, clock, bind_failure_age)
    return PortParts(lambda uid: table.of_user(uid, LOOK_SECONDS).processes, inspector)


def _boot_time() -> float:
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
