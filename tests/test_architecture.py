"""The rooms and the arrows between them, held by the code's own imports."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "exporter"

# What a room may import, each room with everything in it. Beside the rooms stand eight modules.
SUBJECTS = {"ports", "cluster", "logs", "installation"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "options": {"errors"},
    "logsetup": {"errors", "host"},
    "host": {"errors"},
    "scrape": {"errors", "host"},
    **{subject: {"errors", "host", "scrape", "config"} for subject in SUBJECTS},
    "config": {"errors", "host"},
    "diagnosis": {"errors"},
    "web": {"errors", "host", "scrape", "config"},
}
# Frozen facts and closed words of a subject, which every room may know.
SHARED = {"ports.facts", "cluster.facts", "config.words", "logs.facts", "installation.facts"}
COMPOSITION_ROOT = {"build", "parts", "commands", "cli", "__main__", "__init__"}
MOST_MODULES_BESIDE_THE_ROOMS = 8

# What is needed to read or change the host, to ask a clock, or to speak to the network.
HOST_MODULES = {
    *("asyncio", "ctypes", "fcntl", "io", "os", "pathlib", "psutil", "pwd", "resource"),
    *("select", "shutil", "signal", "socket", "ssl", "subprocess", "tempfile", "threading", "time"),
    *("http.client", "urllib.request", "concurrent.futures"),
}
# The modules that do it; every other one is pure.
_IMPURE = {
    "": "build cli logsetup options parts",
    "cluster": "cm_ctl private_log",
    "commands": "diagnose output serve targets",
    "config": "loader web",
    "diagnosis": "peers",
    "host": "background cgroup clock command files netlink netns privileges processes"
    " process_table procfs service_manager users worker",
    "logs": "listing logfile plan service",
    "ports": "proc_net sock_diag",
    "scrape": "guard registry",
    "web": "connection daemon gate reloading server site tls",
}
IMPURE = {
    f"{room}.{module}".lstrip(".")
    for room, modules in _IMPURE.items()
    for module in modules.split()
}


def _modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def _room(path: Path) -> str:
    return _name(path).split(".")[0]


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _module_of(name: str) -> str:
    """Name the module of ours behind an imported name: room.module, or the module beside rooms."""
    parts = name.split(".")[1:]
    while parts[1:] and not (PACKAGE / "/".join(parts)).with_suffix(".py").is_file():
        parts = parts[:-1]
    return ".".join(parts)


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_the_rooms_behind_it(path: Path) -> None:
    """Every import inside the package follows an arrow of the architecture."""
    room = _room(path)
    if room in COMPOSITION_ROOT:
        return
    assert room in ALLOWED, f"{room} is not a room; give it its arrows in {Path(__file__).name}"
    used = {_module_of(name) for name in _imports(path) if name.startswith("exporter.")}
    beyond = {name for name in used if name.split(".")[0] not in ALLOWED[room] | {room}}
    assert beyond - SHARED - {"__version__"} == set()


def test_few_modules_stand_beside_the_rooms() -> None:
    """A module belongs to a room; the few that do not are counted."""
    assert len(list(PACKAGE.glob("*.py"))) <= MOST_MODULES_BESIDE_THE_ROOMS
    rooms = {path.parent for path in _modules()} - {PACKAGE}
    assert all((room / "__init__.py").is_file() for room in rooms)


@pytest.mark.parametrize("path", _modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_host_is_touched_in_listed_modules(path: Path) -> None:
    """What is not listed imports nothing that can read or change the host, or ask a clock."""
    touched = {
        module
        for name in _imports(path)
        for module in HOST_MODULES
        if name == module or name.startswith(module + ".")
    }
    assert bool(touched) == (_name(path) in IMPURE), touched


@pytest.mark.parametrize(
    "path", PACKAGE.rglob("__init__.py"), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_the_face_of_a_package_has_no_logic(path: Path) -> None:
    """An __init__ has a paragraph and names, no function and no class."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    assert all(
        isinstance(node, (ast.Expr, ast.Import, ast.ImportFrom, ast.Assign)) for node in body
    )


def test_commands_are_run_in_one_place() -> None:
    """Only host/command starts programs."""
    assert {_name(p) for p in _modules() if "subprocess" in _imports(p)} <= {"host.command"}


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
