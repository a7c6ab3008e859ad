"""postgresql.conf with everything that it includes, and postgresql.auto.conf behind it."""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Iterator
from dataclasses import replace

from exporter.errors import MissingFileError, ParseError, SourceError
from exporter.host.files import HostFiles
from exporter.installation.datanode_settings import parse_datanode_settings
from exporter.installation.facts import DatanodeSettings
from exporter.installation.postgresql_conf import INCLUDES, Assignment, parse_postgresql_conf

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
