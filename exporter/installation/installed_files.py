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
    Lookup,
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
MAX_DEPTH = 10  # openGauss-server guc-file.l: maximum nesting of included files
MAX_FILES = 100
_CONF_SUFFIX = ".conf"

T = TypeVar("T")


class FactStore:
    """Remembers the last good value of each fact, and what came of the last look for it.

    It outlives a reader when the configuration is read anew. ``variables`` are those of the last
    environment, ``app_dirs`` all directories that GAUSSHOME has led to.
    """

    def __init__(self) -> None:
        self.lookups: list[Lookup] = []
        self.variables: Mapping[str, str] = {}
        self.app_dirs: tuple[str, ...] = ()
        self._last_good: dict[tuple[str, str], object] = {}

    def note(
        self, fact: str, origin: str, state: FactState = FactState.OK, detail: str = ""
    ) -> None:
        """Add what came of a look that read no file."""
        self.lookups.append(Lookup(fact, origin, state, detail))

    def read(
        self, fact: str, path: str, reader: Callable[[str], T], *, required: bool = True
    ) -> Optional[T]:
        """Read a fact from a file; None when it never was read, or is not there and need not be.

        A fact that cannot be read any more keeps its last good value, and the failure is noted
        with the error's own words.
        """
        key = (fact, path)
        try:
            value = reader(path)
        except MissingFileError as error:
            if not required:
                self._last_good.pop(key, None)
                self.note(fact, path, FactState.ABSENT, "no such file")
                return None
            self.note(fact, path, FactState.MISSING, str(error))
        except SourceError as error:
            self.note(fact, path, FactState.UNREADABLE, str(error))
        except ParseError as error:
            self.note(fact, path, FactState.NOT_UNDERSTOOD, str(error))
        else:
            self._last_good[key] = value
            self.note(fact, path)
            return value
        return cast("Optional[T]", self._last_good.get(key))  # put there by this call, earlier


class InstalledFiles:
    """Reads through ``files``, notes in ``store``."""

    def __init__(self, files: HostFiles, store: FactStore) -> None:
        self._files = files
        self._store = store

    def static_config(self, path: str) -> Optional[StaticConfig]:
        """Read the topology."""
        return self._store.read(
            "static_config",
            path,
            lambda name: parse_static_config(self._files.read(name, MAX_BYTES), name),
        )

    def cm_agent(self, node: StaticNode) -> Optional[CmAgentSettings]:
        """Read cm_agent.conf where CM is installed."""
        if not node.has_cm:
            return None
        path = posixpath.join(node.cm_dir, "cm_agent", "cm_agent.conf")
        return self._text("cm_agent_conf", path, parse_cm_agent_conf)

    def cm_server(self, node: StaticNode) -> Optional[CmServerSettings]:
        """Read cm_server.conf where the node has a cm_server."""
        if not node.has_cm or node.cm_server is None:
            return None
        path = posixpath.join(node.cm_dir, "cm_server", "cm_server.conf")
        return self._text("cm_server_conf", path, parse_cm_server_conf)

    def resources(self, node: StaticNode) -> tuple[CmResource, ...]:
        """Read cm_resource.json, which need not be there."""
        if not node.has_cm:
            return ()
        path = posixpath.join(node.cm_dir, "cm_agent", "cm_resource.json")
        return self._text("cm_resource", path, parse_cm_resource, required=False) or ()

    def datanodes(self, node: StaticNode) -> Iterator[Datanode]:
        """Read postgresql.conf of every datanode of the node."""
        for installed in node.datanodes:
            number, directory = installed.instance_id, installed.data_dir
            conf = posixpath.join(directory, "postgresql.conf")
            settings = self._store.read(f"postgresql_conf_{number}", conf, self._settings)
            resolved = self._store.read(f"data_dir_{number}", directory, self._files.resolve)
            yield Datanode(installed, resolved or directory, conf, settings)

    def dss(self, dss_home: str) -> Optional[DssInstance]:
        """Read dss_inst.ini where DSS is installed."""
        if not dss_home:
            return None
        return self._text("dss_inst", posixpath.join(dss_home, "cfg/dss_inst.ini"), parse_dss_inst)

    def hosts(self) -> Mapping[str, tuple[IPAddress, ...]]:
        """Read the names of hosts."""
        return self._text("hosts", HOSTS, parse_hosts, required=False) or {}

    def _text(
        self, fact: str, path: str, parse: Callable[[str, str], T], *, required: bool = True
    ) -> Optional[T]:
        return self._store.read(
            fact, path, lambda name: parse(self._files.text(name), name), required=required
        )

    def _settings(self, path: str) -> DatanodeSettings:
        return DatanodeConf(self._files).read(path)


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
        where = assignment.where
        if not assignment.value:
            raise ParseError(f"{where}: expected a path, found none")
        try:
            for included in self._paths(assignment.name, path):
                yield from self._file(included, depth + 1)
        except MissingFileError as error:
            if assignment.name != "include_if_exists":
                raise SourceError(f"{where}: {error}") from error

    def _paths(self, include: str, path: str) -> list[str]:
        if include != "include_dir":
            return [path]
        names = [name for name in self._files.names(path) if name.endswith(_CONF_SUFFIX)]
        return [posixpath.join(path, name) for name in names if not name.startswith(".")]
