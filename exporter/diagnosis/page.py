"""The pages of metrics that are judged, and how another node's is read.

The text of a page is untrusted until it is checked. What a finding turns into words or commands
(pids, ports, containers, times) must have the form that this exporter gives it. A page without it
is refused as a whole: it is of another program, or of an exporter that this version cannot read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from exporter.errors import ParseError

PREFIX = "opengauss_"
LONGEST_LINE = 16_384
"""In characters: the library's parser takes time that grows with the square of a line's length."""
_LATEST_SECONDS = 253_402_300_800  # the year 10000
_LARGEST_PID = 1 << 22  # PID_MAX_LIMIT of 64 bit kernels
_FORMS = {
    "port": re.compile("[0-9]{1,5}|other"),
    "container": re.compile("(?:[0-9a-f]{12,64})?"),
    "unit": re.compile(r"(?:[A-Za-z0-9:_.@\\-]{1,128}\.(?:service|scope))?"),
}


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


class Shape(NamedTuple):
    """What samples of a metric look like: their labels, and the values of those that are closed."""

    labels: frozenset[str]
    values: Mapping[str, frozenset[str]]


def parse_page(text: str, shapes: Mapping[str, Shape]) -> tuple[Sample, ...]:
    """Take the samples of the metrics in ``shapes`` out of a page; raises ParseError.

    Other metrics and labels are left alone, for a newer exporter has more of them.
    """
    if any(len(line) > LONGEST_LINE for line in text.split("\n")):
        raise ParseError(f"a line of more than {LONGEST_LINE} characters")
    samples = tuple(_checked(sample, shapes[sample.name]) for sample in _samples(text, shapes))
    if not samples:
        raise ParseError(f"no metric {PREFIX}… in it")
    return samples


def _samples(text: str, shapes: Mapping[str, Shape]) -> Iterator[Sample]:
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name in shapes:
                    yield Sample(sample.name, sample.labels, float(sample.value))
    except (ValueError, KeyError, IndexError, TypeError) as error:  # what its parser lets through
        raise ParseError("not a page of metrics") from error


def _checked(sample: Sample, shape: Shape) -> Sample:
    missing = shape.labels - sample.labels.keys()
    if missing:
        raise ParseError(f"{sample.name} without the label {min(missing)}")
    for name, values in shape.values.items():
        if sample.labels[name] not in values:
            raise ParseError(f"{sample.name} with an unknown {name}")
    for name, form in _FORMS.items():
        if not form.fullmatch(sample.labels.get(name, "")) and name in shape.labels:
            raise ParseError(f"{sample.name} with a {name} that is none")
    if not _is_plausible(sample):
        raise ParseError(f"{sample.name} with an impossible value")
    return sample


def _is_plausible(sample: Sample) -> bool:
    if not math.isfinite(sample.value):
        return False
    if sample.name.endswith("_seconds"):
        return 0 <= sample.value < _LATEST_SECONDS
    if sample.name.endswith("_pid"):
        return 0 <= sample.value <= _LARGEST_PID and sample.value.is_integer()
    return True
