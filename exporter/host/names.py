"""Names of users."""

from __future__ import annotations

import pwd
from pathlib import Path
from typing import Callable

from exporter.host.answer_cache import AnswerCache

_REMEMBERED_SECONDS = 300.0
_LENGTH = 64


class UserNames:
    """Names uids, by the system's own means or from the passwd file below another root.

    The system's means may be a directory service that is slow: an answer is kept for five
    minutes. ``monotonic`` is in seconds.
    """

    def __init__(self, rootfs: Path, monotonic: Callable[[], float]) -> None:
        self._passwd = None if rootfs == Path("/") else rootfs / "etc" / "passwd"
        self._names = AnswerCache(self._look_up, _REMEMBERED_SECONDS, monotonic)

    def user(self, uid: int) -> str:
        """Return the user's name, the number where it has none."""
        return self._names(uid)[:_LENGTH]

    def _look_up(self, uid: int) -> str:
        if self._passwd is not None:
            return _in_file(self._passwd, uid)
        try:
            name = pwd.getpwuid(uid).pw_name
        except (KeyError, OverflowError):
            return str(uid)
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _in_file(passwd: Path, uid: int) -> str:
    try:
        lines = passwd.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return str(uid)
    for name, _, number, *_ in (line.split(":") for line in lines if line.count(":") >= 3):  # noqa: PLR2004
        if number == str(uid):
            return name
    return str(uid)
