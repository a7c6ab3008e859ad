"""What a diagnosis is made from, and what it says."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Sample(NamedTuple):
    """One line of a page of metrics."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Page:
    """All samples of one node's exporter.

    ``origin`` is its address, empty for the exporter that judges. ``taken_at`` is when the facts
    were read, in seconds since the epoch.
    """

    origin: str
    taken_at: float
    samples: Mapping[str, tuple[Sample, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, origin: str, taken_at: float, samples: Iterable[Sample]) -> Page:
        """Sort samples by their names."""
        by_name: dict[str, list[Sample]] = {}
        for sample in samples:
            by_name.setdefault(sample.name, []).append(sample)
        return cls(origin, taken_at, {name: tuple(some) for name, some in by_name.items()})

    def all(self, name: str, **labels: str) -> Iterator[Sample]:
        """List the samples of a metric that have these labels."""
        for sample in self.samples.get(name, ()):
            if labels.items() <= sample.labels.items():
                yield sample

    def true(self, name: str, **labels: str) -> Iterator[Sample]:
        """List those of them that are 1."""
        return (sample for sample in self.all(name, **labels) if sample.value == 1)


class Silent(NamedTuple):
    """A node that was asked and gave no page; ``reason`` says why, in words."""

    origin: str
    reason: str


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
    """What it comes to: a port stops or will stop a start, none does, or that cannot be told."""

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
    """All that is found; ``open`` lists what it leaves open, and how to go on.

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
