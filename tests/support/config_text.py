"""Configurations out of thin air, and their text: for tests that read what they wrote."""

from __future__ import annotations

import dataclasses
import json
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from hypothesis import strategies as st

from exporter.config import CmQuery, Config, EndpointConfig, Logs, LogSource
from exporter.config.schema import InstallationHints, Signature
from exporter.config.values import format_duration
from exporter.config.words import ENDPOINT_WORDS, LOG_SOURCES, SIGNATURE_SEVERITIES

_DURATIONS = {"interval", "timeout", "max_age", "look_back"}


def plain(value: Any) -> Any:  # noqa: ANN401  # any tree of dataclasses, any tree of plain values
    """Turn a configuration into what JSON can write, with its keys and nothing else."""
    if dataclasses.is_dataclass(value):
        return {
            field.name: _field(field.name, getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, (IPv4Address, IPv6Address)) else value


def _field(name: str, value: Any) -> Any:  # noqa: ANN401  # see plain
    if name in _DURATIONS and value is not None:
        return format_duration(value)
    return plain(value)


def as_yaml(config: Config) -> bytes:
    """Write a configuration as JSON, which is YAML as well."""
    return json.dumps(plain(config), indent=1, ensure_ascii=False).encode()


_text = st.text(st.characters(codec="utf-8").filter(str.isprintable), min_size=1, max_size=30)
_note = st.just("") | _text
_path = _text.map("/".__add__)
_word = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
_instance = st.from_regex(r"[A-Za-z0-9_.-]{1,64}", fullmatch=True)
_milliseconds = st.integers(1000, 150_000).map(lambda count: count / 1000)
_addresses = st.lists(st.ip_addresses(v=4) | st.ip_addresses(v=6), max_size=4, unique=True).map(
    tuple
)


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def _tuples(strategy: st.SearchStrategy[Any], key: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401  # a key function of any item
    return st.lists(strategy, max_size=4, unique_by=key).map(tuple)


_installations = st.builds(
    InstallationHints,
    user=_maybe(st.from_regex(r"[a-z_][a-z0-9_.-]{0,30}", fullmatch=True)),
    env_file=_maybe(_path),
    gausshome=_maybe(_path),
    gausslog=_maybe(_path),
    dss_home=_maybe(_path),
    static_config=_maybe(_path),
    node_id=_maybe(st.integers(1, 2**32 - 1)),
    node_name=_maybe(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", fullmatch=True)),
)
_known = st.builds(
    EndpointConfig,
    endpoint=st.sampled_from(sorted(ENDPOINT_WORDS)),
    instance_id=_instance,
    port=st.integers(1, 65535),
    addresses=_maybe(_addresses),
    process=_maybe(_path),
)
_custom = st.builds(
    EndpointConfig,
    endpoint=_word.filter(lambda word: word not in ENDPOINT_WORDS),
    instance_id=_instance,
    port=st.integers(1, 65535),
    addresses=_maybe(_addresses),
    process=_path,
)
_queries = st.builds(
    CmQuery,
    enabled=st.booleans(),
    command=st.lists(_text, max_size=3).map(lambda words: ("cm_ctl", *words)),
    interval=_milliseconds,
    timeout=_maybe(_milliseconds),
    max_age=_maybe(st.integers(300, 86_400).map(float)),
)
_signatures = st.builds(
    Signature,
    id=_word,
    sources=st.lists(st.sampled_from(LOG_SOURCES), min_size=1, unique=True).map(tuple),
    pattern=_text,
    severity=st.sampled_from(SIGNATURE_SEVERITIES),
    meaning=_note,
    reference=_note,
    details=st.sampled_from([(), ("a",), ("b (?P<x>c)", "d")]),
)
_log_sources = st.builds(
    LogSource,
    source=st.sampled_from(LOG_SOURCES),
    paths=st.lists(_path, min_size=1, max_size=3, unique=True).map(tuple),
)
_logs = st.builds(
    Logs,
    enabled=st.booleans(),
    sources=_tuples(_log_sources, lambda source: source.source),
    signatures=_tuples(_signatures, lambda signature: signature.id),
    look_back=st.integers(0, 86_400_000).map(lambda count: count / 1000),
    timezone=_maybe(st.sampled_from(["UTC", "Asia/Shanghai"])),
    state_file=_maybe(_path),
)

configs: st.SearchStrategy[Config] = st.builds(
    Config,
    installation=_installations,
    endpoints=_tuples(_known | _custom, lambda item: (item.endpoint, item.instance_id)),
    cm_query=_queries,
    logs=_logs,
)
