"""The rooms and the arrows between them, held by the code's own imports."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "exporter"

# A room may import the rooms behind it. A module that is not named has the rules of its folder.
ALLOWED: dict[str, set[str]] = {
    "model": {"model"},
    "errors": set(),
    "metrics": {"model", "metrics"},
    "parsers": {"model", "errors", "parsers"},
    "endpoints": {"model"},
    "members": {"model"},
    "ownership": {"model"},
    "diagnosis": {"model", "diagnosis"},
    "sources": {"model", "errors", "parsers", "sources"},
    "poller": {"model", "errors"},
    "discovery": {"model"},
    "reports": {"model", "members", "reports"},
    "inspection": {"inspection", "model", "errors", "ownership"},
    "collectors": {
        "model",
        "errors",
        "metrics",
        "ownership",
        "inspection",
        "members",
        "poller",
        "collectors",
    },
    "worker": set(),
    "turns": set(),
    "guard": {"errors", "turns"},
    "registry": {"errors", "guard", "metrics", "turns"},
    "reloading": {"model", "errors", "registry"},
    "daemon": {"registry", "reloading", "web", "worker"},
    "config": {"model", "errors", "config"},
    "web": {"model", "errors", "metrics", "registry", "web", "worker"},
    "logsetup": {"errors"},
    "options": set(),
    "output": {"errors"},
    "flags": {"errors", "options"},
    "settings": {"config", "errors", "model", "options", "parsers", "sources", "web"},
}
COMPOSITION_ROOT = {
    "app",
    "wiring_ports",
    "wiring_query",
    "wiring_logs",
    "wiring_installation",
    "wiring_diagnosis",
    "wiring_web",
    "cli",
    "__main__",
    "__init__",
}
# Where the host is touched: files, processes, sockets, commands, the environment, the clock.
HOST_MODULES = {"subprocess", "socket", "psutil", "os", "shutil", "fcntl", "pathlib", "io"}
PURE = {
    "model",
    "errors",
    "metrics",
    "parsers",
    "endpoints",
    "members",
    "ownership",
    "diagnosis",
    "reports",
}


def _modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_the_rooms_behind_it(path: Path) -> None:
    """Every import inside the package follows an arrow of the architecture."""
    room = _room(path)
    if room in COMPOSITION_ROOT:
        return
    assert room in ALLOWED, f"{room} is not a room; give it its arrows in {Path(__file__).name}"
    used = {name.split(".")[1] for name in _imports(path) if name.startswith("exporter.")}
    assert used - ALLOWED[room] - {room} <= {"__version__"}


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_pure_rooms_never_touch_the_host(path: Path) -> None:
    """Parsers, verdicts and the catalogue import nothing that can read or change the host."""
    if _room(path) in PURE:
        assert not {name.split(".")[0] for name in _imports(path)} & (HOST_MODULES | {"time"})


def test_commands_are_run_in_one_place() -> None:
    """Only sources/command starts programs."""
    users = {_room(p) + "/" + p.stem for p in _modules() if "subprocess" in _imports(p)}
    assert users <= {"sources/command"}


def _functions(path: Path) -> list[int]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for node in ast.walk(tree)
        if isinstance(node, kinds)
    ]


def test_functions_and_files_stay_small() -> None:
    """Median function at most 10 lines, nine of ten at most 30, none over 50; files at most 300."""
    lengths = sorted(length for path in _modules() for length in _functions(path))
    files = [len(path.read_text(encoding="utf-8").splitlines()) for path in _modules()]
    assert max(lengths) <= 50
    assert lengths[int(len(lengths) * 0.9)] <= 30
    assert statistics.median(lengths) <= 10
    assert max(files) <= 300
