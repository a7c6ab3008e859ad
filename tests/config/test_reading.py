"""Sections that are read from the fields of a dataclass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Optional

import pytest

from exporter.config.loader import parse
from exporter.config.reading import Checks, Key, Section, section
from exporter.config.values import number, text
from exporter.errors import ConfigError


@dataclass(frozen=True)
class Made:
    """A section with each kind of key."""

    needed: Annotated[int, Key(number(1, 9))]
    renamed: Annotated[str, Key(text, "other_name", absent="")]
    optional: Annotated[Optional[int], Key(number(1, 9))] = None


def _needed_is_smaller(keys: Section, made: Made) -> None:
    if made.optional and made.needed > made.optional:
        keys.problem("needed", f"more than {made.optional}")


def _read(data: bytes) -> Made:
    return parse(data, "made", section(Made, _needed_is_smaller), Checks())


def _problems(data: bytes) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        _read(data)
    return caught.value.problems


def test_fields_are_the_keys() -> None:
    """A key fills its field, by a name of its own where it has one; a default holds without it."""
    assert _read(b"{needed: 1}") == Made(1, "", None)
    assert _read(b"{needed: 1, other_name: a, optional: 2}") == Made(1, "a", 2)


def test_a_field_without_a_default_must_be_given() -> None:
    """Neither a missing key nor an empty one will do; the field's own name is no key."""
    assert _problems(b"{needed: }") == ("line 1: needed: missing",)
    assert _problems(b"{renamed: a}") == (
        "line 1: needed: missing",
        "line 1: renamed: unknown key; known keys: needed, other_name, optional",
    )


def test_a_rule_binds_keys() -> None:
    """What is wrong with several keys stands on the line of the one that the rule names."""
    assert _problems(b"optional: 1\nneeded: 2\n") == ("line 2: needed: more than 1",)
