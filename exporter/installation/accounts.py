"""The cluster's OS user, looked up where that user really is."""

from __future__ import annotations

import os
import pwd
from typing import NamedTuple

from exporter.errors import ParseError, SourceError
from exporter.host.command import Account
from exporter.host.files import HostFiles
from exporter.host.users import find_user

_USERS = "/etc/passwd"


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

    def require(self, name: str) -> None:
        """Raise SourceError when the configured user is not there."""
        try:
            self.find(name)
        except SourceError:
            raise SourceError(f"installation.user: no user {name!r} here") from None

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
