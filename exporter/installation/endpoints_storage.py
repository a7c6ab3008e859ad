"""The port of dssserver, which serves the shared storage under resource pooling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from exporter.installation.endpoints_build import of_word
from exporter.installation.endpoints_database import entry_addresses, own_entry
from exporter.installation.facts import DssInstance, Installation
from exporter.installation.static_config import StaticNode
from exporter.ports.facts import Endpoint

_APPLICATION = "APP"


def dss_endpoints(installation: Installation, node: StaticNode) -> Iterator[Endpoint]:
    """Give dssserver's port: the own entry of DSS_NODES_LIST, where it has more than one.

    A single dssserver opens none (DSS dss_mes.c).
    """
    dss = installation.dss
    if dss is None or len(dss.nodes) <= 1:
        return
    own = own_entry(dss.nodes, dss.number)
    if own is not None:
        base = of_word("dss", _instance_id(installation, dss, node), own.port)
        addresses = entry_addresses(own, installation)
        yield replace(base, addresses=addresses, origin="dss_inst.ini")


def _instance_id(installation: Installation, dss: DssInstance, node: StaticNode) -> int:
    """Return CM's number of this node's dssserver; without CM's resource its own INST_ID.

    The resource is the application that is given DSS' directory as its first argument
    (openGauss-OM CM.py).
    """
    for resource in installation.resources:
        for instance in resource.instances if resource.kind == _APPLICATION else ():
            first = instance.arguments.split(maxsplit=1)[:1]
            if instance.node_id == node.node_id and first == [installation.dss_home]:
                return instance.number
    return dss.number
