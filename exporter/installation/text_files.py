"""The small text files of a node, each parsed to facts.

cm_agent.conf, cm_server.conf and dss_inst.ini are lines of ``name = value``. /etc/hosts tells
which addresses a name in ``listen_addresses`` stands for (hosts(5)). An environment is what
``env -0`` prints.

OM keeps om_monitor running by a line of the crontab (openGauss-OM CM_OLAP.py):
``*/1 * * * * source /etc/profile;(if [ -f ~/.profile ];then source ~/.profile;fi);source
~/.bashrc;source ENVFILE;nohup GAUSSHOME/bin/om_monitor -L GAUSSLOG/cm/om_monitor >>/dev/null
2>&1 &``. Without a file of its own the environment is ``~/.bashrc``. OM puts ``#`` before the
line to stop om_monitor; what the line says stays true.

postmaster.pid, cm_server.pid and cm_agent.pid tell the process that last started here. All begin
with the pid, and go on with the data directory (openGauss-server miscinit.cpp, CreateLockFile).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Optional

from exporter.errors import ParseError
from exporter.host.facts import IPAddress
from exporter.host.text import bounded, shown, whole_number
from exporter.installation.facts import (
    CmAgentSettings,
    CmServerSettings,
    DssInstance,
    MonitorCron,
)
from exporter.installation.postgresql_conf import parse_instances

MAX_BYTES = 1 << 20
VARIABLES = (
    "GAUSSHOME",
    "GAUSSLOG",
    "DSS_HOME",
    "LD_LIBRARY_PATH",
    "GS_CLUSTER_NAME",
    "MPPDB_ENV_SEPARATE_PATH",
    "PGHOST",
    "PATH",
    "TZ",
)
"""What is read of an environment; all the rest, secrets among it, is passed over."""

_QUOTED = re.compile(r"'([^']*)'")
_DIGITS = re.compile(r"[0-9]{1,18}")
_INSTANCE_NUMBER = re.compile(r"[0-9]{1,4}")
_MONITOR = re.compile(
    r"(?:^|[\s;])(?:(?P<home>/[^\s;]*)/bin/)?om_monitor\s+-L\s+(?P<log>/[^\s;>&]*)"
)
_SOURCED = re.compile(r"(?:^|[\s;])(?:source|\.)\s+([^\s;&|()<>]+)")
_SYSTEM_WIDE = frozenset({"/etc/profile", "/etc/bashrc", "/etc/bash.bashrc", "~/.profile"})
_MAX_PID = 2**22  # the kernel's PID_MAX_LIMIT


def parse_cm_conf(text: str, source: str) -> Mapping[str, str]:
    """Read cm_agent.conf or cm_server.conf as CM cm_elog.cpp does.

    Of several lines with one name the first counts; what stands behind ``#`` is a comment,
    except in quotes. Lines without ``=`` say nothing. Raises ParseError when no line is an
    assignment: then it is another file, or one that is just being written.
    """
    values: dict[str, str] = {}
    for name, value in _assignments(text, source):
        quoted = _QUOTED.match(value)
        values.setdefault(name, quoted[1] if quoted else value.split("#", 1)[0].strip())
    return _not_empty(values, source)


def cm_number(values: Mapping[str, str], name: str, default: int) -> int:
    """Read a number as CM get_int64_value_from_config does: leading digits, else the default."""
    match = _DIGITS.match(values.get(name, ""))
    return int(match[0]) if match else default


def parse_cm_agent_conf(text: str, source: str = "cm_agent.conf") -> CmAgentSettings:
    """Read what cm_agent.conf decides about ports and logs."""
    values = parse_cm_conf(text, source)
    interval = cm_number(values, "agent_rhb_interval", CmAgentSettings.rhb_interval)
    return CmAgentSettings(interval, values.get("log_dir", ""))


def parse_cm_server_conf(text: str, source: str = "cm_server.conf") -> CmServerSettings:
    """Read what cm_server.conf decides about ports and logs."""
    values = parse_cm_conf(text, source)
    ddb_type = cm_number(values, "ddb_type", CmServerSettings.ddb_type)
    return CmServerSettings(ddb_type, values.get("log_dir", ""))


def parse_dss_inst(text: str, source: str = "dss_inst.ini") -> DssInstance:
    """Read dss_inst.ini; raises ParseError without INST_ID or a DSS_NODES_LIST that has it.

    DSS names do not tell cases apart (CBB cm_config.c); the last of several lines counts.
    Without DSS_NODES_LIST an instance has no peer, and opens no port.
    """
    values = _not_empty({name.upper(): value for name, value in _assignments(text, source)}, source)
    number = values.get("INST_ID", "0")
    if not _INSTANCE_NUMBER.fullmatch(number):
        raise ParseError(f"{source}: INST_ID: expected a number, found {shown(number)}")
    listed = values.get("DSS_NODES_LIST", "")
    nodes = parse_instances(listed, f"{source}: DSS_NODES_LIST") if listed else ()
    if nodes and int(number) not in {node.number for node in nodes}:
        raise ParseError(f"{source}: INST_ID: expected one of DSS_NODES_LIST, found {number}")
    return DssInstance(int(number), nodes, values.get("LOG_HOME", ""))


def _assignments(text: str, source: str) -> Iterator[tuple[str, str]]:
    for line in bounded(text, source).split("\n"):
        stripped = line.strip()
        name, equals, value = stripped.partition("=")
        if equals and not stripped.startswith("#") and name.strip():
            yield name.strip(), value.strip()


def _not_empty(values: dict[str, str], source: str) -> Mapping[str, str]:
    if not values:
        raise ParseError(f"{source}: expected lines of name = value, found none")
    return values


def parse_hosts(text: str, source: str = "/etc/hosts") -> Mapping[str, tuple[IPAddress, ...]]:
    """Map each name, in lower case, to its addresses in the order of the file.

    Lines that the resolver would pass over are passed over here. Raises ParseError only when
    the text is too long.
    """
    names: dict[str, tuple[IPAddress, ...]] = {}
    for line in bounded(text, source).split("\n"):
        words = line.split("#", 1)[0].split()
        address = _address(words[0]) if words else None
        if address is None:
            continue
        for name in dict.fromkeys(word.lower() for word in words[1:]):
            names[name] = (*names.get(name, ()), address)
    return names


def _address(text: str) -> Optional[IPAddress]:
    try:
        return ip_address(text)
    except ValueError:
        return None


def parse_crontab(text: str, source: str = "crontab") -> MonitorCron:
    """Find om_monitor's line, the last if several; raises ParseError when there is none.

    ``env_files`` are what the line sources, in its order, the system's own files excepted.
    """
    for line in reversed(bounded(text, source).split("\n")):
        match = _MONITOR.search(line)
        if match:
            sourced = [name.strip("'\"") for name in _SOURCED.findall(line)]
            own = tuple(name for name in sourced if name not in _SYSTEM_WIDE)
            return MonitorCron(own, match["home"] or "", match["log"])
    raise ParseError(f"{source}: expected a line that starts om_monitor, found none")


def parse_pid_file(text: str, source: str = "pid file") -> int:
    """Read the pid; raises ParseError for none.

    A standalone backend writes its pid negative; it listens nowhere, so its file is an error.
    """
    first = bounded(text, source).split("\n", 1)[0]
    pid = whole_number(first, _MAX_PID)
    if not pid:
        raise ParseError(f"{source}: line 1: expected a pid, found {shown(first)}")
    return pid


def parse_environment(data: bytes, source: str = "environment") -> Mapping[str, str]:
    """Read the variables of VARIABLES that are set and not empty.

    Raises ParseError when nothing in the data is an assignment, or when it is too long. A last
    assignment without its NUL byte is passed over: it may be cut off.
    """
    if len(data) > MAX_BYTES:
        raise ParseError(f"{source}: expected at most {MAX_BYTES} bytes, found {len(data)}")
    entries = [entry.partition(b"=") for entry in data.split(b"\0")[:-1]]
    if not any(equals and name for name, equals, _ in entries):
        raise ParseError(f"{source}: expected NAME=value with a NUL behind it, found none")
    named = {name.decode("utf-8", "replace"): value for name, _, value in reversed(entries)}
    return {name: named[name].decode("utf-8", "replace") for name in VARIABLES if named.get(name)}
