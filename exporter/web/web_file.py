"""The web configuration in force: read at the start, again when a file of it changes."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

import structlog

from exporter.config.web_facts import WebConfig
from exporter.errors import ConfigError
from exporter.web.gate import Access
from exporter.web.tls import Tls

_Stamp = Optional[tuple[int, int, int, int]]


@dataclass(frozen=True)
class _Reading:
    access: Access
    stamps: Mapping[Path, _Stamp]


class WebFile:
    """Holds what ``load`` and ``apply`` make of the file; ``access`` may be asked in any thread.

    ``load`` raises ConfigError with every problem, ``apply`` what OpenSSL says of files that
    changed in between. Without a path an empty configuration holds. ``told`` hears after each
    later reading what is wrong with the file, empty when nothing is.
    """

    def __init__(
        self,
        path: Optional[Path],
        load: Callable[[Path], WebConfig],
        apply: Callable[[WebConfig], Access],
        told: Callable[[str], None],
    ) -> None:
        self._path = path
        self._load = load
        self._apply = apply
        self._told = told
        self._lock = threading.Lock()
        self._problem = ""
        self._reading = self._read()

    def access(self) -> Access:
        """Return what is in force."""
        return self._reading.access

    def tls(self) -> Optional[Tls]:
        """Return how to serve TLS, None to serve in clear."""
        return self._reading.access.tls

    def refresh(self) -> str:
        """Read anew if a file has changed or was bad; returns what is wrong, empty for nothing."""
        with self._lock:
            if self._problem or self._changed():
                self._read_again()
            return self._problem

    def _changed(self) -> bool:
        return any(_stamp(path) != stamp for path, stamp in self._reading.stamps.items())

    def _read_again(self) -> None:
        log = structlog.get_logger()
        try:
            self._reading = self._read()
        except ConfigError as error:
            before, self._problem = self._problem, str(error)
            if self._problem != before:
                log.error(  # noqa: TRY400 -- a configuration's problems need no traceback
                    "web configuration refused, the old one stays in force", problem=self._problem
                )
        else:
            self._problem = ""
            log.info("web configuration reloaded")
        self._told(self._problem)

    def _read(self) -> _Reading:
        """Read all of it; each file is looked at before it is read, so that no change is missed."""
        if self._path is None:
            return _Reading(self._apply(WebConfig()), {})
        stamps = {self._path: _stamp(self._path)}
        config = self._load(self._path)
        files = config.tls.files if config.tls else ()
        stamps.update({Path(file): _stamp(Path(file)) for file in files})
        try:
            return _Reading(self._apply(config), stamps)
        except (OSError, ValueError) as error:
            raise ConfigError(str(self._path), (str(error),)) from error


def _stamp(path: Path) -> _Stamp:
    """Tell one state of a file from the next, through the links that certificates come by."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_size
