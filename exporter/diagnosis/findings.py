"""What a diagnosis finds, and which finding explains which.

The latter is what ``alerts/alertmanager.yml`` holds back: one cause is reported in full, what
follows from it stays quiet. A test makes both the same.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Optional

from exporter.diagnosis.cluster import CM_PORTS


class Text(NamedTuple):
    """The same words in each language."""

    en: str
    zh: str


class Certainty(str, enum.Enum):
    """How surely a finding is what keeps something down; the surest first."""

    SEEN = "seen"
    RECORDED = "recorded"
    REPORTED = "reported"
    NEXT_START = "next_start"


class Severity(str, enum.Enum):
    """How loud the alert of the same name is; the loudest first."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Evidence(NamedTuple):
    """One fact behind a finding; ``kind`` is ``metric``, ``socket`` or ``log``."""

    kind: str
    node_name: str
    text: Text


@dataclass(frozen=True)
class Finding:
    """What an alert of the shipped rules says, from the facts of one moment.

    What does not belong to the alert is empty: a finding about all nodes has no ``node_name``.
    ``explained_by`` is the alert from which this one follows, empty for a finding of its own.
    """

    alert: str
    severity: Severity
    certainty: Certainty
    summary: Text
    description: Text
    action: Text
    cluster: str = ""
    node_name: str = ""
    endpoint: str = ""
    instance_id: str = ""
    port: str = ""
    evidence: tuple[Evidence, ...] = ()
    explained_by: str = ""


class Verdict(str, enum.Enum):
    """Whether a port stops or will stop a start; CANNOT_TELL where the pages do not show it."""

    NONE = "none"
    CONFLICT = "conflict"
    CANNOT_TELL = "cannot_tell"


class Looked(NamedTuple):
    """One node that was looked at; ``age`` is that of its facts in seconds."""

    node_name: str
    node_id: str
    cluster: str
    origin: str
    age: float


@dataclass(frozen=True)
class Diagnosis:
    """All findings; ``open`` lists what was not checked, and how to go on.

    ``headline`` says the verdict in a line, ``first`` what to do before anything else; ``made_at``
    is in seconds since the epoch.
    """

    made_at: float
    verdict: Verdict
    headline: Text
    looked: tuple[Looked, ...] = ()
    first: tuple[Text, ...] = ()
    findings: tuple[Finding, ...] = ()
    open: tuple[Text, ...] = ()


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
        no_endpoints=CM_PORTS,
    ),
    Rule(_alerts("CMPortConflict"), _alerts("StartFailed")),
    Rule(
        _alerts("CMPortConflict", "CMAgentPortConflict", "PortConflictPassed", "AddressMissing"),
        _alerts("CMServerDown"),
        endpoints=CM_PORTS | {"cm_agent"},
        same_node=True,
    ),
    Rule(
        _alerts(*_DATABASE_STOPPERS, "PortConflictPassed", "AddressMissing"),
        _alerts("DatanodeDown"),
        no_endpoints=CM_PORTS,
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
