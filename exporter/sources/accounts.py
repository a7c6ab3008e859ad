"""The cluster's OS user, looked up where that user really is."""

from __future__ import annotations

import os
import pwd
from typing import Callable, NamedTuple

from exporter.errors import ParseError, SourceError
from exporter.parsers.passwd import find_user
from exporter.sources.command import Account
from exporter.sources.host_files import HostFiles

_USERS = "/etc/passwd"
_REMEMBERED_SECONDS = 300.0


class OwnUser(NamedTuple):
    """Whom this exporter runs as."""

    name: str
    uid: int
    gid: int
    home: str


def own_user() -> OwnUser:
    """Tell whom we run as; a uid without an entry is named by its number."""
    uid, gid = os.geteuid(), os.getegid()
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return OwnUser(str(uid), uid, gid, "/")
    return OwnUser(entry.pw_name, uid, gid, entry.pw_dir)


class KnownAccounts:
    """Looks users up in this system's databases, and keeps an answer for five minutes.

    A user's groups take a hundred system calls where systemd's module is asked for them, and
    longer where a directory service is. ``monotonic`` is in seconds.
    """

    def __init__(self, look_up: Callable[[str], Account], monotonic: Callable[[], float]) -> None:
        self._look_up = look_up
        self._monotonic = monotonic
        self._known: dict[str, tuple[float, Account]] = {}

    def find(self, name: str) -> Account:
        """Return the user; raises SourceError, each time anew, when there is none of this name."""
        now = self._monotonic()
        known = self._known.get(name)
        if known is None or now >= known[0]:
            known = (now + _REMEMBERED_SECONDS, self._look_up(name))
            self._known = {name: known}
        return known[1]


class Accounts:
    """Looks users up: in this system's databases, or in another root's /etc/passwd."""

    def __init__(self, files: HostFiles, own: OwnUser) -> None:
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
