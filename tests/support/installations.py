"""Installations as facts, for the tests of what is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address
from typing import Any, Optional

from exporter.installation.facts import Datanode, DatanodeSettings, Installation
from exporter.installation.static_config import StaticConfig
from tests.support.static_config_writer import make_cluster

HOSTS = {
    "localhost": (ip_address("::1"), ip_address("127.0.0.1")),
    "ogdb1": (ip_address("10.77.0.1"),),
}
TWO_NODES = ("10.77.0.1", "10.77.0.2")


def installation(
    static: Optional[StaticConfig] = None,
    settings: Sequence[Optional[DatanodeSettings]] = (),
    **facts: Any,  # noqa: ANN401 -- any field of an Installation
) -> Installation:
    """Make what is known on the local node; without ``settings`` no postgresql.conf is known."""
    static = static or make_cluster(TWO_NODES)
    datanodes = tuple(
        Datanode(each, each.data_dir, f"{each.data_dir}/postgresql.conf", known)
        for each, known in zip(static.local_node.datanodes, [*settings, *[None] * 9])
    )
    base = Installation(
        user="omm",
        uid=1000,
        node_name=static.local_node.name,
        static=static,
        node_id=static.local_node_id,
        datanodes=datanodes,
        hosts=HOSTS,
    )
    return replace(base, **facts)
