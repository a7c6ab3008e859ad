"""Says so where the dashboards cannot be tested; elsewhere nothing is left out."""

from __future__ import annotations

import sys

OLD = sys.version_info < (3, 11)
collect_ignore_glob = ["test_*.py"] if OLD else []


def pytest_report_header() -> list[str]:
    """Tell loudly that the dashboards' library does not run here."""
    return ["NOT RUN: tests/grafana, the dashboards' library needs Python 3.11"] if OLD else []
