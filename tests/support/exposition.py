"""Pages of metrics, read by the client library's own parsers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Callable

from prometheus_client.core import Metric
from prometheus_client.openmetrics import exposition as _openmetrics_exposition
from prometheus_client.openmetrics import parser as _openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

# The library does not type these.
parse_openmetrics: Callable[[str], Iterable[Metric]] = (
    _openmetrics_parser.text_string_to_metric_families
)
parse_text: Callable[[str], Iterable[Metric]] = text_string_to_metric_families
openmetrics_of: Callable[[Collector], bytes] = _openmetrics_exposition.generate_latest
