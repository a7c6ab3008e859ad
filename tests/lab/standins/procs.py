"""Find and stop the processes of this node's installation, by the file that they execute."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from tests.lab.standins.plan import NodePlan

FENCED_TITLE = "gaussdb fenced UDF master process"
_FENCED = frozenset(("--fenced", FENCED_TITLE))


def find(node: NodePlan, program: str, argument: str = "", *, fresh: bool = True) -> list[int]:
    """Return the pids that run that program of this node and have that argument, if any is asked.

    Without `fresh` a look at the processes may be up to `_STALE_SECONDS` old.
    """
    executable = os.path.realpath(node.program(program))
    return [
        pid
        for pid, target in _listed(fresh=fresh)
        if target == executable and (not argument or argument in _arguments(pid))
    ]


def datanodes(node: NodePlan, *, fresh: bool = True) -> list[int]:
    """Return the pids of the datanode itself, without the helper for fenced functions."""
    return find(node, "gaussdb", str(node.data), fresh=fresh)


def fenced(node: NodePlan, *, fresh: bool = True) -> list[int]:
    """Return the pids of gaussdb's helper, before and after it has put up its title."""
    found = find(node, "gaussdb", fresh=fresh)
    return [pid for pid in found if not _FENCED.isdisjoint(_arguments(pid))]


def below(root: Path) -> list[int]:
    """Return the pids of everything that executes a file below a directory."""
    prefix = f"{os.path.realpath(root)}/"
    return [pid for pid, target in _executables() if target.startswith(prefix)]


def stop(pids: list[int], sig: int = signal.SIGKILL) -> None:
    """Signal processes; one that is gone already is no error."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sig)


def await_end(pids: list[int], seconds: float) -> list[int]:
    """Wait until none of them lives; return those that still do."""
    deadline = time.monotonic() + seconds
    while (left := [pid for pid in pids if _alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


_STALE_SECONDS = 0.4
_last: list[tuple[float, list[tuple[int, str]]]] = []


def _listed(*, fresh: bool) -> list[tuple[int, str]]:
    """Return pids and executables; four looks a second at all processes would be felt."""
    now = time.monotonic()
    if not fresh and _last and now - _last[-1][0] < _STALE_SECONDS:
        return _last[-1][1]
    seen = list(_executables())
    _last[:] = [(now, seen)]
    return seen


def _executables() -> Iterator[tuple[int, str]]:
    for name in os.listdir("/proc"):  # noqa: PTH208  # names are all that is wanted
        if name.isdigit():
            with contextlib.suppress(OSError):  # vanished, or another user's
                target = os.readlink(f"/proc/{name}/exe")  # noqa: PTH115  # Path would trip over `(deleted)`
                yield int(name), target.replace(" (deleted)", "")


def _arguments(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def state(pid: int) -> str:
    """Return a process' state letter of proc(5); X when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return "X"
    return stat.rpartition(")")[2].split()[0]


def _alive(pid: int) -> bool:
    return state(pid) not in {"Z", "X"}
