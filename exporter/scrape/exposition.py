"""Families of samples as text: the Prometheus format 0.0.4 and OpenMetrics 1.0.0.

Written here and not taken from the client library for two reasons, both measured: the library
needs more than three times as long for a page of 3,000 series, and a lone surrogate in one label (a
process name that is not UTF-8) makes it lose the whole page. The tests hold the text against the
library's, byte by byte.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from typing import Callable

from prometheus_client.core import Sample
from prometheus_client.utils import floatToGoString

from exporter.host.text import visible
from exporter.scrape.base import Family

_number: Callable[[float], str] = floatToGoString
_PLAIN = 1e6  # below, Go writes a number as Python does
_NOT_PLAIN = re.compile(r"[^ !#-\[\]-~]")  # one quick look: most labels need no other
_ESCAPED = re.compile('[\\\\\n"]')
_ESCAPES = {"\\": r"\\", "\n": r"\n", '"': r"\""}


class Format(enum.Enum):
    """The two formats; the value is the Content-Type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def render(
    families: Iterable[Family], style: Format, without_zeros: frozenset[str] = frozenset()
) -> bytes:
    """Write the page; any text comes out as valid UTF-8 of characters that print.

    That leaves out what the formats could not hold anyway: NUL ends a label for Prometheus's
    lexer, and a surrogate has no UTF-8. The samples that are 0 are left out of the families
    named in ``without_zeros``; the families themselves stay as they are.
    """
    texts = [_text(family, style, omit_zeros=family.name in without_zeros) for family in families]
    end = "# EOF\n" if style is Format.OPENMETRICS else ""
    return ("".join(texts) + end).encode()


def _text(family: Family, style: Format, *, omit_zeros: bool) -> str:
    form = (style, omit_zeros)
    text = family.texts.get(form)
    if text is None:
        samples = [sample for sample in family.samples if sample.value or not omit_zeros]
        text = _head(family, style) + "".join([_sample(sample) for sample in samples])
        family.texts[form] = text
    return text


def _head(family: Family, style: Format) -> str:
    name = family.name
    if style is Format.TEXT:
        suffix = "_total" if family.type == "counter" else ""
        name += suffix
        text = visible(family.documentation).replace("\\", r"\\").replace("\n", r"\n")
    else:
        text = _escape(family.documentation)
    return f"# HELP {name} {text}\n# TYPE {name} {family.type}\n"


def _sample(sample: Sample) -> str:
    value = sample.value
    number = repr(float(value)) if -_PLAIN < value < _PLAIN else _number(value)
    pairs = ",".join([f'{k}="{_escape(v)}"' for k, v in sorted(sample.labels.items())])
    labels = f"{{{pairs}}}" if pairs else ""
    return f"{sample.name}{labels} {number}\n"


def _escape(text: str) -> str:
    if _NOT_PLAIN.search(text) is None:
        return text
    return _ESCAPED.sub(lambda match: _ESCAPES[match[0]], visible(text))
