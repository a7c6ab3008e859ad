"""The time zone that programs on this host write their logs in."""

from __future__ import annotations

import posixpath
import re
from datetime import timedelta, timezone, tzinfo
from io import BytesIO
from typing import Callable, Optional
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from exporter.errors import SourceError
from exporter.host.files import Fingerprint, HostFiles

_LOCALTIME = "/etc/localtime"
_DATABASE = "/usr/share/zoneinfo"
_LOOK_SECONDS = 60.0
_FIXED = re.compile(r"<?[A-Za-z0-9+-]{3,}?>?([+-]?)(\d{1,2})(?::?(\d\d))?")


class LocalZone:
    """Finds the zone as libc does: from TZ, else from /etc/localtime; UTC if neither tells.

    ``told`` is asked each time for the value of TZ, empty for none. ``monotonic`` is in seconds.
    """

    def __init__(
        self, files: HostFiles, told: Callable[[], str], monotonic: Callable[[], float]
    ) -> None:
        self._files = files
        self._told = told
        self._monotonic = monotonic
        self._look_at = 0.0
        self._known: Optional[tuple[str, Optional[Fingerprint]]] = None
        self._zone: tzinfo = timezone.utc

    def __call__(self) -> tzinfo:
        """Return the zone as of the last minute."""
        now = self._monotonic()
        if self._known is None or now >= self._look_at:
            self._look_at = now + _LOOK_SECONDS
            name = self._told()
            look = (name, None if name else self._files.fingerprint(_LOCALTIME))
            if look != self._known:
                self._known = look
                self._zone = self._find(name)
        return self._zone

    def _find(self, name: str) -> tzinfo:
        """Find a zone by its name, here or on the host, or in a file of the host."""
        name = name.lstrip(":")
        zone = zone_named(name) if name and not name.startswith("/") else None
        if zone is not None:
            return zone
        path = posixpath.join(_DATABASE, name) if name else _LOCALTIME
        try:
            return ZoneInfo.from_file(BytesIO(self._files.read(path)))
        except (SourceError, ValueError):
            return timezone.utc


def zone_named(name: str) -> Optional[tzinfo]:
    """Look up ``Asia/Shanghai``, ``UTC``, ``CST-8``; None if there is no such zone.

    POSIX counts west of Greenwich as positive. Of its forms only those without daylight saving
    time are known; the others have names.
    """
    fixed = _FIXED.fullmatch(name)
    if fixed:
        west = timedelta(hours=int(fixed[2]), minutes=int(fixed[3] or 0))
        return timezone(west if fixed[1] == "-" else -west) if west < timedelta(hours=24) else None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
