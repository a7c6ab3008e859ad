"""Metrics pages written by a test, served as if each were a node's exporter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

from exporter.build import CATALOGUE
from tests.support.loopback import Answer, Loopback
from tests.support.monitoring import Target

TEXT = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
_LABELS = {metric.name: set(metric.labels) for metric in CATALOGUE}


def series(name: str, value: float, **labels: str) -> str:
    """Write one line of a page; fails for a metric or a label that the catalogue does not have."""
    assert set(labels) == _LABELS[name], f"{name} has the labels {_LABELS[name]}"
    text = ",".join(f'{label}="{_escaped(found)}"' for label, found in labels.items())
    return f"{name}{{{text}}} {value}\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@final
class Pages(Loopback):
    """One server with a page for each node; a node without a page answers 503, as if down."""

    def __init__(self) -> None:
        self._pages: dict[str, str] = {}
        super().__init__(self._answer)

    def show(self, node: str, page: str) -> None:
        """Replace a node's page; the empty page takes the node's exporter away."""
        self._pages[node] = page

    def target(self, node: str, labels: Mapping[str, str]) -> Target:
        """Return the node as a target to scrape."""
        return Target(self.address, {"instance": f"{node}:19836", **labels}, path=f"/{node}")

    def _answer(self, path: str, _: bytes) -> Answer:
        page = self._pages.get(path.strip("/"), "")
        return Answer(200 if page else 503, page.encode(), TEXT)
