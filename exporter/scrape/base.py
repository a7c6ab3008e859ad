"""What a catalogue entry is, how it becomes a family of samples, and when that is done again."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Callable, Optional

from prometheus_client.core import Metric as LibraryMetric
from prometheus_client.core import Sample as LibrarySample

Sample = tuple[tuple[str, ...], float]


class Kind(str, Enum):
    """The two kinds of metric that we show."""

    GAUGE = "gauge"
    COUNTER = "counter"


class Family(LibraryMetric):
    """The samples of one metric, which nobody changes once their collector has given them.

    So their text is written once for each form of a page, and remembered in ``texts`` by the form.
    """

    def __init__(self, name: str, documentation: str, typ: str) -> None:
        super().__init__(name, documentation, typ)
        self.texts: dict[Hashable, str] = {}


def values_of(words: type[Enum]) -> tuple[str, ...]:
    """List the strings of a closed set of words, in its order."""
    return tuple(word.value for word in words)


@dataclass(frozen=True)
class Metric:
    """One metric: its full name, labels and, where it is closed, the set of a label's values.

    ``help`` names the source of the fact. A counter's ``name`` ends in ``_total``. With
    ``zero_is_none`` a series that is 0 adds no information, and a client may have it left out: one
    of several states that is not the present one, a finding that is not made, nothing to be done,
    or the time of something that never was.
    """

    name: str
    help: str
    labels: tuple[str, ...] = ()
    kind: Kind = Kind.GAUGE
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    group: str = "Exporter"
    zero_is_none: bool = False

    def family(self, samples: Iterable[Sample]) -> Family:
        """Build the family; raises ValueError for a sample with the wrong number of labels.

        The samples are made here, not by the library's ``add_metric``: a page has thousands, and
        that method takes twice as long for the same objects.
        """
        counter = self.kind is Kind.COUNTER
        name = self.name[: -len("_total")] if counter else self.name
        family = Family(name, self.help, self.kind.value)
        for labels, value in samples:
            if len(labels) != len(self.labels):
                raise ValueError(f"{self.name} takes the labels {self.labels}, got {labels}")
            family.samples.append(LibrarySample(self.name, dict(zip(self.labels, labels)), value))
        return family

    def single(self, value: float) -> Family:
        """Build the family of a metric without labels."""
        return self.family([((), value)])


class FamilyCache:
    """Builds families anew only when the facts that they show have changed.

    Most facts of a node are the same from scrape to scrape, and to build and write their families
    is most of a page's cost. Facts are frozen and compared by value. For one thread at a time.
    """

    def __init__(self, build: Callable[..., Iterable[Family]]) -> None:
        self._build = build
        self._facts: Optional[tuple[object, ...]] = None
        self._families: tuple[Family, ...] = ()

    def __call__(self, *facts: object) -> tuple[Family, ...]:
        """Return the families of these facts; the same objects as before if nothing changed."""
        if facts != self._facts:
            self._families = tuple(self._build(*facts))
            self._facts = facts
        return self._families
