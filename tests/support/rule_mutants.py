"""Rule files with one thing wrong: tests of rules that do not notice are too weak.

A mutant has one comparison turned round, one ``unless``, ``and`` or ``or`` with its right side
taken out, one matcher dropped, or one ``for`` or ``keep_firing_for`` removed.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.rules import MATCHER, ROOT, RULE_FILES, Rule, file_with, rules

TURNED = {"==": "!=", "!=": "==", ">": "<=", "<": ">=", ">=": "<", "<=": ">"}

_COMPARISON = re.compile(r"==|!=|>=|<=|>|<")
_SET_OPERATOR = re.compile(r"\b(?:unless|and|or)\b(?:\s+on\s*\([^()]*\))?\s*")
_SELECTOR = re.compile(r"[a-zA-Z_][a-zA-Z0-9_:]*(\{[^{}]*\})?(\s+by\s*\([^()]*\)\s*)?")
_BRACES = re.compile(r"\{[^{}]*\}")


class Mutant(NamedTuple):
    """One changed rule: as it was, what was changed, and how it is then."""

    rule: Rule
    change: str
    body: dict[str, Any]

    @property
    def path(self) -> Path:
        """The rule's file."""
        return self.rule.file


def mutants() -> Iterator[Mutant]:
    """Make every mutant of every rule file."""
    for rule in rules():
        for change, body in _mutants_of(rule.body):
            yield Mutant(rule, f"{rule.name}: {change}", body)


def survives(mutant: Mutant, directory: Path) -> bool:
    """Tell whether no test notices the mutant; ``directory`` is an empty place to work in."""
    alerts, tests = directory / "alerts", directory / "tests" / "alerts"
    alerts.mkdir()
    tests.mkdir(parents=True)
    for path in RULE_FILES:
        (alerts / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    changed = file_with(mutant.rule, mutant.body)
    (alerts / mutant.path.name).write_text(changed, encoding="utf-8")
    return all(_passes(path, tests) for path in _tests_for(mutant.path))


def _tests_for(path: Path) -> list[Path]:
    """List the test files that load a rule file, the one opposite first."""
    folder = ROOT / "tests" / "alerts"
    opposite = folder / path.name.replace(".rules.", ".test.")
    loading = [test for test in sorted(folder.glob("*.test.yml")) if path.name in test.read_text()]
    return [opposite, *(test for test in loading if test != opposite)]


def _passes(test: Path, folder: Path) -> bool:
    copied = folder / test.name
    copied.write_text(test.read_text(encoding="utf-8"), encoding="utf-8")
    done = subprocess.run(
        ["promtool", "test", "rules", str(copied)], capture_output=True, check=False
    )
    return done.returncode == 0


def _mutants_of(rule: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for change, expr in _mutated_expressions(rule["expr"]):
        yield change, {**rule, "expr": expr}
    for key in ("for", "keep_firing_for"):
        if key in rule:
            yield f"without {key}", {word: value for word, value in rule.items() if word != key}


def _mutated_expressions(expr: str) -> Iterator[tuple[str, str]]:
    # of the same length, with nothing inside braces that looks like an operator
    blank = _BRACES.sub(lambda found: "{" + " " * (len(found[0]) - 2) + "}", expr)
    for found in _COMPARISON.finditer(blank):
        turned = TURNED[found[0]]
        yield f"{found[0]} turned", expr[: found.start()] + turned + expr[found.end() :]
    for found in _SET_OPERATOR.finditer(blank):
        end = _end_of_operand(blank, found.end())
        dropped = " ".join(expr[found.start() : end].split())
        yield f"without {dropped}", expr[: found.start()] + expr[end:]
    for found in MATCHER.finditer(expr):
        kept = f"{expr[: found.start()]}{expr[found.end() :]}"
        yield f"without {found[0]}", re.sub(r",\s*,", ",", re.sub(r"\{\s*,", "{", kept))


def _end_of_operand(text: str, start: int) -> int:
    """Find where the operand that begins at ``start`` ends."""
    selector = _SELECTOR.match(text, start)
    end = selector.end() if selector else start
    if text[end : end + 1] != "(":
        return end
    depth = 0
    for place in range(end, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if not depth:
            return place + 1
    raise ValueError(f"not balanced: {text[start:]}")
