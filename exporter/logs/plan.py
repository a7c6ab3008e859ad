"""What an installation tells of its logs: where they are, how records begin, their time zone."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta, timezone, tzinfo
from io import BytesIO
from itertools import chain
from typing import Callable, Optional
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from exporter.config.schema import Signature
from exporter.config.words import LOG_SOURCES
from exporter.errors import SourceError
from exporter.host.files import Fingerprint, HostFiles
from exporter.installation.facts import Datanode, Installation, StopMarker
from exporter.logs.listing import Pattern
from exporter.logs.matcher import LogMatcher
from exporter.logs.records import DEFAULT_LOG_LINE_PREFIX, grammars_of

LONGEST_LOOK_BACK_SECONDS = 86400.0
BEFORE_MARKER_SECONDS = 120.0
# Programs that do not know of each other write into these, so that a bare line belongs to nobody.
_SHARED_FILES = ("system_call", "dbstart")
_LOCALTIME = "/etc/localtime"
_DATABASE = "/usr/share/zoneinfo"
_LOOK_SECONDS = 60.0
_FIXED = re.compile(r"<?[A-Za-z0-9+-]{3,}?>?([+-]?)(\d{1,2})(?::?(\d\d))?")


class LogPlan:
    """Which files are followed and with which matchers, as the installation is now.

    ``configured`` are the paths of sources that the configuration names. For one thread, but for
    ``installation``, which is asked anew for each look.
    """

    def __init__(
        self,
        installation: Callable[[], Installation],
        configured: Mapping[str, Sequence[str]],
        signatures: Sequence[Signature],
    ) -> None:
        self._installation = installation
        self._configured = configured
        self._planned: Optional[Installation] = None
        self._patterns: tuple[Pattern, ...] = ()
        self._prefixes: tuple[str, ...] = ()
        self.matchers = {
            source: LogMatcher(
                [signature for signature in signatures if source in signature.sources],
                grammars_of(source),
                inherits=source not in _SHARED_FILES,
            )
            for source in LOG_SOURCES
        }

    def patterns(self) -> tuple[Pattern, ...]:
        """List what to follow, and make the matchers read prefixes as the servers write them."""
        installation = self._installation()
        if installation is not self._planned:
            self._planned = installation
            self._patterns = log_patterns(installation, self._configured)
            self._use_prefixes(log_line_prefixes(installation))
        return self._patterns

    def _use_prefixes(self, prefixes: tuple[str, ...]) -> None:
        if prefixes == self._prefixes:
            return
        self._prefixes = prefixes
        for source in ("datanode", *_SHARED_FILES):
            per_prefix = [grammars_of(source, p) for p in prefixes or (DEFAULT_LOG_LINE_PREFIX,)]
            self.matchers[source].use(tuple(dict.fromkeys(chain.from_iterable(per_prefix))))


def horizon(look_back: float, markers: Callable[[], Sequence[StopMarker]], now: float) -> float:
    """Tell how far a first look goes back: to the oldest marker, a day at most.

    ``look_back`` is in seconds, and the least. Times are since the epoch. Markers that cannot be
    read (SourceError) count as none.
    """
    try:
        oldest = min((marker.mtime for marker in markers()), default=now)
    except SourceError:
        oldest = now
    wanted = min(now - look_back, oldest - BEFORE_MARKER_SECONDS)
    return max(wanted, now - LONGEST_LOOK_BACK_SECONDS)


def log_patterns(
    installation: Installation, configured: Mapping[str, Sequence[str]]
) -> tuple[Pattern, ...]:
    """List the patterns of all sources; a configured source replaces what was found for it.

    Rotated forms match, too: CM drops ``-current`` from a name, CBB and gaussdb's scripts put a
    time into it (CM cm_elog.cpp, CBB cm_log.c, openGauss-server dms_contrl.sh).
    """
    discovered = [p for p in _discovered(installation) if p.source not in configured]
    named = [Pattern(source, path) for source, paths in configured.items() for path in paths]
    return tuple(dict.fromkeys(discovered + named))


def log_line_prefixes(installation: Installation) -> tuple[str, ...]:
    """List the different ``log_line_prefix`` of this node's datanodes."""
    settings = [datanode.settings for datanode in installation.datanodes]
    prefixes = [s.log_line_prefix for s in settings if s and s.log_line_prefix is not None]
    return tuple(dict.fromkeys(prefixes))


def _discovered(installation: Installation) -> Iterator[Pattern]:
    yield from _cm(installation)
    for datanode in installation.datanodes:
        yield from _datanode(installation, datanode)
    log = installation.gausslog
    if log:
        for server_log in ("pg_log", "gs_log"):
            yield Pattern("dms", f"{log}/{server_log}/DMS/run/dms*.rlog")
        yield Pattern("om", f"{log}/om/gs_*.log")
    dss = installation.dss
    dss_log = (dss.log_dir if dss else "") or _below(installation.dss_home, "log")
    if dss_log:
        yield Pattern("dss", f"{dss_log}/run/dssinstance*.rlog")


def _cm(installation: Installation) -> Iterator[Pattern]:
    log, node = installation.gausslog, installation.node
    agent, server = installation.cm_agent, installation.cm_server
    cm_dir = node.cm_dir if node else ""
    agent_log = _log_dir(agent.log_dir if agent else "", cm_dir, "cm_agent", log)
    server_log = _log_dir(server.log_dir if server else "", cm_dir, "cm_server", log)
    if agent_log:
        yield Pattern("cm_agent", f"{agent_log}/cm_agent-*.log")
        yield Pattern("system_call", f"{agent_log}/system_call-*.log")
    if server_log:
        yield Pattern("cm_server", f"{server_log}/cm_server-*.log")
    if log:
        yield Pattern("cm_ctl", f"{log}/cm/cm_ctl/cm_ctl-*.log")
        yield Pattern("om_monitor", f"{log}/cm/om_monitor/om_monitor-*.log")


def _log_dir(configured: str, cm_dir: str, component: str, gausslog: str) -> str:
    """Find a component's logs: a relative ``log_dir`` is below its data directory."""
    if configured.startswith("/"):
        return configured.rstrip("/")
    if configured and cm_dir:
        return posixpath.join(cm_dir, component, configured)
    return _below(gausslog, f"cm/{component}")


def _datanode(installation: Installation, datanode: Datanode) -> Iterator[Pattern]:
    settings = datanode.settings
    yield Pattern("dbstart", f"{datanode.data_dir}/DBstart*.log")
    if settings and settings.log_directory:
        directories: Iterable[str] = [settings.log_directory]
    else:
        number = datanode.installed.instance_id
        below = (f"pg_log/dn_{number}", f"gs_log/dn_{number}")
        directories = [_below(installation.gausslog, path) for path in below]
    for directory in directories:
        if directory:
            yield Pattern("datanode", f"{directory}/*.log")


def _below(directory: str, path: str) -> str:
    return f"{directory.rstrip('/')}/{path}" if directory else ""


class LocalZone:
    """Finds the zone as libc does: from TZ, else from /etc/localtime; UTC if neither tells.

    ``tz`` is asked each time for the value of TZ, empty for none. ``monotonic`` is in seconds.
    """

    def __init__(
        self, files: HostFiles, tz: Callable[[], str], monotonic: Callable[[], float]
    ) -> None:
        self._files = files
        self._tz = tz
        self._monotonic = monotonic
        self._look_at = 0.0
        self._look: Optional[tuple[str, Optional[Fingerprint]]] = None
        self._zone: tzinfo = timezone.utc

    def __call__(self) -> tzinfo:
        """Return the zone as of the last minute."""
        now = self._monotonic()
        if self._look is None or now >= self._look_at:
            self._look_at = now + _LOOK_SECONDS
            name = self._tz()
            look = (name, None if name else self._files.fingerprint(_LOCALTIME))
            if look != self._look:
                self._look = look
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
