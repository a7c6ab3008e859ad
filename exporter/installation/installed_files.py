"""The files of an installation, each read by its parser, with what came of reading it."""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Callable, Optional, TypeVar, cast

from exporter.errors import MissingFileError, ParseError, SourceError
from exporter.host.facts import IPAddress
from exporter.host.files import HostFiles
from exporter.installation.cm_resource import parse_cm_resource
from exporter.installation.facts import (
    CmAgentSettings,
    CmResource,
    CmServerSettings,
    Datanode,
    DatanodeSettings,
    DssInstance,
    FactState,
    Finding,
)
from exporter.installation.postgresql_conf import (
    INCLUDES,
    Assignment,
    parse_datanode_settings,
    parse_postgresql_conf,
)
from exporter.installation.static_config import StaticConfig, StaticNode
from exporter.installation.static_config_parser import MAX_BYTES, parse_static_config
from exporter.installation.text_files import (
    parse_cm_agent_conf,
    parse_cm_server_conf,
    parse_dss_inst,
    parse_hosts,
)

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


T = TypeVar("T")


class Facts:
    """Collects findings; a fact that cannot be read any more keeps its last good value."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self._kept: dict[tuple[str, str], object] = {}

    def begin(self) -> None:
        """Look at everything anew; the last good values stay."""
        self.findings = []

    def note(
        self, fact: str, origin: str, state: FactState = FactState.OK, detail: str = ""
    ) -> None:
        """Add a finding that no file gave."""
        self.findings.append(Finding(fact, origin, state, detail))

    def read(
        self, fact: str, path: str, reader: Callable[[str], T], *, required: bool = True
    ) -> Optional[T]:
        """Read a fact from a file; None when it never was read, or is not there and need not be.

        A failure is a finding with the error's own words.
        """
        key = (fact, path)
        try:
            value = reader(path)
        except MissingFileError as error:
            if not required:
                self._kept.pop(key, None)
                self.note(fact, path, FactState.ABSENT, "no such file")
                return None
            self.note(fact, path, FactState.MISSING, str(error))
        except SourceError as error:
            self.note(fact, path, FactState.UNREADABLE, str(error))
        except ParseError as error:
            self.note(fact, path, FactState.NOT_UNDERSTOOD, str(error))
        else:
            self._kept[key] = value
            self.note(fact, path)
            return value
        return cast("Optional[T]", self._kept.get(key))  # put there by this very call, earlier


MAX_DEPTH = 10  # openGauss-server guc-file.l: maximum nesting of included files


MAX_FILES = 100


_CONF_SUFFIX = ".conf"


class DatanodeConf:
    """Reads the settings of one datanode; for one reading only."""

    def __init__(self, files: HostFiles) -> None:
        self._files = files
        self._opened = 0

    def read(self, path: str) -> DatanodeSettings:
        """Read postgresql.conf at ``path``; of several assignments the last counts.

        Raises SourceError or ParseError that tells file and line, as the server would refuse.
        A relative log_directory becomes what it is to the server, which runs in its directory.
        """
        assignments = list(self._file(path, depth=0))
        auto = posixpath.join(posixpath.dirname(path), "postgresql.auto.conf")
        with contextlib.suppress(MissingFileError):  # there when ALTER SYSTEM was used
            assignments += self._file(auto, depth=0)
        settings = parse_datanode_settings(assignments)
        if not settings.log_directory:
            return settings
        directory = posixpath.join(posixpath.dirname(path), settings.log_directory)
        return replace(settings, log_directory=directory)

    def _file(self, path: str, depth: int) -> Iterator[Assignment]:
        self._opened += 1
        if depth > MAX_DEPTH or self._opened > MAX_FILES:
            raise SourceError(f"{path}: too many files include one another")
        for assignment in parse_postgresql_conf(self._files.text(path), path):
            if assignment.name in INCLUDES:
                yield from self._included(assignment, depth)
            else:
                yield assignment

    def _included(self, assignment: Assignment, depth: int) -> Iterator[Assignment]:
        """Read what an include names, relative to the directory of the file that names it."""
        path = posixpath.join(posixpath.dirname(assignment.source), assignment.value)
        where = f"{assignment.source}: line {assignment.line}: {assignment.name}"
        if not assignment.value:
            raise ParseError(f"{where}: expected a path, found none")
        try:
            for each in self._paths(assignment.name, path):
                yield from self._file(each, depth + 1)
        except MissingFileError as error:
            if assignment.name != "include_if_exists":
                raise SourceError(f"{where}: {error}") from error

    def _paths(self, include: str, path: str) -> list[str]:
        if include != "include_dir":
            return [path]
        names = [name for name in self._files.names(path) if name.endswith(_CONF_SUFFIX)]
        return [posixpath.join(path, name) for name in names if not name.startswith(".")]
