"""Families of samples as text: the Prometheus format 0.0.4 and OpenMetrics 1.0.0.

Written here and not taken from the client library for two reasons, both measured: the library
needs four times as long for a page of 3,000 series, and a lone surrogate in one label (a process
name that is not UTF-8) makes it lose the whole page. The tests hold the text against the
library's, byte by byte.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Callable

from prometheus_client.core import Metric, Sample
from prometheus_client.utils import floatToGoString

from exporter.host.text import visible

_number: Callable[[float], str] = floatToGoString
_PLAIN = 1e6  # below, Go writes a number as Python does
_NOT_PLAIN = re.compile(r"[^ !#-\[\]-~]")  # one quick look: most labels need no other
_ESCAPED = re.compile('[\\\\\n"]')
_REMEMBERED_SERIES = 8192  # well above what a page has; some 700 bytes each
_ESCAPES = {"\\": r"\\", "\n": r"\n", '"': r"\""}


class Format(enum.Enum):
    """The two formats; the value is the Content-Type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class PageWriter:
    """Writes pages, one form of them (the style, and the families without zeros) beside another.

    The text of a family that stood on the last page of that form, the same object, is not written
    again. For one thread.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[Format, frozenset[str]], dict[int, tuple[Metric, str]]] = {}

    def write(
        self,
        families: Iterable[Metric],
        style: Format,
        without_zeros: frozenset[str] = frozenset(),
    ) -> bytes:
        """Write the page; any text comes out as valid UTF-8 of characters that print.

        That leaves out what the formats could not hold anyway: NUL ends a label for Prometheus's
        lexer, and a surrogate has no UTF-8. The samples that are 0 are left out of the families
        named in ``without_zeros``; the families themselves stay as they are.
        """
        form = (style, without_zeros)
        last, now = self._last.get(form, {}), {}
        for family in families:
            known = last.get(id(family))  # which is in use as long as we keep the family
            if known is None:
                shown = _positive(family) if family.name in without_zeros else family
                known = (family, _family(shown, style))
            now[id(family)] = known
        self._last[form] = now
        end = "# EOF\n" if style is Format.OPENMETRICS else ""
        return ("".join([text for _, text in now.values()]) + end).encode()


def render(families: Iterable[Metric], style: Format) -> bytes:
    """Write one page, see ``PageWriter.write``."""
    return PageWriter().write(families, style)


def _positive(family: Metric) -> Metric:
    kept = Metric(family.name, family.documentation, family.type)
    kept.samples = [sample for sample in family.samples if sample.value]
    return kept


def _family(family: Metric, style: Format) -> str:
    name = family.name
    if style is Format.TEXT:
        suffix = "_total" if family.type == "counter" else ""
        name += suffix
        text = visible(family.documentation).replace("\\", r"\\").replace("\n", r"\n")
    else:
        text = _escape(family.documentation)
    head = f"# HELP {name} {text}\n# TYPE {name} {family.type}\n"
    return head + "".join([_sample(sample) for sample in family.samples])


def _sample(sample: Sample) -> str:
    value = sample.value
    number = repr(float(value)) if -_PLAIN < value < _PLAIN else _number(value)
    return f"{_series(sample.name, tuple(sample.labels.items()))} {number}\n"


@lru_cache(maxsize=_REMEMBERED_SERIES)
def _series(name: str, labels: tuple[tuple[str, str], ...]) -> str:
    """Write a series' name and labels; most series are on every page, so this is remembered."""
    if not labels:
        return name
    pairs = ",".join([f'{k}="{_escape(v)}"' for k, v in sorted(labels)])
    return f"{name}{{{pairs}}}"


def _escape(text: str) -> str:
    if _NOT_PLAIN.search(text) is None:
        return text
    return _ESCAPED.sub(lambda found: _ESCAPES[found[0]], visible(text))
