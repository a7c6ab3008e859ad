"""The node collector: which of the cluster's processes run here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Callable

from exporter.host.facts import Process
from exporter.installation import metrics as catalogue
from exporter.ports.facts import ClusterIdentity, Endpoint
from exporter.ports.relation import Programs, instances
from exporter.scrape.base import Family, FamilyCache


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
        self._cache = FamilyCache(families)

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


def families(
    endpoints: Iterable[Endpoint], processes: Sequence[Process], identity: ClusterIdentity
) -> Iterator[Family]:
    """Show 0 for a component that does not run, and the start of the newest one that does."""
    one_each = {(e.component, e.instance_id): e for e in endpoints}
    programs = Programs(processes, identity.uid)
    newest = {
        key: instances(e, programs.like(e.process), identity)[:1] for key, e in one_each.items()
    }
    yield catalogue.PROCESS_RUNNING.family((key, bool(found)) for key, found in newest.items())
    yield catalogue.PROCESS_START_TIME.family(
        (key, process.start_time) for key, found in newest.items() for process in found
    )
