"""The ports' part of the composition root: from the host to one look at its ports."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable, Optional

from exporter.host.cgroup import CgroupTree
from exporter.host.facts import Process
from exporter.host.names import Names, UserNames
from exporter.host.netns import ClusterNamespace
from exporter.host.network import HostFacts
from exporter.host.process_table import ProcessTable
from exporter.host.processes import ProcessReader
from exporter.host.procfs import Procfs
from exporter.options import Options
from exporter.ports.facts import ClusterIdentity, Endpoint
from exporter.ports.inspector import PortInspector, no_bind_failure
from exporter.ports.owners import OwnerLookup
from exporter.ports.protocols import Clocks, Sources
from exporter.ports.protocols import ProcessReader as Reader
from exporter.ports.readers import ClusterSockets
from exporter.ports.relation import is_of_cluster
from exporter.ports.units import UnitReader

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


class _Listed:
    """The processes that a look listed, for everything else in the same look and scrape."""

    def __init__(
        self,
        table: Reader,
        identity: Callable[[], ClusterIdentity],
        monotonic: Callable[[], float],
    ) -> None:
        self._table = table
        self._identity = identity
        self._monotonic = monotonic
        self._listed: tuple[Sequence[Process], Optional[ClusterIdentity]] = ((), None)
        self._of_cluster: tuple[Process, ...] = ()
        self._lately: Optional[tuple[int, float, Sequence[Process]]] = None

    def of_user(self, uid: int) -> Sequence[Process]:
        """List the processes of this uid; each look begins with that."""
        found = self._table.of_user(uid)
        self._lately = (uid, self._monotonic(), found)
        identity = self._identity()
        if found is not self._listed[0] or identity != self._listed[1]:
            self._listed = (found, identity)
            self._of_cluster = tuple(p for p in found if is_of_cluster(p, identity))
        return found

    def lately(self, uid: int) -> Sequence[Process]:
        """Return what a look listed within the last second, else list them; for any thread."""
        listed_for, when, found = self._lately or (uid, -math.inf, ())
        known = listed_for == uid and self._monotonic() - when < LOOK_SECONDS
        return found if known else self._table.of_user(uid)

    def of_cluster(self) -> Sequence[Process]:
        """Return those of them that are programs of this cluster."""
        return self._of_cluster


def port_parts(
    options: Options,
    watched: Watched,
    bind_failure_age: BindFailureAge = no_bind_failure,
) -> PortParts:
    """Put together everything that one look at the ports needs; nothing is read yet."""
    procfs = Procfs(options.procfs)
    users = UserNames(options.rootfs, time.monotonic)
    reader = ProcessReader(procfs, users, _boot_time)
    table = ProcessTable(procfs, reader, time.monotonic)
    listed = _Listed(table, watched.identity, time.monotonic)
    namespace = ClusterNamespace(procfs, listed.of_cluster)
    sources = Sources(
        sockets=ClusterSockets(procfs, namespace),
        owners=OwnerLookup(procfs, reader, table, time.monotonic),
        processes=listed,
        names=Names(users, CgroupTree(options.sysfs, procfs, time.monotonic)),
        host=HostFacts(procfs, namespace),
        units=UnitReader(options.sysfs, procfs),
    )
    clocks = Clocks(time.monotonic, time.thread_time)
    inspector = PortInspector(
        watched.endpoints, watched.identity, sources, clocks, bind_failure_age
    )
    return PortParts(listed.lately, inspector)


def _boot_time() -> float:
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
