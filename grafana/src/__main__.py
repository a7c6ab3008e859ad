"""Writes the dashboards: ``python -m grafana.src``; a test compares, so that none grows old."""

from __future__ import annotations

from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana.src import cluster, exporter_health, fleet, port_conflicts

DIRECTORY = Path(__file__).resolve().parent.parent / "dashboards"


def dashboards() -> dict[str, Dashboard]:
    """Build every dashboard; the key is its uid and the name of its file."""
    pages = (port_conflicts, cluster, fleet, exporter_health)
    return {page.UID: page.build() for page in pages}


def text_of(made: Dashboard) -> str:
    """Write a dashboard as its file holds it."""
    encoder = JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False)
    return encoder.encode(made.build()) + "\n"


def main() -> None:
    """Write every file."""
    DIRECTORY.mkdir(exist_ok=True)
    for uid, made in dashboards().items():
        (DIRECTORY / f"{uid}.json").write_text(text_of(made), encoding="utf-8")


if __name__ == "__main__":
    main()
