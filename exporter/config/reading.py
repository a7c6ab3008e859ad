"""Reading the tree: sections, lists, required keys, unknown keys with the nearest known one.

A reader takes a value and returns what it stands for, or raises RefusedError; the section or list
that called it reports the refusal with line and path and goes on, so that one run finds every
problem. What stands in for a refused value is never seen: a report with problems ends in an
error.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import MISSING, dataclass
from typing import Any, Callable, Optional, TypeVar, get_type_hints

import yaml

from exporter.config.document import RefusedError, Report, shown

T = TypeVar("T")

_YAML = "tag:yaml.org,2002:"
_KINDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
    "timestamp": "a date",
    "seq": "a list",
    "map": "a mapping",
}


def _no_pattern_problem(_pattern: str) -> Optional[str]:
    return None


def _no_tls_problems(_config: object) -> Iterable[tuple[str, str]]:
    return ()


@dataclass(frozen=True)
class Checks:
    """What a file is checked against that the file itself does not tell.

    ``listen_ports`` are the exporter's own. ``pattern_problem`` says what is wrong with the
    pattern of a signature, None for nothing. ``signature_ids`` are taken already.
    ``tls_problems`` takes a TlsConfig and tells what is wrong with its files, as pairs of key and
    message. ``directory`` is where relative paths begin.
    """

    listen_ports: frozenset[int] = frozenset()
    pattern_problem: Callable[[str], Optional[str]] = _no_pattern_problem
    signature_ids: frozenset[str] = frozenset()
    tls_problems: Callable[[Any], Iterable[tuple[str, str]]] = _no_tls_problems
    directory: str = ""


@dataclass(frozen=True)
class Value:
    """One node of the file with the line and path of its key."""

    node: yaml.Node
    line: int
    path: str
    report: Report
    checks: Checks

    @property
    def tag(self) -> str:
        """YAML's own type without its prefix; any other tag whole."""
        return str(self.node.tag).replace(_YAML, "", 1)

    def read(self, reader: Callable[[Value], T], stand_in: T) -> T:
        """Read the value; a refusal is reported."""
        try:
            return reader(self)
        except RefusedError as refusal:
            self.problem(str(refusal))
            return stand_in

    def problem(self, message: str) -> None:
        """Report a problem with this value."""
        self.report.add(self.line, self.path, message)


Reader = Callable[[Value], T]


def wrong_type(value: Value, allowed: str) -> RefusedError:
    """Say which type the value has and what is allowed."""
    kind = _KINDS.get(value.tag, f"a value of type {shown(value.tag)}")
    return RefusedError(f"{kind} is not allowed here; allowed: {allowed}")


class Section:
    """The keys of one mapping, each asked for once; raises RefusedError for what is no mapping."""

    def __init__(self, value: Value) -> None:
        if not isinstance(value.node, yaml.MappingNode):
            raise wrong_type(value, "a mapping of keys")
        self.checks = value.checks
        self._value = value
        self._problems_before = len(value.report)
        self._values = _unique_keys(value)
        self._known: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def get(self, key: str, reader: Reader[T], default: T) -> T:
        """Read a key that may be missing or without a value."""
        self._known.append(key)
        value = self._values.get(key)
        return default if value is None or value.tag == "null" else value.read(reader, default)

    def require(self, key: str) -> None:
        """Report a key that is missing or without a value."""
        value = self._values.get(key)
        if value is None or value.tag == "null":
            self.problem(key, "missing")

    def problem(self, key: str, message: str) -> None:
        """Report a problem with a key, on its line or, when it is missing, on the section's."""
        owner = self._values.get(key, self._value)
        owner.report.add(owner.line, _join(self._value.path, key), message)

    @property
    def is_sound(self) -> bool:
        """Whether no problem of this section has been reported yet."""
        return len(self._value.report) == self._problems_before

    def close(self) -> None:
        """Report the keys that nobody asked for."""
        for key in self._values.keys() - set(self._known):
            self._values[key].problem(self._unknown(key))

    def _unknown(self, key: str) -> str:
        nearest = difflib.get_close_matches(key, self._known, n=1)
        hint = f"did you mean {nearest[0]}? known keys" if nearest else "known keys"
        return f"unknown key; {hint}: {', '.join(self._known)}"


@dataclass(frozen=True)
class Key:
    """Stands in a field's annotation and tells how the field is read from its section.

    ``name`` is the key in the file, where it is not the field's name. Without the key the field's
    default holds. A field that has none must be given, unless ``absent`` stands for it.
    """

    reader: Reader[Any]
    name: str = ""
    absent: Any = None


def section(
    kind: type[T], rule: Callable[[Section, T], None] = lambda _keys, _content: None
) -> Reader[T]:
    """Make the reader of a mapping whose keys are the fields of a dataclass, each with its Key.

    ``rule`` reports what is wrong with several keys together. It may see None where a required
    value was refused.
    """
    hints = get_type_hints(kind, include_extras=True)
    keys_of = {field: hints[field.name].__metadata__[0] for field in dataclasses.fields(kind)}  # type: ignore[arg-type]  # a dataclass, which no type of Python 3.9 says

    def read(value: Value) -> T:
        keys = Section(value)
        content = kind(**{field.name: _field(keys, field, key) for field, key in keys_of.items()})
        rule(keys, content)
        keys.close()
        return content

    return read


def _field(keys: Section, field: dataclasses.Field[Any], key: Key) -> object:
    name = key.name or field.name
    if field.default_factory is not MISSING:
        default = field.default_factory()
    elif field.default is not MISSING:
        default = field.default
    else:
        default = key.absent
        if default is None:
            keys.require(name)
    return keys.get(name, key.reader, default)


def _join(path: str, key: str) -> str:
    return f"{path}.{shown(key)}" if path else shown(key)


def _unique_keys(value: Value) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for key_node, node in value.node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            value.report.add(line, value.path, "a key must be a word")
            continue
        key = key_node.value
        item = dataclasses.replace(value, node=node, line=line, path=_join(value.path, key))
        if key in values:
            item.problem(f"the key stands twice, first on line {values[key].line}")
        values.setdefault(key, item)
    return values


def list_of(
    reader: Reader[T],
    *,
    least: int = 0,
    most: int,
    identity: Callable[[T], Hashable] = lambda item: item,
) -> Reader[tuple[T, ...]]:
    """Make a reader of lists without two items of the same ``identity``; None is like no other."""

    def read(value: Value) -> tuple[T, ...]:
        if not isinstance(value.node, yaml.SequenceNode):
            raise wrong_type(value, "a list")
        if not least <= len(value.node.value) <= most:
            raise RefusedError(
                f"{len(value.node.value)} items are not allowed; allowed: {least} to {most}"
            )
        return tuple(_distinct(value, reader, identity))

    return read


def _distinct(value: Value, reader: Reader[T], identity: Callable[[T], Hashable]) -> Iterator[T]:
    lines: dict[Hashable, int] = {}
    for number, node in enumerate(value.node.value):
        line, path = node.start_mark.line + 1, f"{value.path}[{number}]"
        item = dataclasses.replace(value, node=node, line=line, path=path)
        content: Optional[T] = item.read(reader, None)
        if content is None:
            continue
        key = identity(content)
        if key is not None and key in lines:
            item.problem(f"the same as the item on line {lines[key]}")
        lines.setdefault(key, line)
        yield content


def mapping_of(reader_of: Callable[[str], Reader[T]], *, most: int) -> Reader[dict[str, T]]:
    """Make a reader of mappings whose keys are the file's own; each key has its reader."""

    def read(value: Value) -> dict[str, T]:
        if not isinstance(value.node, yaml.MappingNode):
            raise wrong_type(value, "a mapping")
        if len(value.node.value) > most:
            raise RefusedError(f"{len(value.node.value)} keys are not allowed; allowed: {most}")
        contents: dict[str, T] = {}
        for key, item in _unique_keys(value).items():
            content: Optional[T] = item.read(reader_of(key), None)
            if content is not None:
                contents[key] = content
        return contents

    return read
