"""The installation's collectors: the cluster's members, stop markers, and how discovery went."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Callable

from exporter.installation import metrics as node
from exporter.installation.facts import Installation, StopMarker
from exporter.installation.members import local_instances, members
from exporter.scrape import metrics as exporter
from exporter.scrape.base import Family, FamilyCache

_NODE_MARKERS = ("cluster_manual_start", "cluster_manual_pause")
_INSTANCE_MARKER = "instance_manual_start"


class InstallationCollector:
    """Shows who belongs to the cluster, and whether everything was found that should be."""

    name = "installation"

    def __init__(self, installation: Callable[[], Installation]) -> None:
        self._installation = installation
        self._cache = FamilyCache(families)

    def collect(self) -> Iterable[Family]:
        """Build the families from what is known now."""
        return self._cache(self._installation())


def families(found: Installation) -> Iterator[Family]:
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
