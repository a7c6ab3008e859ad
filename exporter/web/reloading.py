"""What was configured and is in force, until a new configuration that holds replaces it.

The application is replaced on a reload, the web configuration also when a file of it changes.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Callable, Optional, Protocol

import structlog

from exporter.config.web import WebConfig
from exporter.errors import ConfigError, ExporterError
from exporter.scrape.registry import Registry
from exporter.scrape.self_metrics import ReloadRecord
from exporter.web.gate import Access
from exporter.web.tls import Tls

_OWN = "configuration"
_Stamp = Optional[tuple[int, int, int, int]]


class Application(Protocol):
    """The collectors of one configuration and what works in the background for them."""

    @property
    def registry(self) -> Registry:
        """The collectors."""

    def start(self) -> None:
        """Start the background work; what fails there shows in its collector."""

    def stop(self) -> None:
        """End the background work, in bounded time."""


class Reloader:
    """Holds the application in force, ``current``.

    ``rebuild`` reads the configuration and builds a new one.

    ``look`` reads another file anew if it has changed, and returns what is wrong with it; None when
    there is none. A bad one keeps no new configuration from being put in force.

    ``rebuild`` must not start anything: when it raises, the old application goes on untouched.
    The old one is stopped before the new one starts, as both would want the same files.
    """

    def __init__(
        self,
        first: Application,
        rebuild: Callable[[], Application],
        record: ReloadRecord,
        look: Optional[Callable[[], str]] = None,
    ) -> None:
        self.current = first
        self.look = look
        self._rebuild = rebuild
        self._record = record

    def reload(self) -> str:
        """Read all anew and put it in force; returns why something is not, empty when all is."""
        problems = (self._reload_application(), self.look() if self.look else "")
        return "\n".join(problem for problem in problems if problem)

    def _reload_application(self) -> str:
        log = structlog.get_logger()
        try:
            fresh = self._rebuild()
        except Exception as error:  # a new configuration must never end the exporter
            foreseen = isinstance(error, ExporterError)
            problem = str(error) if foreseen else f"{type(error).__name__}: {error}"
            self._record.note(_OWN, problem)
            log.error(  # noqa: TRY400 -- a configuration's problems need no traceback
                "reload failed, the old configuration stays in force",
                problem=problem,
                exc_info=None if foreseen else error,
            )
            return problem
        self._replace(fresh)
        log.info("configuration reloaded")
        return ""

    def stop(self) -> None:
        """End the application in force."""
        _attempt("stop", self.current.stop)

    def _replace(self, fresh: Application) -> None:
        self.stop()
        self.current = fresh
        self._record.note(_OWN, "")
        _attempt("start", fresh.start)


def _attempt(what: str, action: Callable[[], None]) -> None:
    """Do it, and only log what it raises: there is no old configuration to go back to."""
    try:
        action()
    except Exception:  # noqa: BLE001 -- whatever it is, the new configuration is in force
        structlog.get_logger().exception(f"background work did not {what}")


class WebFile:
    """Holds what ``load`` and ``apply`` make of the file; ``access`` may be asked in any thread.

    ``load`` raises ConfigError with every problem, ``apply`` what OpenSSL says of files that
    changed in between. Without a path an empty configuration holds. ``note`` is called after
    each later reading with what is wrong with the file, empty when nothing is.
    """

    def __init__(
        self,
        path: Optional[Path],
        load: Callable[[Path], WebConfig],
        apply: Callable[[WebConfig], Access],
        note: Callable[[str], None],
    ) -> None:
        self._path = path
        self._load = load
        self._apply = apply
        self._note = note
        self._lock = threading.Lock()
        self._problem = ""
        self._access, self._stamps = self._read()

    def access(self) -> Access:
        """Return what is in force."""
        return self._access

    def tls(self) -> Optional[Tls]:
        """Return how to serve TLS, None to serve in clear."""
        return self._access.tls

    def refresh(self) -> str:
        """Read anew if a file has changed or was bad; returns what is wrong, empty for nothing."""
        with self._lock:
            if self._problem or self._changed():
                self._read_again()
            return self._problem

    def _changed(self) -> bool:
        return any(_stamp(path) != stamp for path, stamp in self._stamps.items())

    def _read_again(self) -> None:
        log = structlog.get_logger()
        try:
            self._access, self._stamps = self._read()
        except ConfigError as error:
            before, self._problem = self._problem, str(error)
            if self._problem != before:
                log.error(  # noqa: TRY400 -- a configuration's problems need no traceback
                    "web configuration refused, the old one stays in force", problem=self._problem
                )
        else:
            self._problem = ""
            log.info("web configuration reloaded")
        self._note(self._problem)

    def _read(self) -> tuple[Access, Mapping[Path, _Stamp]]:
        """Read all of it; each file is looked at before it is read, so that no change is missed."""
        if self._path is None:
            return self._apply(WebConfig()), {}
        stamps = {self._path: _stamp(self._path)}
        config = self._load(self._path)
        files = config.tls.files if config.tls else ()
        stamps.update({Path(file): _stamp(Path(file)) for file in files})
        try:
            return self._apply(config), stamps
        except (OSError, ValueError) as error:
            raise ConfigError(str(self._path), (str(error),)) from error


def _stamp(path: Path) -> _Stamp:
    """Tell one state of a file from the next, through the links that certificates come by."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size
