"""What a catalogue entry is, and how it becomes a family of samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Union

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Sample as LibrarySample

Family = Union[GaugeMetricFamily, CounterMetricFamily]
Sample = tuple[tuple[str, ...], float]


class Kind(str, Enum):
    """The two kinds of metric that we show."""

    GAUGE = "gauge"
    COUNTER = "counter"


def values_of(words: type[Enum]) -> tuple[str, ...]:
    """List the strings of a closed set of words, in its order."""
    return tuple(word.value for word in words)


@dataclass(frozen=True)
class Metric:
    """One metric: its full name, labels and, where it is closed, the set of a label's values.

    ``help`` names the source of the fact. A counter's ``name`` ends in ``_total``. With
    ``zero_is_none`` a series that is 0 says what its absence would: one of several states that is
    not the present one, a finding that is not made, nothing to be done, or the time of something
    that never was.
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
        kind = GaugeMetricFamily if self.kind is Kind.GAUGE else CounterMetricFamily
        family = kind(self.name, self.help, labels=self.labels)
        for labels, value in samples:
            if len(labels) != len(self.labels):
                raise ValueError(f"{self.name} takes the labels {self.labels}, got {labels}")
            family.samples.append(LibrarySample(self.name, dict(zip(self.labels, labels)), value))
        return family

    def single(self, value: float) -> Family:
        """Build the family of a metric without labels."""
        return self.family([((), value)])
