"""Write log records as CM does: the prefix, the file names, the modes, the rotation.

Local time without a zone, milliseconds, the Linux thread id, an empty thread name as two blanks.
A start appends to the newest `PREFIX-…-current.log`; a full file is renamed by dropping `-current`.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

DEFAULT_LIMIT = 16 * 1024 * 1024


class CmLog:
    """One program's log; `limit` is the size in bytes at which a file is rotated."""

    def __init__(self, directory: Path, prefix: str, limit: int = DEFAULT_LIMIT) -> None:
        self._directory = directory
        self._prefix = prefix
        self._limit = limit
        self._lock = threading.Lock()

    def write(self, level: str, text: str, *, thread: str = "", lead: str = "") -> None:
        """Append one record; `lead` is what some om_monitor records have before the time."""
        record = f"{lead}{stamp()} tid={threading.get_native_id()} {thread} {level}: {text}\n"
        self._append(record)

    def event(self, text: str, *, thread: str) -> None:
        """Append one record as in key_event files: a thread, no level."""
        self._append(f"{stamp()} tid={threading.get_native_id()} {thread}: {text}\n")

    def raw(self, text: str) -> None:
        """Append a text as it is."""
        self._append(text)

    def current(self) -> Path:
        """Return the file being written, made when there is none."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = sorted(self._directory.glob(f"{self._prefix}-*-current.log"))
        if found:
            return found[-1]
        name = time.strftime(f"{self._prefix}-%Y-%m-%d_%H%M%S-current.log")
        path = self._directory / name
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        return path

    def _append(self, record: str) -> None:
        data = record.encode("utf-8", "surrogateescape")
        with self._lock:
            path = self.current()
            if path.stat().st_size + len(data) > self._limit:
                path.rename(path.with_name(path.name.replace("-current", "")))
                path = self.current()
            with path.open("ab") as log:
                log.write(data)


def stamp() -> str:
    """Return the local time as CM prints it."""
    now = time.time()
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now)) + f".{int(now * 1000) % 1000:03}"


def size_limit(conf: Path) -> int:
    """Return `log_file_size` of cm_agent.conf or cm_server.conf in bytes (only MB exists)."""
    for line in conf.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "log_file_size":
            return int(value.split("MB")[0]) * 1024 * 1024
    return DEFAULT_LIMIT
