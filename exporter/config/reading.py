"""Reading the tree: sections, lists, required keys, unknown keys with the nearest known one.

A reader takes a value and returns what it stands for, or raises RefusedError; the section or list
that called it reports the refusal with line and path and goes on, so that one run finds every
problem. What stands in for a refused value is never seen: a report with problems ends in an
error.
"""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Callable, Optional, TypeVar

import yaml

from exporter.config.report import RefusedError, Report, shown

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


@dataclass(frozen=True)
class Value:
    """One node of the file with the line and path of its key."""

    node: yaml.Node
    line: int
    path: str
    report: Report

    @property
    def tag(self) -> str:
        """YAML's own type without its prefix; any other tag whole."""
        return str(self.node.tag).replace(_YAML, "", 1)

    @property
    def kind(self) -> str:
        """The type in words."""
        return _KINDS.get(self.tag, f"a value of type {shown(self.tag)}")

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
    """Say which type was found and what is allowed."""
    return RefusedError(f"{value.kind} is not allowed here; allowed: {allowed}")


class Section:
    """The keys of one mapping, each asked for once."""

    def __init__(self, value: Value) -> None:
        self._value = value
        self._values = _unique_keys(value)
        self._known: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def get(self, key: str, reader: Reader[T], default: T) -> T:
        """Read a key that may be missing or without a value."""
        self._known.append(key)
        value = self._values.get(key)
        return default if value is None or value.tag == "null" else value.read(reader, default)

    def need(self, key: str, reader: Reader[T], stand_in: T) -> T:
        """Read a key that must be there; its absence is reported."""
        value = self._values.get(key)
        if value is None or value.tag == "null":
            self.problem(key, "missing")
        return self.get(key, reader, stand_in)

    def problem(self, key: str, message: str) -> None:
        """Report a problem with a key, on its line or, when it is missing, on the section's."""
        owner = self._values.get(key, self._value)
        owner.report.add(owner.line, _join(self._value.path, key), message)

    def close(self) -> None:
        """Report the keys that nobody asked for."""
        for key in self._values.keys() - set(self._known):
            self._values[key].problem(self._unknown(key))

    def _unknown(self, key: str) -> str:
        nearest = difflib.get_close_matches(key, self._known, n=1)
        hint = f"did you mean {nearest[0]}? known keys" if nearest else "known keys"
        return f"unknown key; {hint}: {', '.join(self._known)}"


@contextmanager
def section(value: Value) -> Iterator[Section]:
    """Open a mapping; at the end its unknown keys are reported."""
    if not isinstance(value.node, yaml.MappingNode):
        raise wrong_type(value, "a mapping of keys")
    opened = Section(value)
    yield opened
    opened.close()


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
        found = Value(node, line, _join(value.path, key), value.report)
        if key in values:
            found.problem(f"the key stands twice, first on line {values[key].line}")
        values.setdefault(key, found)
    return values


def each(
    reader: Reader[T],
    *,
    least: int = 0,
    most: int,
    identity: Callable[[T], Hashable] = lambda item: item,
) -> Reader[tuple[T, ...]]:
    """Make a reader of lists, whose items differ in ``identity``; None: that is not known."""

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
        item = Value(node, node.start_mark.line + 1, f"{value.path}[{number}]", value.report)
        found: Optional[T] = item.read(reader, None)
        if found is None:
            continue
        key = identity(found)
        if key is not None and key in lines:
            item.problem(f"the same as the item on line {lines[key]}")
        lines.setdefault(key, item.line)
        yield found


def table(name: Callable[[str], str], reader: Reader[T], *, most: int) -> Reader[dict[str, T]]:
    """Make a reader of mappings whose keys are the file's own; ``name`` refuses bad ones."""

    def read(value: Value) -> dict[str, T]:
        if not isinstance(value.node, yaml.MappingNode):
            raise wrong_type(value, "a mapping")
        if len(value.node.value) > most:
            raise RefusedError(f"{len(value.node.value)} keys are not allowed; allowed: {most}")
        found: dict[str, T] = {}
        for key, item in _unique_keys(value).items():
            content: Optional[T] = item.read(_named(name, key, reader), None)
            if content is not None:
                found[key] = content
        return found

    return read


def _named(name: Callable[[str], str], key: str, reader: Reader[T]) -> Reader[T]:
    def read(value: Value) -> T:
        name(key)
        return reader(value)

    return read
