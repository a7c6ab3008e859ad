"""Scenarios as data: what is done to a cluster, and what must then be true of it.

A file of tests/scenarios has `title`, `rows` (of the diagnosis tables), and `phases`; each phase
has `steps` and `expect`. Unknown keys are errors. `not_shown` in place of the phases gives the
reason why stand-ins cannot show a row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.lab.cluster import Variant

DIRECTORY = Path(__file__).resolve().parents[1] / "scenarios"


class ScenarioError(Exception):
    """A scenario file is not one; the message names file and key."""


@dataclass(frozen=True)
class Step:
    """One action with its arguments."""

    action: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Expectation:
    """What must be true behind a phase; each key is explained in `tests/lab/expectations.py`."""

    query: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    conflicts: Mapping[int, Mapping[str, str]] | None = None
    conflict_ports: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    blocked: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    holders: Sequence[Mapping[str, Any]] = ()
    metrics: Sequence[Mapping[str, Any]] = ()
    alerts: Sequence[Mapping[str, Any]] | None = None
    advice: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Phase:
    """Steps, and what they lead to."""

    name: str
    steps: Sequence[Step]
    expect: Expectation


@dataclass(frozen=True)
class Scenario:
    """One file."""

    name: str
    title: str
    rows: Sequence[str]
    phases: Sequence[Phase] = ()
    nodes: int = 2
    style: str = "dcc"
    started: bool = True
    where: str = "any"  # any | namespaces: needs a network that can be cut
    core: bool = False
    variant: Variant = field(default_factory=Variant)
    outside: bool = False  # the exporters run outside the nodes' network namespaces
    beside: str = ""  # stays on stage until that other scenario has ended
    quiet: float = 0.0  # seconds that nothing else must happen, where more than for the others
    recording: str | None = None
    recorded_besides: Sequence[str] = ()  # patterns of records in which a run may differ from it
    not_shown: str | None = None


def load_all() -> dict[str, Scenario]:
    """Load every scenario by its name."""
    return {path.stem: load(path) for path in sorted(DIRECTORY.glob("*.yaml"))}


def load(path: Path) -> Scenario:
    """Load one file; raise ScenarioError for anything that is not meant."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    fields = dict(_known(document, Scenario, path.name, extra={"lab"}))
    lab = dict(_known(fields.pop("lab", {}), Scenario, f"{path.name}: lab"))
    variant = _known(lab.pop("variant", {}), Variant, f"{path.name}: variant")
    phases = tuple(_phase(phase, path.name) for phase in fields.pop("phases", ()))
    if bool(phases) == bool(fields.get("not_shown")):
        raise ScenarioError(f"{path.name}: either phases or not_shown")
    return Scenario(name=path.stem, phases=phases, variant=Variant(**variant), **lab, **fields)


def _phase(document: Mapping[str, Any], name: str) -> Phase:
    fields = _known(document, Phase, f"{name}: phase")
    where = f"{name}: {fields.get('name')}"
    steps = tuple(_step(step, where) for step in fields.get("steps", ()))
    expect = Expectation(**_known(fields.get("expect", {}), Expectation, where))
    return Phase(fields["name"], steps, expect)


def _step(document: Mapping[str, Any], where: str) -> Step:
    if len(document) != 1:
        raise ScenarioError(f"{where}: a step is one action, not {list(document)}")
    ((action, arguments),) = document.items()
    return Step(action, arguments if isinstance(arguments, Mapping) else {"it": arguments})


def _known(
    document: Mapping[str, Any],
    kind: type,
    where: str,
    extra: frozenset[str] | set[str] = frozenset(),
) -> Mapping[str, Any]:
    known = set(kind.__dataclass_fields__) | extra  # type: ignore[attr-defined]  # a dataclass
    unknown = set(document) - known
    if unknown:
        raise ScenarioError(f"{where}: unknown keys {sorted(unknown)}; known are {sorted(known)}")
    return document
