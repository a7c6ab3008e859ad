"""The state file: positions and evidence, written as one, so that neither is ahead of the other.

It is replaced by renaming, and locked by a file beside it for as long as the exporter runs. A
state that cannot be used is ignored, and the exporter says so: it goes on without memory.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from exporter.errors import ParseError, SourceError

VERSION = 1
_LARGEST = 64 << 20  # bytes


class StateError(SourceError):
    """The state file cannot be read, written or locked."""

    reason = "state_file"


def default_state_file(environment: Mapping[str, str]) -> Optional[Path]:
    """Choose where the state goes: systemd's directory, else the user's; None without a home."""
    given = environment.get("STATE_DIRECTORY", "").split(":")[0]
    if given:
        return Path(given) / "positions.json"
    home = environment.get("XDG_STATE_HOME") or (
        f"{environment['HOME']}/.local/state" if environment.get("HOME") else ""
    )
    return Path(home) / "opengauss-cm-exporter" / "positions.json" if home else None


class StateFile:
    """One state file of this host. ``host`` is a name that no other host has."""

    def __init__(self, path: Path, host: str) -> None:
        self._path = path
        self._host = host
        self._lock: Optional[int] = None

    def lock(self) -> None:
        """Keep other exporters from using it; raises StateError if one does already."""
        lock = self._path.with_name(self._path.name + ".lock")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.unlock()
            raise StateError(f"{lock}: cannot be locked: {error.strerror}") from error

    def unlock(self) -> None:
        """Let others use it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def load(self) -> Optional[dict[str, Any]]:
        """Read what was written last; None if nothing was.

        Raises StateError or ParseError with why it cannot be used.
        """
        try:
            with self._path.open("rb") as file:
                data = file.read(_LARGEST + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"{self._path}: {error.strerror}") from error
        return self._parse(data)

    def _parse(self, data: bytes) -> dict[str, Any]:
        try:
            state = json.loads(data, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise ParseError(f"{self._path}: not JSON") from error
        if not isinstance(state, dict) or state.get("version") != VERSION:
            raise ParseError(f"{self._path}: not a state of version {VERSION}")
        if state.get("host") != self._host:
            raise ParseError(f"{self._path}: the state of another host")
        return state

    def save(self, state: Mapping[str, Any], *, durable: bool) -> None:
        """Replace what was written; ``durable`` also survives a power failure.

        Raises StateError. A killed process leaves either the old state or the new one.
        """
        data = json.dumps({"version": VERSION, "host": self._host, **state}).encode()
        temporary = self._path.with_name(self._path.name + ".new")
        try:
            with open(temporary, "wb", opener=_private) as file:
                file.write(data)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            temporary.replace(self._path)
        except OSError as error:
            raise StateError(f"{self._path}: {error.strerror}") from error


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _refuse(constant: str) -> float:
    raise ValueError(constant)
