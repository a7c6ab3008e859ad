"""The installation's collectors: node, members, stop markers, processes, and how discovery went."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Callable

from exporter.host.facts import Process
from exporter.installation import metrics as node
from exporter.installation.facts import Installation, NodeIdentity, StopMarker
from exporter.installation.members import local_instances, members
from exporter.installation.metrics import NODE_INFO
from exporter.ports.facts import ClusterIdentity, Endpoint
from exporter.ports.relation import Programs, instances
from exporter.scrape import metrics as exporter
from exporter.scrape.base import Family, FamilyCache

_NODE_MARKERS = ("cluster_manual_start", "cluster_manual_pause")
_INSTANCE_MARKER = "instance_manual_start"


class InstallationCollector:
    """Shows who belongs to the cluster, and whether everything was found that should be."""

    name = "installation"

    def __init__(self, installation: Callable[[], Installation]) -> None:
        self._installation = installation
        self._cache = FamilyCache(member_families)

    def collect(self) -> Iterable[Family]:
        """Build the families from what is known now."""
        return self._cache(self._installation())


def member_families(found: Installation) -> Iterator[Family]:
    """Show every member, and whether anything could not be found or read."""
    yield exporter.DISCOVERY_SUCCESS.single(not found.problems)
    yield node.CLUSTER_MEMBER.family((member, 1) for member in members(found.static))


class MarkersCollector:
    """Shows the files by which a stop or a pause is requested; ``read`` lists them."""

    name = "markers"

    def __init__(
        self,
        installation: Callable[[], Installation],
        read: Callable[[str], tuple[StopMarker, ...]],
    ) -> None:
        self._installation = installation
        self._read = read
        self._cache = FamilyCache(marker_families)

    def collect(self) -> Iterable[Family]:
        """Look for the markers; raises SourceError when their directory cannot be listed."""
        found = self._installation()
        return self._cache(self._read(found.gausshome), local_instances(found))


def marker_families(markers: Iterable[StopMarker], instances: Iterable[str]) -> Iterator[Family]:
    """Show 0 for every marker that could be there, and the time of those that are."""
    known = [(word, "") for word in _NODE_MARKERS]
    known += [(_INSTANCE_MARKER, instance) for instance in instances]
    present = {(each.marker, each.instance_id): each.mtime for each in markers}
    every = dict.fromkeys([*known, *present])
    yield node.MARKER_PRESENT.family((key, key in present) for key in every)
    yield node.MARKER_MTIME.family(present.items())


class ProcessesCollector:
    """Shows for each component instance whether its process runs.

    ``of_user`` lists the processes of a uid.
    """

    name = "node"

    def __init__(
        self,
        endpoints: Callable[[], tuple[Endpoint, ...]],
        identity: Callable[[], ClusterIdentity],
        of_user: Callable[[int], Sequence[Process]],
    ) -> None:
        self._endpoints = endpoints
        self._identity = identity
        self._of_user = of_user
        self._cache = FamilyCache(process_families)

    def collect(self) -> Iterable[Family]:
        """List the processes once and build the families."""
        identity = self._identity()
        processes = self._of_user(identity.uid)
        return self._cache(self._endpoints(), processes, identity)

    def runs(self, component: str) -> bool:
        """Tell whether a process of this component runs here now; raises SourceError."""
        identity = self._identity()
        programs = Programs(self._of_user(identity.uid), identity.uid)
        return any(
            instances(each, programs.like(each.process), identity)
            for each in self._endpoints()
            if each.component == component
        )


def process_families(
    endpoints: Iterable[Endpoint], processes: Sequence[Process], identity: ClusterIdentity
) -> Iterator[Family]:
    """Show 0 for a component that does not run, and the start of the newest one that does."""
    one_each = {(e.component, e.instance_id): e for e in endpoints}
    programs = Programs(processes, identity.uid)
    newest = {
        key: instances(e, programs.like(e.process), identity)[:1] for key, e in one_each.items()
    }
    yield node.PROCESS_RUNNING.family((key, bool(found)) for key, found in newest.items())
    yield node.PROCESS_START_TIME.family(
        (key, process.start_time) for key, found in newest.items() for process in found
    )


class NodeInfoCollector:
    """Shows what ``identify`` knows of this node; the rest of the labels is empty."""

    name = "node_info"

    def __init__(self, identify: Callable[[], NodeIdentity]) -> None:
        self._identify = identify

    def collect(self) -> Iterator[Family]:
        """Build the one family."""
        node = self._identify()
        labels = (node.node_id, node.node_name, node.cluster_name, node.cluster_id)
        yield NODE_INFO.family([(labels, 1)])
