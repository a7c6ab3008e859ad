"""What was found of the installation, from where, and what could not be read."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from exporter.commands.output import write_out
from exporter.config import Config
from exporter.host.text import escaped
from exporter.installation.facts import FactState, Installation, Lookup
from exporter.installation.members import cluster_id, members
from exporter.options import Flag, Options, Values, one_of
from exporter.parts import look_for_installation
from exporter.ports.facts import Endpoint

NOT_CONFIGURED = "not told"
WILDCARD = "every address"
_HEADING = ("ENDPOINT", "INSTANCE", "PORT", "BINDS", "CHECKED", "PROCESS", "FROM")
FLAGS = (Flag("format", "text or json.", "FORMAT", one_of("text", "json"), "text"),)
_STATES = {FactState.OK: "ok", FactState.ABSENT: "absent"}


def as_json(installation: Installation, endpoints: Sequence[Endpoint]) -> str:
    """Give the report as one JSON object; ``addresses`` null: not given, empty: all."""
    document = {
        "complete": not installation.problems,
        "user": installation.user,
        "uid": installation.uid,
        "node": {"id": installation.node_id, "name": installation.node_name},
        "cluster": {
            "name": installation.cluster_name,
            "id": cluster_id(installation.static),
            "members": [member._asdict() for member in members(installation.static)],
        },
        "environment": dict(installation.variables),
        "app_dirs": list(installation.app_dirs),
        "resource_pooling": installation.resource_pooling,
        "endpoints": [_endpoint(endpoint) for endpoint in endpoints],
        "findings": [asdict(lookup) for lookup in installation.lookups],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    addresses = endpoint.addresses
    return {
        "endpoint": endpoint.endpoint,
        "instance_id": endpoint.instance_id,
        "port": endpoint.port,
        "addresses": None if addresses is None else [str(address) for address in addresses],
        "process": endpoint.process,
        "binds": endpoint.binds,
        "precheck": endpoint.precheck,
        "data_dir": endpoint.data_dir,
        "origin": endpoint.origin,
    }


def as_text(installation: Installation, endpoints: Sequence[Endpoint]) -> str:
    """Give the report in words; control characters of foreign texts are escaped."""
    sections = [
        _summary(installation),
        ["Environment", *_table(sorted(installation.variables.items()))],
        ["Endpoints of this node", *_table(_endpoint_rows(endpoints), _HEADING)],
        ["Members of the cluster", *_table(members(installation.static))],
        ["Looked for", *_table(_lookup_rows(installation.lookups))],
    ]
    filled = [lines for lines in sections if len(lines) > 1]
    return "\n\n".join("\n".join(lines) for lines in filled) + "\n"


def _summary(installation: Installation) -> list[str]:
    count = len(installation.problems)
    verdict = "everything was found" if not count else f"{count} of the facts could not be read"
    number = "not known" if installation.node_id is None else str(installation.node_id)
    rows = [
        ("user", f"{installation.user} (uid {installation.uid})"),
        ("node", f"{installation.node_name} (number {number})"),
        ("cluster", f"{installation.cluster_name} {cluster_id(installation.static)}".strip()),
    ]
    return [f"Installation: {verdict}", *_table(row for row in rows if row[1])]


def _endpoint_rows(endpoints: Iterable[Endpoint]) -> Iterator[tuple[str, ...]]:
    for endpoint in endpoints:
        yield (
            endpoint.endpoint,
            endpoint.instance_id,
            str(endpoint.port),
            _bound(endpoint),
            "by cm_agent" if endpoint.precheck else "",
            endpoint.process,
            endpoint.origin,
        )


def _bound(endpoint: Endpoint) -> str:
    if not endpoint.binds:
        return "nobody"
    if endpoint.addresses is None:
        return NOT_CONFIGURED
    return ", ".join(str(address) for address in endpoint.addresses) or WILDCARD


def _lookup_rows(lookups: Iterable[Lookup]) -> Iterator[tuple[str, ...]]:
    """List the failures first: they are what the reader came for."""
    for lookup in sorted(lookups, key=lambda lookup: not lookup.failed):
        state = _STATES.get(lookup.state, lookup.state.value.replace("_", " ").upper())
        yield (state, lookup.fact, lookup.origin, lookup.detail)


def _table(rows: Iterable[Sequence[str]], heading: Sequence[str] = ()) -> list[str]:
    """Align the columns below their heading; without rows there is no heading either."""
    cells = [[escaped(cell) for cell in row] for row in rows]
    if cells and heading:
        cells.insert(0, list(heading))
    widths = [max(map(len, column)) for column in zip(*cells)]
    return ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]


def run(options: Options, config: Config, values: Values) -> int:
    """Write what was found of the installation; 1 when something that must be there was not."""
    installation, endpoints = look_for_installation(options, config)
    write = as_json if values["format"] == "json" else as_text
    write_out(write(installation, endpoints).encode("utf-8", "replace"), sys.stdout.buffer)
    return int(bool(installation.problems))
