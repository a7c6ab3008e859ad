"""Which finding explains which: what ``alerts/alertmanager.yml`` holds back.

One cause is told in full; what follows from it stays quiet. A test makes both the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Optional

from exporter.diagnosis.facts import Finding, Severity

CM_SERVERS = frozenset({"cm_server", "cm_server_ha"})


@dataclass(frozen=True)
class Rule:
    """A source explains targets of the same cluster, with ``same_node`` of the same node only.

    ``severity`` and ``endpoints`` narrow the sources; of ``no_endpoints`` none is a source.
    """

    sources: frozenset[str]
    targets: frozenset[str]
    severity: Optional[Severity] = None
    endpoints: frozenset[str] = frozenset()
    no_endpoints: frozenset[str] = frozenset()
    same_node: bool = False

    def explains(self, source: Finding, target: Finding) -> bool:
        """Tell whether the target follows from the source."""
        return (
            source.alert in self.sources
            and target.alert in self.targets
            and self.severity in {None, source.severity}
            and (not self.endpoints or source.endpoint in self.endpoints)
            and source.endpoint not in self.no_endpoints
            and source.cluster == target.cluster
            and (not self.same_node or source.node_name == target.node_name)
        )


def _alerts(*names: str) -> frozenset[str]:
    return frozenset(f"OpenGauss{name}" for name in names)


_DATABASE_STOPPERS = (
    "DBPortConflict",
    "DMSPortConflict",
    "DSSPortConflict",
    "CMAgentPortConflict",
    "PortConflictLeftStopped",
)
RULES: tuple[Rule, ...] = (
    Rule(_alerts("CMPortConflictAllNodes"), _alerts("CMPortConflict")),
    Rule(_alerts("DBPortConflictAllNodes"), _alerts("DBPortConflict")),
    Rule(
        _alerts("CMPortConflictAllNodes"),
        _alerts(
            "ClusterUnavailable",
            "CMQueryFailing",
            "ClusterDegraded",
            "CMServerDown",
            "DatanodeDown",
            "StartFailed",
            "NodeViewsDisagree",
        ),
    ),
    Rule(
        _alerts("DBPortConflictAllNodes"),
        _alerts("ClusterUnavailable", "ClusterDegraded", "DatanodeDown", "StartFailed"),
    ),
    Rule(
        _alerts(*_DATABASE_STOPPERS),
        _alerts("ClusterUnavailable", "ClusterDegraded", "StartFailed"),
        severity=Severity.CRITICAL,
    ),
    Rule(
        _alerts("PortConflictLeftStopped", "PortConflictPassed"),
        _alerts("ClusterDegraded", "StartFailed"),
        no_endpoints=CM_SERVERS,
    ),
    Rule(_alerts("CMPortConflict"), _alerts("StartFailed")),
    Rule(
        _alerts("CMPortConflict", "CMAgentPortConflict", "PortConflictPassed", "AddressMissing"),
        _alerts("CMServerDown"),
        endpoints=CM_SERVERS | {"cm_agent"},
        same_node=True,
    ),
    Rule(
        _alerts(*_DATABASE_STOPPERS, "PortConflictPassed", "AddressMissing"),
        _alerts("DatanodeDown"),
        no_endpoints=CM_SERVERS,
        same_node=True,
    ),
    Rule(_alerts("DatanodeDown"), _alerts("ClusterDegraded")),
)


def explained_by(target: Finding, findings: Iterable[Finding]) -> str:
    """Return the alert of the first finding that explains the target, empty if none does."""
    sources = (
        source.alert
        for source in findings
        if source is not target and any(rule.explains(source, target) for rule in RULES)
    )
    return next(sources, "")
