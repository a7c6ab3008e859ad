"""Files of ``name = value`` lines: cm_agent.conf, cm_server.conf and dss_inst.ini."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from exporter.errors import ParseError
from exporter.host.text import bounded, shown
from exporter.installation.facts import CmAgentSettings, CmServerSettings, DssInstance
from exporter.installation.replication import parse_instances

_QUOTED = re.compile(r"'([^']*)'")
_DIGITS = re.compile(r"[0-9]{1,18}")
_INSTANCE_NUMBER = re.compile(r"[0-9]{1,4}")


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
