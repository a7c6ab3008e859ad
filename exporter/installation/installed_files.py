"""The files of an installation, each read by its parser and noted as found or not."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Optional

from exporter.host.facts import IPAddress
from exporter.host.files import HostFiles
from exporter.installation.cm_resource import parse_cm_resource
from exporter.installation.datanode_conf import DatanodeConf
from exporter.installation.facts import (
    CmAgentSettings,
    CmResource,
    CmServerSettings,
    Datanode,
    DatanodeSettings,
    DssInstance,
)
from exporter.installation.good_values import Facts
from exporter.installation.hosts import parse_hosts
from exporter.installation.keyvalue import parse_cm_agent_conf, parse_cm_server_conf, parse_dss_inst
from exporter.installation.static_config import StaticConfig, StaticNode
from exporter.installation.static_config_parser import MAX_BYTES, parse_static_config

HOSTS = "/etc/hosts"


class InstalledFiles:
    """Reads through ``files``, notes in ``facts``."""

    def __init__(self, files: HostFiles, facts: Facts) -> None:
        self._files = files
        self._facts = facts

    def static_config(self, path: str) -> Optional[StaticConfig]:
        """Read the topology."""
        return self._facts.read("static_config", path, self._parse_static_config)

    def cm_agent(self, node: StaticNode) -> Optional[CmAgentSettings]:
        """Read cm_agent.conf where CM is installed."""
        path = posixpath.join(node.cm_dir, "cm_agent", "cm_agent.conf")
        return (
            self._facts.read("cm_agent_conf", path, self._parse_cm_agent) if node.has_cm else None
        )

    def cm_server(self, node: StaticNode) -> Optional[CmServerSettings]:
        """Read cm_server.conf where the node has a cm_server."""
        if not node.has_cm or node.cm_server is None:
            return None
        path = posixpath.join(node.cm_dir, "cm_server", "cm_server.conf")
        return self._facts.read("cm_server_conf", path, self._parse_cm_server)

    def resources(self, node: StaticNode) -> tuple[CmResource, ...]:
        """Read cm_resource.json, which need not be there."""
        if not node.has_cm:
            return ()
        path = posixpath.join(node.cm_dir, "cm_agent", "cm_resource.json")
        found = self._facts.read("cm_resource", path, self._parse_resources, required=False)
        return found or ()

    def datanodes(self, node: StaticNode) -> Iterator[Datanode]:
        """Read postgresql.conf of every datanode of the node."""
        for installed in node.datanodes:
            conf = posixpath.join(installed.data_dir, "postgresql.conf")
            fact = f"postgresql_conf_{installed.instance_id}"
            settings = self._facts.read(fact, conf, self._parse_datanode)
            resolved = self._facts.read(
                f"data_dir_{installed.instance_id}", installed.data_dir, self._files.resolve
            )
            yield Datanode(installed, resolved or installed.data_dir, conf, settings)

    def dss(self, dss_home: str) -> Optional[DssInstance]:
        """Read dss_inst.ini where DSS is installed."""
        path = posixpath.join(dss_home, "cfg", "dss_inst.ini")
        return self._facts.read("dss_inst", path, self._parse_dss) if dss_home else None

    def hosts(self) -> Mapping[str, tuple[IPAddress, ...]]:
        """Read the names of hosts."""
        return self._facts.read("hosts", HOSTS, self._parse_hosts, required=False) or {}

    def _parse_static_config(self, path: str) -> StaticConfig:
        return parse_static_config(self._files.read(path, MAX_BYTES), path)

    def _parse_cm_agent(self, path: str) -> CmAgentSettings:
        return parse_cm_agent_conf(self._files.text(path), path)

    def _parse_cm_server(self, path: str) -> CmServerSettings:
        return parse_cm_server_conf(self._files.text(path), path)

    def _parse_resources(self, path: str) -> tuple[CmResource, ...]:
        return parse_cm_resource(self._files.text(path), path)

    def _parse_datanode(self, path: str) -> DatanodeSettings:
        return DatanodeConf(self._files).read(path)

    def _parse_dss(self, path: str) -> DssInstance:
        return parse_dss_inst(self._files.text(path), path)

    def _parse_hosts(self, path: str) -> Mapping[str, tuple[IPAddress, ...]]:
        return parse_hosts(self._files.text(path), path)
