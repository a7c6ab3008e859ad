"""Which node this is: there on every page, whatever else could be found out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Callable

from exporter.installation.facts import NodeIdentity
from exporter.installation.metrics import NODE_INFO
from exporter.scrape.base import Family


class NodeInfoCollector:
    """Shows what ``identify`` knows of this node; the rest of the labels is empty."""

    name = "node_info"

    def __init__(self, identify: Callable[[], NodeIdentity]) -> None:
        self._identify = identify

    def collect(self) -> Iterator[Family]:
        """Build the one family."""
        node = self._identify()
        labels = (node.node_id, node.node_name, node.cluster_name, node.cluster_id)
        yield NODE_INFO.family([(labels, 1)])
