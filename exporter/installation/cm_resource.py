"""cm_resource.json: the resources that CM starts and watches by scripts (CM cm_json_config.cpp).

What CM's cJSON reads is read: keys in any case, of equal keys the first, control characters within
strings and before the text, a byte order mark, and any text behind the value. Where CM takes
something of the wrong kind for absent, and a text that is no JSON for no resources, this is an
error: CM says so in its log alone, and a resource that is left out unseen changes what is watched.
"""

from __future__ import annotations

import json
import re
import string
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from exporter.errors import ParseError
from exporter.host.text import bounded, shown, whole_number
from exporter.installation.facts import CmResource, ResourceInstance

FIRST_APPLICATION = 20001
_MAX_NUMBER = 2**31 - 1
_BEFORE = re.compile(r"\ufeff?[\x00-\x20]*")
_EXPECTED = {dict: "an object", list: "a list", str: "a string"}
_IN_LOWER_CASE = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)

T = TypeVar("T", dict[str, Any], list[Any], str)


def parse_cm_resource(text: str, source: str = "cm_resource.json") -> tuple[CmResource, ...]:
    """Read all resources; an empty file is no resource at all.

    CM numbers the instances of applications itself, from 20001 in the order of the file
    (CM cm_misc_res.cpp InitOneAppResInstStat). Raises ParseError for anything but the shape
    that CM reads; resources of kinds that CM does not know are kept.
    """
    if not bounded(text, source).strip():
        return ()
    counter = iter(range(FIRST_APPLICATION, _MAX_NUMBER))
    document = _typed(_load(text, source), dict, source, "an object")
    entries = _typed(document.get("resources", []), list, source, "resources")
    return tuple(
        _resource(
            _typed(entry, dict, source, f"resources[{index}]"), f"{source}: [{index}]", counter
        )
        for index, entry in enumerate(entries)
    )


def _load(text: str, source: str) -> object:
    before = _BEFORE.match(text)
    decoder = json.JSONDecoder(object_pairs_hook=_first_of_equal, strict=False)
    try:
        return decoder.raw_decode(text, before.end() if before else 0)[0]
    except json.JSONDecodeError as error:
        raise ParseError(f"{source}: line {error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError) as error:  # a number or a nesting that no real file has
        raise ParseError(f"{source}: expected a resource list, found {error}") from error


def _first_of_equal(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    """Make an object of its keys as cJSON finds them, whose letters are those of ASCII."""
    entries: dict[str, object] = {}
    for key, value in pairs:
        entries.setdefault(key.translate(_IN_LOWER_CASE), value)
    return entries


def _resource(entry: dict[str, Any], source: str, counter: Iterator[int]) -> CmResource:
    # The documentation spells the key both ways; CM reads the first.
    spelled = entry.get("resources_type", entry.get("resource_type", ""))
    kind = _typed(spelled, str, source, "resources_type").upper()
    instances = _typed(entry.get("instances", []), list, source, "instances")
    return CmResource(
        _typed(entry.get("name", ""), str, source, "name"),
        kind,
        _typed(entry.get("script", ""), str, source, "script"),
        tuple(
            _instance(_typed(item, dict, source, "instance"), source, kind, counter)
            for item in instances
        ),
    )


def _instance(
    entry: dict[str, Any], source: str, kind: str, counter: Iterator[int]
) -> ResourceInstance:
    own = _number(entry.get("res_instance_id", 0), source, "res_instance_id")
    return ResourceInstance(
        next(counter) if kind == "APP" else own,
        _number(entry.get("node_id", 0), source, "node_id"),
        _typed(entry.get("res_args", ""), str, source, "res_args"),
    )


def _typed(value: object, kind: type[T], source: str, what: str) -> T:
    if not isinstance(value, kind):
        found = type(value).__name__
        raise ParseError(f"{source}: {what}: expected {_EXPECTED[kind]}, found {found}")
    return value


def _number(value: object, source: str, what: str) -> int:
    """Read a number; CM's own tool writes some of them as strings."""
    number = None if isinstance(value, (bool, float)) else whole_number(str(value), _MAX_NUMBER)
    if number is None:
        raise ParseError(f"{source}: {what}: expected a number, found {shown(str(value))}")
    return number
