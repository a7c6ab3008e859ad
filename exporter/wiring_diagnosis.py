"""The diagnosis' part of the composition root: the command, and what it makes its pages from."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import BinaryIO

from prometheus_client.core import Metric

from exporter.flags import Flag, Values, one_of
from exporter.model.diagnosis import Diagnosis, Page, Sample, Verdict
from exporter.output import write_out
from exporter.reports import diagnosis as report

DIAGNOSE_FLAGS = (
    Flag("format", "text or json.", "FORMAT", one_of("text", "json"), "text"),
    Flag("lang", "en or zh.", "LANGUAGE", one_of(*report.LANGUAGES), report.LANGUAGES[0]),
)
STATUS = {Verdict.NONE: os.EX_OK, Verdict.CONFLICT: 1, Verdict.CANNOT_TELL: 2}
"""The command's exit status."""


def own_page(families: Iterable[Metric], taken_at: float) -> Page:
    """Take the samples of this exporter's own families."""
    samples = (Sample(s.name, s.labels, s.value) for each in families for s in each.samples)
    return Page.of("", taken_at, samples)


def tell(diagnosis: Diagnosis, values: Values, stream: BinaryIO) -> int:
    """Write the report as the flags ask for it; returns the exit status."""
    write = report.as_json if values["format"] == "json" else report.as_text
    write_out(write(diagnosis, values["lang"]).encode("utf-8", "replace"), stream)
    return STATUS[diagnosis.verdict]
