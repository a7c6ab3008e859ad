"""Some damaged inputs for everything that takes bytes; ``make fuzz`` sends many more."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from exporter.errors import ParseError
from tests.fuzz import targets
from tests.fuzz.mutation import Mutator
from tests.fuzz.running import failure, fuzz
from tests.fuzz.server import fuzz_server
from tests.fuzz.targets import TARGETS, Target

FEW = 40
SEED = 20
PATIENCE_SECONDS = 120.0
# Called by other parsers with what those have cut out already, or with what we wrote ourselves.
INNER = {
    *("config.values", "host.text", "installation.binary", "installation.installed_files"),
    *("logs.archives", "logs.logfile", "logs.service", "logs.table"),
}


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_only_declared_errors_and_no_hang(target: Target) -> None:
    """Damaged input gives facts or a declared error, within a bounded time."""
    assert target.seeds()
    result = fuzz(target, SEED, seconds=PATIENCE_SECONDS, most=FEW)
    assert result.found == {}
    assert result.inputs == FEW


@pytest.mark.parametrize("tls", [False, True], ids=["HTTP", "HTTPS"])
def test_the_server_lives_under_rubbish(*, tls: bool) -> None:
    """Every answer is HTTP, or an alert of TLS, and good clients are served in between."""
    result = fuzz_server(SEED, tls=tls, seconds=PATIENCE_SECONDS, most=60)
    assert result.found == {}


def test_a_crash_and_a_hang_are_found() -> None:
    """The harness tells both from a declared error."""

    def refuse(_: bytes) -> None:
        raise ParseError("no")

    def hang(_: bytes) -> None:
        while True:
            pass

    def broken(data: bytes) -> object:
        return data[10**6]

    def seeds() -> list[bytes]:
        return [b"x"]

    assert failure(Target("t", seeds, refuse), b"") == ""
    assert failure(Target("t", seeds, hang), b"", 0.1).startswith("HangError: ")
    assert failure(Target("t", seeds, broken), b"").startswith("IndexError: ")


def test_the_same_seed_makes_the_same_inputs() -> None:
    """What was found can be found again."""
    one, other = (Mutator([b"port = 1\n"], SEED) for _ in range(2))
    made = [one.make() for _ in range(50)]
    assert made == [other.make() for _ in range(50)]
    assert len(set(made)) > 40


def test_every_parser_is_a_target() -> None:
    """A new parser of outside bytes cannot be forgotten."""
    imported = {
        name.removeprefix("exporter.")
        for node in ast.walk(ast.parse(Path(targets.__file__).read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module
        for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
    }
    assert _parsers() - INNER - imported == set()


def _parsers() -> set[str]:
    """List the modules that declare that they may not understand what they are given."""
    declares = re.compile(r"^def parse_|raise ParseError", re.MULTILINE)
    return {
        ".".join(path.relative_to(targets.ROOT / "exporter").with_suffix("").parts)
        for path in (targets.ROOT / "exporter").rglob("*.py")
        if declares.search(path.read_text(encoding="utf-8"))
    }
