"""The installation's collectors: node, members, stop markers, processes, and how discovery went."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Callable

from exporter.host.facts import Process
from exporter.installation import metrics as node
from exporter.installation.facts import Installation, NodeIdentity, StopMarker
from exporter.installation.members import local_instances, members
from exporter.ports.facts import ClusterIdentity, Endpoint
from exporter.scrape import metrics as exporter
from exporter.scrape.base import Family, FamilyCache

_NODE_MARKERS = ("cluster_manual_start", "cluster_manual_pause")
_INSTANCE_MARKER = "instance_manual_start"

Instances = Callable[
    [Iterable[Endpoint], Sequence[Process], ClusterIdentity], Sequence[Sequence[Process]]
]


class InstallationCollector:
    """Shows who belongs to the cluster, and whether everything was found that should be."""

    name = "installation"

    def __init__(self, installation: Callable[[], Installation]) -> None:
        self._installation = installation
        self._cache = FamilyCache(member_families)

    def collect(self) -> Iterable[Family]:
        """Build the families from what is known now."""
        return self._cache(self._installation())


def member_families(installation: Installation) -> Iterator[Family]:
    """Show every member, and whether anything could not be found or read."""
    yield exporter.DISCOVERY_SUCCESS.single(not installation.problems)
    yield node.CLUSTER_MEMBER.family((member, 1) for member in members(installation.static))


class MarkersCollector:
    """Shows the files by which a stop or a pause is requested; ``read`` lists them."""

    name = "markers"

    def __init__(
        self,
        installation: Callable[[], Installation],
        read: Callable[[], tuple[StopMarker, ...]],
    ) -> None:
        self._installation = installation
        self._read = read
        self._cache = FamilyCache(marker_families)

    def collect(self) -> Iterable[Family]:
        """Look for the markers; raises SourceError when their directory cannot be listed."""
        return self._cache(self._read(), local_instances(self._installation()))


def marker_families(markers: Iterable[StopMarker], instances: Iterable[str]) -> Iterator[Family]:
    """Show 0 for every marker that could be there, and the time of those that are."""
    possible = [(word, "") for word in _NODE_MARKERS]
    possible += [(_INSTANCE_MARKER, instance) for instance in instances]
    present = {(marker.marker, marker.instance_id): marker.mtime for marker in markers}
    keys = dict.fromkeys([*possible, *present])
    yield node.MARKER_PRESENT.family((key, key in present) for key in keys)
    yield node.MARKER_MTIME.family(present.items())


class ProcessesCollector:
    """Shows for each component instance whether its process runs.

    ``of_user`` lists the processes of a uid. ``instances`` returns for each endpoint the
    processes of its component and instance, newest first.
    """

    name = "node"

    def __init__(
        self,
        endpoints: Callable[[], tuple[Endpoint, ...]],
        identity: Callable[[], ClusterIdentity],
        of_user: Callable[[int], Sequence[Process]],
        instances: Instances,
    ) -> None:
        self._endpoints = endpoints
        self._identity = identity
        self._of_user = of_user
        self._instances = instances
        self._cache = FamilyCache(self._families)

    def collect(self) -> Iterable[Family]:
        """List the processes once and build the families."""
        identity = self._identity()
        processes = self._of_user(identity.uid)
        return self._cache(self._endpoints(), processes, identity)

    def runs(self, component: str) -> bool:
        """Tell whether a process of this component runs here now; raises SourceError."""
        identity = self._identity()
        endpoints = [each for each in self._endpoints() if each.component == component]
        return any(self._instances(endpoints, self._of_user(identity.uid), identity))

    def _families(
        self,
        endpoints: Iterable[Endpoint],
        processes: Sequence[Process],
        identity: ClusterIdentity,
    ) -> Iterator[Family]:
        """Show 0 for a component that does not run, and the start of the newest one that does."""
        one_each = {(each.component, each.instance_id): each for each in endpoints}
        running = self._instances(one_each.values(), processes, identity)
        newest = {key: instances[:1] for key, instances in zip(one_each, running)}
        yield node.PROCESS_RUNNING.family((key, bool(some)) for key, some in newest.items())
        yield node.PROCESS_START_TIME.family(
            (key, process.start_time) for key, some in newest.items() for process in some
        )


class NodeInfoCollector:
    """Shows what ``identify`` knows of this node; the rest of the labels is empty."""

    name = "node_info"

    def __init__(self, identify: Callable[[], NodeIdentity]) -> None:
        self._identify = identify

    def collect(self) -> Iterator[Family]:
        """Build the one family, which is on every page, whatever else could be found out."""
        identity = self._identify()
        labels = (
            identity.node_id,
            identity.node_name,
            identity.cluster_name,
            identity.cluster_id,
        )
        yield node.NODE_INFO.family([(labels, 1)])
