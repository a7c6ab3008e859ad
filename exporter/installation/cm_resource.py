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
from typing import Any

from exporter.errors import ParseError
from exporter.host.text import bounded, shown, whole_number
from exporter.installation.facts import CmResource, ResourceInstance

FIRST_APPLICATION = 20001
_MAX_NUMBER = 2**31 - 1
_BEFORE = re.compile(r"\ufeff?[\x00-\x20]*")
_IN_LOWER_CASE = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def parse_cm_resource(text: str, source: str = "cm_resource.json") -> tuple[CmResource, ...]:
    """Read all resources; an empty file is no resource at all.

    CM numbers the instances of applications itself, from 20001 in the order of the file
    (CM cm_misc_res.cpp InitOneAppResInstStat). Raises ParseError for anything but the shape
    that CM reads; resources of kinds that CM does not know are kept.
    """
    if not bounded(text, source).strip():
        return ()
    counter = iter(range(FIRST_APPLICATION, _MAX_NUMBER))
    document = _object(_load(text, source), source, "an object")
    entries = _list(document.get("resources", []), source, "resources")
    return tuple(
        _resource(_object(entry, source, f"resources[{index}]"), f"{source}: [{index}]", counter)
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
    found: dict[str, object] = {}
    for key, value in pairs:
        found.setdefault(key.translate(_IN_LOWER_CASE), value)
    return found


def _resource(entry: dict[str, Any], source: str, counter: Iterator[int]) -> CmResource:
    # The documentation spells the key both ways; CM reads the first.
    kind = _text(
        entry.get("resources_type", entry.get("resource_type", "")), source, "resources_type"
    ).upper()
    instances = _list(entry.get("instances", []), source, "instances")
    return CmResource(
        _text(entry.get("name", ""), source, "name"),
        kind,
        _text(entry.get("script", ""), source, "script"),
        tuple(
            _instance(_object(item, source, "instance"), source, kind, counter)
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
        _text(entry.get("res_args", ""), source, "res_args"),
    )


def _object(value: object, source: str, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ParseError(f"{source}: {what}: expected an object, found {_kind(value)}")
    return value


def _list(value: object, source: str, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise ParseError(f"{source}: {what}: expected a list, found {_kind(value)}")
    return value


def _text(value: object, source: str, what: str) -> str:
    if not isinstance(value, str):
        raise ParseError(f"{source}: {what}: expected a string, found {_kind(value)}")
    return value


def _number(value: object, source: str, what: str) -> int:
    """Read a number; CM's own tool writes some of them as strings."""
    number = None if isinstance(value, (bool, float)) else whole_number(str(value), _MAX_NUMBER)
    if number is None:
        raise ParseError(f"{source}: {what}: expected a number, found {shown(str(value))}")
    return number


def _kind(value: object) -> str:
    return type(value).__name__
