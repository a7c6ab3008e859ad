"""Which keys there are, what each takes, and the rules that bind several keys together."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Callable, Optional

from exporter.config import schema
from exporter.config.reading import Reader, Section, Value, each, section
from exporter.config.report import RefusedError
from exporter.config.schema import InstallationHints, Signature
from exporter.config.values import (
    absolute_path,
    address,
    boolean,
    duration,
    executable,
    identifier,
    note,
    number,
    one_of,
    text,
    timezone,
    word,
)
from exporter.config.words import ENDPOINT_WORDS, LOG_SOURCES, SIGNATURE_SEVERITIES

_DAY = 86_400.0
_LARGEST_NODE_ID = 2**32 - 1  # the static config's field is an unsigned 32-bit number

_user = word(r"[A-Za-z_][A-Za-z0-9_.-]{0,30}\$?", "the name of an OS user")
_node_name = word(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", "a host name of at most 64 characters")
_endpoint_word = word(r"[a-z][a-z0-9_]{0,63}", "a-z, then a-z 0-9 _, at most 64 characters")
_source = one_of(LOG_SOURCES)


def _no_pattern_problem(_pattern: str) -> Optional[str]:
    return None


@dataclass(frozen=True)
class Checks:
    """What a configuration is checked against that the file itself does not tell.

    ``listen_ports`` are the exporter's own. ``pattern_problem`` says what is wrong with the
    pattern of a signature, None for nothing. ``signature_ids`` are taken already.
    """

    listen_ports: frozenset[int] = frozenset()
    pattern_problem: Callable[[str], Optional[str]] = _no_pattern_problem
    signature_ids: frozenset[str] = frozenset()


def config(checks: Checks) -> Reader[schema.Config]:
    """Make the reader of the whole file."""

    def read(value: Value) -> schema.Config:
        endpoints = each(_endpoint(checks), most=256, identity=_endpoint_key)
        with section(value) as keys:
            return schema.Config(
                installation=keys.get("installation", _installation, InstallationHints()),
                endpoints=keys.get("endpoints", endpoints, ()),
                cm_query=keys.get("cm_query", _cm_query, schema.CmQuery()),
                logs=keys.get("logs", _logs(checks), schema.Logs()),
            )

    return read


def _installation(value: Value) -> InstallationHints:
    with section(value) as keys:
        return InstallationHints(
            user=keys.get("user", _user, None),
            env_file=keys.get("env_file", absolute_path, None),
            gausshome=keys.get("gausshome", absolute_path, None),
            gausslog=keys.get("gausslog", absolute_path, None),
            dss_home=keys.get("dss_home", absolute_path, None),
            static_config=keys.get("static_config", absolute_path, None),
            node_id=keys.get("node_id", number(1, _LARGEST_NODE_ID), None),
            node_name=keys.get("node_name", _node_name, None),
        )


def _endpoint(checks: Checks) -> Reader[schema.EndpointConfig]:
    def read(value: Value) -> schema.EndpointConfig:
        with section(value) as keys:
            name = keys.need("endpoint", _endpoint_word, "")
            instance = keys.need if name in ENDPOINT_WORDS else keys.get
            found = schema.EndpointConfig(
                endpoint=name,
                instance_id=instance("instance_id", identifier, ""),
                port=keys.need("port", _free_port(checks), 0),
                addresses=keys.get("addresses", each(address, most=16), None),
                process=keys.get("process", executable, None),
            )
            _require_process(keys, name)
        return found

    return read


def _endpoint_key(found: schema.EndpointConfig) -> Optional[tuple[str, str]]:
    complete = found.endpoint and (found.instance_id or found.endpoint not in ENDPOINT_WORDS)
    return (found.endpoint, found.instance_id) if complete else None


def _free_port(checks: Checks) -> Reader[int]:
    port = number(1, 65535)

    def read(value: Value) -> int:
        found = port(value)
        if found in checks.listen_ports:
            raise RefusedError(
                f"{found} is the exporter's own port; choose another --web.listen-address"
            )
        return found

    return read


def _require_process(keys: Section, name: str) -> None:
    if not name or name in ENDPOINT_WORDS or "process" in keys:
        return
    nearest = difflib.get_close_matches(name, ENDPOINT_WORDS, n=1)
    hint = f" (did you mean the endpoint {nearest[0]}?)" if nearest else ""
    keys.problem("process", f"missing; the custom endpoint {name} needs it{hint}")


def _cm_query(value: Value) -> schema.CmQuery:
    default = schema.CmQuery()
    with section(value) as keys:
        found = schema.CmQuery(
            enabled=keys.get("enabled", boolean, default.enabled),
            command=keys.get("command", _command, default.command),
            interval=keys.get("interval", duration(1, 3600), default.interval),
            timeout=keys.get("timeout", duration(1, 300), None),
            max_age=keys.get("max_age", duration(1, _DAY), None),
        )
        if found.max_age is not None and found.max_age < found.interval + (found.timeout or 0):
            keys.problem("max_age", "shorter than interval and timeout together")
    return found


def _command(value: Value) -> tuple[str, ...]:
    words = each(text, least=1, most=64, identity=lambda _: None)(value)
    if words and "/" in words[0] and not words[0].startswith("/"):
        raise RefusedError("the program's path is relative; allowed: a file name or a full path")
    return words


def _logs(checks: Checks) -> Reader[schema.Logs]:
    def read(value: Value) -> schema.Logs:
        default = schema.Logs()
        sources = each(_log_source, most=len(LOG_SOURCES), identity=lambda s: s.source or None)
        with section(value) as keys:
            return schema.Logs(
                enabled=keys.get("enabled", boolean, default.enabled),
                sources=keys.get("sources", sources, ()),
                signatures=keys.get("signatures", signatures(checks), ()),
                look_back=keys.get("look_back", duration(0, _DAY), default.look_back),
                timezone=keys.get("timezone", timezone, None),
                state_file=keys.get("state_file", absolute_path, None),
            )

    return read


def _log_source(value: Value) -> schema.LogSource:
    with section(value) as keys:
        return schema.LogSource(
            source=keys.need("source", _source, ""),
            paths=keys.need("paths", each(absolute_path, least=1, most=64), ()),
        )


def signatures(checks: Checks) -> Reader[tuple[Signature, ...]]:
    """Make the reader of a list of signatures, wherever such a list stands."""
    return each(_signature(checks), most=500, identity=lambda s: s.id or None)


def _signature(checks: Checks) -> Reader[Signature]:
    def read(value: Value) -> Signature:
        with section(value) as keys:
            return Signature(
                id=keys.need("id", _free_id(checks), ""),
                sources=keys.need("sources", each(_source, least=1, most=len(LOG_SOURCES)), ()),
                pattern=keys.need("pattern", _pattern(checks), ""),
                severity=keys.get("severity", one_of(SIGNATURE_SEVERITIES), "info"),
                meaning=keys.get("meaning", note, ""),
                reference=keys.get("reference", note, ""),
                details=keys.get("details", each(_pattern(checks), most=8), ()),
            )

    return read


def _free_id(checks: Checks) -> Reader[str]:
    name = word(r"[a-z][a-z0-9_]{0,63}", "a-z, then a-z 0-9 _, at most 64 characters")

    def read(value: Value) -> str:
        found = name(value)
        if found in checks.signature_ids:
            raise RefusedError(f"{found} is the id of a shipped signature; choose another")
        return found

    return read


def _pattern(checks: Checks) -> Reader[str]:
    def read(value: Value) -> str:
        pattern = text(value)
        trouble = checks.pattern_problem(pattern)
        if trouble is not None:
            raise RefusedError(trouble)
        return pattern

    return read
