"""Control groups of the real tree that look like systemd services, for processes of a test."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.holders import Holder

_TOPS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
_JOIN = 'echo $$ > "$0/cgroup.procs" && exec "$@"'


def service_name(word: str) -> str:
    """Name a service that no other test run has."""
    return f"exportertest-{os.getpid()}-{word}.service"


@contextmanager
def service(name: str, *below: str) -> Iterator[Path]:
    """Make ``system.slice/NAME`` and groups below it; yields the innermost, gone at the end.

    Needs root and a writable cgroup v2 tree.
    """
    top = next(top for top in _TOPS if (top / "cgroup.procs").exists())
    made = [top / "system.slice"]
    for each in (name, *below):
        made.append(made[-1] / each)
    for path in made:
        path.mkdir(exist_ok=True)
    try:
        yield made[-1]
    finally:
        for path in reversed(made):
            with suppress(OSError):  # what others use stays
                path.rmdir()


def holder_in(group: Path, spec: str, name: str = "") -> Holder:
    """Start a holder in a group, under a process name of its own."""
    options: Sequence[str] = ("--name-hex", name.encode().hex()) if name else ()
    return Holder(spec, options=options, prefix=["sh", "-c", _JOIN, str(group)])
