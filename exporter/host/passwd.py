"""passwd(5): the users of a host that is not ours."""

from __future__ import annotations

from typing import NamedTuple, Optional

from exporter.host.text import bounded, whole_number

_FIELDS = 7
_MAX_ID = 2**32 - 2


class PasswdEntry(NamedTuple):
    """What a line tells that matters here."""

    name: str
    uid: int
    gid: int
    home: str


def find_user(text: str, name: str, source: str = "/etc/passwd") -> Optional[PasswdEntry]:
    """Find a user by name; None when no line names it. Lines that are no entries are passed over.

    Raises ParseError only when the text is too long.
    """
    for line in bounded(text, source).split("\n"):
        fields = line.split(":")
        if len(fields) != _FIELDS or fields[0] != name:
            continue
        uid, gid = whole_number(fields[2], _MAX_ID), whole_number(fields[3], _MAX_ID)
        if uid is not None and gid is not None:
            return PasswdEntry(name, uid, gid, fields[5] or "/")
    return None
