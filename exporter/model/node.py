"""Which node of which cluster this is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NodeIdentity:
    """The node as the metrics name it; empty is "not known", and a name is always known."""

    node_name: str
    node_id: str = ""
    cluster_name: str = ""
    cluster_id: str = ""
