"""Families of samples as text: the Prometheus format 0.0.4 and OpenMetrics 1.0.0.

Written here and not taken from the client library for two reasons, both measured: the library
needs four times as long for a page of 3,000 series, and a lone surrogate in one label (a process
name that is not UTF-8) makes it lose the whole page. The tests hold the text against the
library's, byte by byte.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Callable

from prometheus_client.core import Metric, Sample
from prometheus_client.utils import floatToGoString

from exporter.model.text import visible

_number: Callable[[float], str] = floatToGoString
_NOT_PLAIN = re.compile(r"[^ !#-\[\]-~]")  # one quick look: most labels need no other
_ESCAPED = re.compile('[\\\\\n"]')
_ESCAPES = {"\\": r"\\", "\n": r"\n", '"': r"\""}


class Format(enum.Enum):
    """The two formats; the value is the Content-Type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def render(families: Iterable[Metric], style: Format) -> bytes:
    """Write the page; any text comes out as valid UTF-8 of characters that print.

    That leaves out what the formats could not hold anyway: NUL ends a label for Prometheus's lexer,
    and a surrogate has no UTF-8.
    """
    lines = [line for family in families for line in _family(family, style)]
    if style is Format.OPENMETRICS:
        lines.append("# EOF\n")
    return "".join(lines).encode()


def without_zeros(families: Iterable[Metric], names: Collection[str]) -> tuple[Metric, ...]:
    """Return the families without the samples that are 0 in those of these names.

    The families themselves stay as they are: a scrape that others wait for shares them.
    """
    return tuple(_positive(each) if each.name in names else each for each in families)


def _positive(family: Metric) -> Metric:
    kept = Metric(family.name, family.documentation, family.type)
    kept.samples = [sample for sample in family.samples if sample.value]
    return kept


def _family(family: Metric, style: Format) -> Iterator[str]:
    name = family.name
    if style is Format.TEXT:
        suffix = "_total" if family.type == "counter" else ""
        name += suffix
        text = visible(family.documentation).replace("\\", r"\\").replace("\n", r"\n")
    else:
        text = _escape(family.documentation)
    yield f"# HELP {name} {text}\n# TYPE {name} {family.type}\n"
    for sample in family.samples:
        yield _sample(sample)


def _sample(sample: Sample) -> str:
    if not sample.labels:
        return f"{sample.name} {_number(sample.value)}\n"
    labels = ",".join([f'{k}="{_escape(v)}"' for k, v in sorted(sample.labels.items())])
    return f"{sample.name}{{{labels}}} {_number(sample.value)}\n"


def _escape(text: str) -> str:
    if _NOT_PLAIN.search(text) is None:
        return text
    return _ESCAPED.sub(lambda found: _ESCAPES[found[0]], visible(text))
