"""The closed sets of words that several rooms share, and what each endpoint's word stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class EndpointWord:
    """What is true of every endpoint of one word, until an installation's files say otherwise.

    ``process`` is the file name of the executable that may own the port; ``component`` is the
    part of the cluster that the port belongs to. ``precheck``: cm_agent looks for a listener on
    the port before it starts the component (CM cma_instance_management.cpp:225 and
    cma_datanode.cpp; C, C+1, P and P+1). ``binds``: the component listens there.
    """

    process: str
    component: str
    precheck: bool = False
    binds: bool = True


ENDPOINT_WORDS: Mapping[str, EndpointWord] = MappingProxyType(
    {
        "cm_server": EndpointWord("cm_server", "cm_server", precheck=True),
        "cm_server_ha": EndpointWord("cm_server", "cm_server", precheck=True),
        "cm_agent": EndpointWord("cm_agent", "cm_agent"),
        "datanode": EndpointWord("gaussdb", "datanode", precheck=True),
        "datanode_ha": EndpointWord("gaussdb", "datanode", precheck=True),
        "datanode_installed": EndpointWord("gaussdb", "datanode", precheck=True, binds=False),
        "datanode_ha_installed": EndpointWord("gaussdb", "datanode", precheck=True, binds=False),
        "datanode_replication": EndpointWord("gaussdb", "datanode"),
        "datanode_dolphin": EndpointWord("gaussdb", "datanode"),
        "datanode_heartbeat": EndpointWord("gaussdb", "datanode"),
        "dss": EndpointWord("dssserver", "dss"),
        "dms": EndpointWord("gaussdb", "datanode"),
    }
)

LOG_SOURCES = (
    "cm_agent",
    "cm_server",
    "cm_ctl",
    "om_monitor",
    "system_call",
    "datanode",
    "dbstart",
    "dms",
    "dss",
    "om",
)

SIGNATURE_SEVERITIES = ("critical", "warning", "info")
