"""The host's users: names, accounts, and passwd(5) of a host that is not ours."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from typing import Callable, NamedTuple, Optional

from exporter.errors import ParseError, SourceError
from exporter.host.answer_cache import AnswerCache
from exporter.host.command import Account
from exporter.host.files import HostFiles
from exporter.host.text import bounded, whole_number

_KEPT_SECONDS = 300.0
_USERS = "/etc/passwd"
_LONGEST_NAME = 64
_FIELDS = 7
_MAX_ID = 2**32 - 2


class PasswdEntry(NamedTuple):
    """What a line of passwd(5) tells that matters here."""

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


def own_user() -> PasswdEntry:
    """Tell whom we run as; a uid without an entry is named by its number."""
    uid, gid = os.geteuid(), os.getegid()
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return PasswdEntry(str(uid), uid, gid, "/")
    return PasswdEntry(entry.pw_name, uid, gid, entry.pw_dir)


class Accounts:
    """Looks users up: in this system's databases, or in another root's /etc/passwd."""

    def __init__(self, files: HostFiles, own: PasswdEntry) -> None:
        self._files = files
        self._own = own

    def find(self, name: str) -> Account:
        """Return the user; raises SourceError when there is none of this name."""
        if self._files.is_own_root:
            return self._of_this_system(name)
        try:
            entry = find_user(self._files.text(_USERS), name, _USERS)
        except (SourceError, ParseError):
            entry = None
        if entry is None:
            return self._own_account(name)
        return Account(name, entry.uid, entry.gid, (entry.gid,), entry.home)

    def _of_this_system(self, name: str) -> Account:
        try:
            return Account.of(name)
        except SourceError:
            return self._own_account(name)

    def _own_account(self, name: str) -> Account:
        """Vouch for ourselves: a container's user often has no entry anywhere."""
        own = self._own
        if name != own.name:
            raise SourceError(f"there is no OS user {name!r}")
        return Account(own.name, own.uid, own.gid, (own.gid,), own.home)
