"""The configuration as frozen facts, key by key as in the file, with what each key takes.

Every field's name is its key; a field's default is what holds when the key is left out or has
no value. Durations are in seconds. Nothing here has been looked up on the host.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Annotated, Optional

from exporter.config.document import RefusedError
from exporter.config.reading import Key, Section, Value, list_of, section
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
from exporter.host.facts import IPAddress

_DAY = 86_400.0
_LARGEST_NODE_ID = 2**32 - 1  # the static config's field is an unsigned 32-bit number

_user = word(r"[A-Za-z_][A-Za-z0-9_.-]{0,30}\$?", "the name of an OS user")
_node_name = word(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", "a host name of at most 64 characters")
_own_word = word(r"[a-z][a-z0-9_]{0,63}", "a-z, then a-z 0-9 _, at most 64 characters")
_port = number(1, 65535)
_source = one_of(LOG_SOURCES)


def _free_port(value: Value) -> int:
    port = _port(value)
    if port in value.checks.listen_ports:
        raise RefusedError(
            f"{port} is the exporter's own port; choose another --web.listen-address"
        )
    return port


def _command(value: Value) -> tuple[str, ...]:
    words = list_of(text, least=1, most=64, identity=lambda _: None)(value)
    if words and "/" in words[0] and not words[0].startswith("/"):
        raise RefusedError("the program's path is relative; allowed: a file name or a full path")
    return words


def _free_id(value: Value) -> str:
    name = _own_word(value)
    if name in value.checks.signature_ids:
        raise RefusedError(f"{name} is the id of a shipped signature; choose another")
    return name


def _pattern(value: Value) -> str:
    pattern = text(value)
    problem = value.checks.pattern_problem(pattern)
    if problem is not None:
        raise RefusedError(problem)
    return pattern


@dataclass(frozen=True)
class InstallationHints:
    """What the configuration says of the installation; every None is left to discovery."""

    user: Annotated[Optional[str], Key(_user)] = None
    env_file: Annotated[Optional[str], Key(absolute_path)] = None
    gausshome: Annotated[Optional[str], Key(absolute_path)] = None
    gausslog: Annotated[Optional[str], Key(absolute_path)] = None
    dss_home: Annotated[Optional[str], Key(absolute_path)] = None
    static_config: Annotated[Optional[str], Key(absolute_path)] = None
    node_id: Annotated[Optional[int], Key(number(1, _LARGEST_NODE_ID))] = None
    node_name: Annotated[Optional[str], Key(_node_name)] = None


@dataclass(frozen=True)
class EndpointConfig:
    """One endpoint that is added, or that overrides the discovered one of the same key.

    ``instance_id`` may be left out for a custom endpoint, whose word is not in ENDPOINT_WORDS.
    ``addresses`` None: not given, so that what was discovered holds; empty: the wildcard.
    ``process`` None: what was discovered, else what the endpoint's word stands for.
    """

    endpoint: Annotated[str, Key(_own_word)]
    instance_id: Annotated[str, Key(identifier, absent="")]
    port: Annotated[int, Key(_free_port)]
    addresses: Annotated[Optional[tuple[IPAddress, ...]], Key(list_of(address, most=16))] = None
    process: Annotated[Optional[str], Key(executable)] = None


def _endpoint_key(given: EndpointConfig) -> Optional[tuple[str, str]]:
    complete = given.endpoint and (given.instance_id or given.endpoint not in ENDPOINT_WORDS)
    return (given.endpoint, given.instance_id) if complete else None


def _endpoint_is_whole(keys: Section, given: EndpointConfig) -> None:
    """Require the instance of an endpoint of ENDPOINT_WORDS, and the program of a custom one."""
    name = given.endpoint
    if name in ENDPOINT_WORDS:
        keys.require("instance_id")
    elif name and "process" not in keys:
        nearest = difflib.get_close_matches(name, ENDPOINT_WORDS, n=1)
        hint = f" (did you mean the endpoint {nearest[0]}?)" if nearest else ""
        keys.problem("process", f"missing; the custom endpoint {name} needs it{hint}")


@dataclass(frozen=True)
class CmQuery:
    """How the cluster's state is asked for; None: derived from the number of cm_servers."""

    enabled: Annotated[bool, Key(boolean)] = True
    command: Annotated[tuple[str, ...], Key(_command)] = ("cm_ctl", "query", "-Cvipd")
    interval: Annotated[float, Key(duration(1, 3600))] = 15.0
    timeout: Annotated[Optional[float], Key(duration(1, 300))] = None
    max_age: Annotated[Optional[float], Key(duration(1, _DAY))] = None


def _max_age_is_enough(keys: Section, query: CmQuery) -> None:
    if query.max_age is not None and query.max_age < query.interval + (query.timeout or 0):
        keys.problem("max_age", "shorter than interval and timeout together")


@dataclass(frozen=True)
class Signature:
    """A named pattern of one log record, and what it means.

    ``pattern`` is RE2 and sees one physical line, as grep does. Every line that it matches has one
    of the texts of ``contains``, if there are any: only such lines are looked at. ``details`` are
    patterns for the lines below it that belong to the same record; only their named groups count.
    The group ``port`` stands for a port of this node that the record reports as taken; where there
    is a group ``code``, only with 98 (EADDRINUSE) in it.
    """

    id: Annotated[str, Key(_free_id)]
    sources: Annotated[tuple[str, ...], Key(list_of(_source, least=1, most=len(LOG_SOURCES)))]
    pattern: Annotated[str, Key(_pattern)]
    severity: Annotated[str, Key(one_of(SIGNATURE_SEVERITIES))] = "info"
    meaning: Annotated[str, Key(note)] = ""
    reference: Annotated[str, Key(note)] = ""
    details: Annotated[tuple[str, ...], Key(list_of(_pattern, most=8))] = ()
    contains: Annotated[tuple[str, ...], Key(list_of(text, most=16))] = ()

    @property
    def reports_port(self) -> bool:
        """Whether its records name a port of this node as taken."""
        return any("(?P<port>" in pattern for pattern in (self.pattern, *self.details))


@dataclass(frozen=True)
class LogSource:
    """Files of one source, as absolute paths or glob patterns."""

    source: Annotated[str, Key(_source)]
    paths: Annotated[tuple[str, ...], Key(list_of(absolute_path, least=1, most=64))]


ENDPOINTS = list_of(section(EndpointConfig, _endpoint_is_whole), most=256, identity=_endpoint_key)
SIGNATURES = list_of(section(Signature), most=500, identity=lambda signature: signature.id or None)
SOURCES = list_of(
    section(LogSource), most=len(LOG_SOURCES), identity=lambda files: files.source or None
)


@dataclass(frozen=True)
class Logs:
    """Which logs are followed, and what is looked for in them."""

    enabled: Annotated[bool, Key(boolean)] = True
    sources: Annotated[tuple[LogSource, ...], Key(SOURCES)] = ()
    signatures: Annotated[tuple[Signature, ...], Key(SIGNATURES)] = ()
    look_back: Annotated[float, Key(duration(0, _DAY))] = 900.0
    timezone: Annotated[Optional[str], Key(timezone)] = None
    state_file: Annotated[Optional[str], Key(absolute_path)] = None


@dataclass(frozen=True)
class Config:
    """The whole configuration; ``Config()`` is what holds without a file."""

    installation: Annotated[InstallationHints, Key(section(InstallationHints))] = (
        InstallationHints()
    )
    endpoints: Annotated[tuple[EndpointConfig, ...], Key(ENDPOINTS)] = ()
    cm_query: Annotated[CmQuery, Key(section(CmQuery, _max_age_is_enough))] = CmQuery()
    logs: Annotated[Logs, Key(section(Logs))] = Logs()


CONFIG = section(Config)
"""Reads a whole file."""
