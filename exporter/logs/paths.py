"""Where the logs of an installation are, as patterns of paths."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence

from exporter.installation.facts import Datanode, Installation
from exporter.logs.listing import Pattern


def log_patterns(
    installation: Installation, configured: Mapping[str, Sequence[str]]
) -> tuple[Pattern, ...]:
    """List the patterns of all sources; a configured source replaces what was found for it.

    Rotated forms match, too: CM drops ``-current`` from a name, CBB and gaussdb's scripts put a
    time into it (CM cm_elog.cpp, CBB cm_log.c, openGauss-server dms_contrl.sh).
    """
    found = [p for p in _found(installation) if p.source not in configured]
    told = [Pattern(source, path) for source, paths in configured.items() for path in paths]
    return tuple(dict.fromkeys(found + told))


def log_line_prefixes(installation: Installation) -> tuple[str, ...]:
    """List the different ``log_line_prefix`` of this node's datanodes."""
    settings = [datanode.settings for datanode in installation.datanodes]
    prefixes = [s.log_line_prefix for s in settings if s and s.log_line_prefix is not None]
    return tuple(dict.fromkeys(prefixes))


def _found(installation: Installation) -> Iterator[Pattern]:
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
        directories = [_below(installation.gausslog, each) for each in below]
    for directory in directories:
        if directory:
            yield Pattern("datanode", f"{directory}/*.log")


def _below(directory: str, path: str) -> str:
    return f"{directory.rstrip('/')}/{path}" if directory else ""
