"""The host's users: their names, and passwd(5) of a host that is not ours."""

from __future__ import annotations

import pwd
from collections.abc import Iterator
from pathlib import Path
from typing import Callable, NamedTuple, Optional

from exporter.errors import ParseError
from exporter.host.answer_cache import AnswerCache
from exporter.host.text import bounded, whole_number

_KEPT_SECONDS = 300.0
_LONGEST_NAME = 64
_FIELDS = 7
_MAX_ID = 2**32 - 2


class PasswdEntry(NamedTuple):
    """What a line tells that matters here."""

    name: str
    uid: int
    gid: int
    home: str


class UserNames:
    """Names uids, by the system's own means or from the passwd file below another root.

    The system's means may be a directory service that is slow: an answer is kept for five
    minutes. ``monotonic`` is in seconds.
    """

    def __init__(self, rootfs: Path, monotonic: Callable[[], float]) -> None:
        self._passwd = None if rootfs == Path("/") else rootfs / "etc" / "passwd"
        self._names = AnswerCache(self._look_up, _KEPT_SECONDS, monotonic)

    def user(self, uid: int) -> str:
        """Return the user's name, the number where it has none."""
        return self._names(uid)[:_LONGEST_NAME]

    def _look_up(self, uid: int) -> str:
        if self._passwd is not None:
            return _in_file(self._passwd, uid)
        try:
            name = pwd.getpwuid(uid).pw_name
        except (KeyError, OverflowError):
            return str(uid)
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def find_user(text: str, name: str, source: str = "/etc/passwd") -> Optional[PasswdEntry]:
    """Find a user by name; None when no line names it. Lines that are no entries are passed over.

    Raises ParseError only when the text is too long.
    """
    return next((entry for entry in _entries(text, source) if entry.name == name), None)


def _in_file(passwd: Path, uid: int) -> str:
    try:
        text = passwd.read_text(encoding="utf-8", errors="replace")
        names = [entry.name for entry in _entries(text, str(passwd)) if entry.uid == uid]
    except (OSError, ParseError):
        names = []
    return names[0] if names else str(uid)


def _entries(text: str, source: str) -> Iterator[PasswdEntry]:
    for line in bounded(text, source).split("\n"):
        fields = line.split(":")
        if len(fields) != _FIELDS:
            continue
        uid, gid = whole_number(fields[2], _MAX_ID), whole_number(fields[3], _MAX_ID)
        if uid is not None and gid is not None:
            yield PasswdEntry(fields[0], uid, gid, fields[5] or "/")
