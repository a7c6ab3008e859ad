"""Ends what a demonstration started when it cannot do so itself, because it was killed.

As a program: `python -m tests.lab.guardian TOKEN`. Its stdin is a pipe from the demonstration: the
word `done` means that all is tidy; the end of the pipe without it means that nobody is left. Then
every process with the token in its environment is ended, and abandoned labs are swept.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path

from tests.lab.cluster import sweep
from tests.lab.standins import procs

VARIABLE = "OGCM_DEMONSTRATION"
DONE = b"done"


@contextmanager
def guarded(environ: MutableMapping[str, str]) -> Iterator[None]:
    """Mark everything that is started from here on, and let a guardian watch over it."""
    token = f"{os.getpid()}-{os.urandom(8).hex()}"
    words = [sys.executable, "-m", __name__, token]
    repository = Path(__file__).resolve().parents[2]
    guardian = subprocess.Popen(
        words, cwd=repository, stdin=subprocess.PIPE, start_new_session=True
    )
    environ[VARIABLE] = token
    try:
        yield
    finally:
        del environ[VARIABLE]
        with contextlib.suppress(BrokenPipeError):
            guardian.communicate(DONE, timeout=10)


def marked(token: str) -> list[int]:
    """Return the pids of the processes that carry a token, our own left out."""
    wanted = f"{VARIABLE}={token}".encode()
    found = []
    for proc in Path("/proc").iterdir():
        if proc.name.isdigit() and int(proc.name) != os.getpid():
            with contextlib.suppress(OSError):  # vanished, or another user's
                if wanted in (proc / "environ").read_bytes().split(b"\0"):
                    found.append(int(proc.name))
    return found


def main() -> None:
    """Wait for the end of the demonstration and tidy up if it did not."""
    if sys.stdin.buffer.read() == DONE:
        return
    pids = marked(sys.argv[1])
    procs.stop(pids)
    procs.await_end(pids, 10)
    sweep()


if __name__ == "__main__":
    main()
