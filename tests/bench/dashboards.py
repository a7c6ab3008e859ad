"""The fleet's dashboard at fleet size: how long each of its panels takes.

A panel's time is that of all its queries one after the other, although Grafana sends them at once:
what is shown as a table or a number is asked for one moment, lines for ``STEPS`` moments. The bench
has no hour of history; it asks as many moments of the minutes that it has.
"""

from __future__ import annotations

import math
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from tests.bench.table import Row, at_most, milliseconds
from tests.support.dashboards import dashboards, interpolated, panels
from tests.support.monitoring import Monitoring
from tests.support.programs import http_get

UID = "opengauss-fleet"
BAR_SECONDS = 1.0
STEPS = 240  # an hour of lines at Grafana's step of 15 s
SPAN_SECONDS = 60.0
RUNS = 3
TIMEOUT_SECONDS = 60.0


def rows(monitoring: Monitoring) -> Iterator[Row]:
    """Measure every panel; the row names the slowest, and the page as a whole."""
    taken = {panel["title"]: _seconds(monitoring, panel) for panel in panels(dashboards()[UID])}
    slowest = max(taken, key=lambda title: taken[title])
    yield at_most(f"  fleet dashboard, slowest panel ({slowest})", taken[slowest], BAR_SECONDS, "s")
    yield Row("  all of its panels, one after the other", f"{sum(taken.values()):.2f} s")


def _seconds(monitoring: Monitoring, panel: Mapping[str, Any]) -> float:
    """Measure one panel; endless when a query of it has no answer in time."""
    try:
        return milliseconds(partial(show, monitoring, panel), RUNS) / 1000
    except OSError:
        return math.inf


def show(monitoring: Monitoring, panel: Mapping[str, Any]) -> None:
    """Ask what a panel asks, with every cluster and node chosen."""
    for target in panel["targets"]:
        expression = interpolated(target["expr"], cluster=".*")
        if target["instant"]:
            monitoring.query(expression, TIMEOUT_SECONDS)
        else:
            _over_time(monitoring, expression)


def _over_time(monitoring: Monitoring, expression: str) -> None:
    end = time.time()
    asked = {
        "query": expression,
        "start": f"{end - SPAN_SECONDS}",
        "end": f"{end}",
        "step": f"{SPAN_SECONDS / STEPS}",
    }
    url = f"{monitoring.prometheus.url}/api/v1/query_range?{urllib.parse.urlencode(asked)}"
    status, body = http_get(url, timeout=TIMEOUT_SECONDS)
    if status != 200:
        raise RuntimeError(f"{url}: {status} {body.decode()}")
