"""A busy host: many processes and many open TCP connections, all on loopback.

Each holder process opens connections to itself, so that both ends count, in the ports of its own
loopback address: thousands of sockets of one address would exhaust the ephemeral ports.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from typing import IO

HOLDERS = 8
_HOLDER = """
import resource, socket, sys
address, pairs = sys.argv[1], int(sys.argv[2])
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
if hard < 2 * pairs + 20:
    sys.exit(f"a process may open {hard} files, the benchmark needs {2 * pairs + 20}: ulimit -Hn")
server = socket.socket()
server.bind((address, 0))
server.listen(128)
kept = []
for _ in range(pairs):
    client = socket.socket()
    client.bind((address, 0))
    client.connect(server.getsockname())
    kept += [client, server.accept()[0]]
print("ready", flush=True)
sys.stdin.read()
"""


def _wait_ready(process: subprocess.Popen[str]) -> None:
    output: IO[str] = process.stdout  # type: ignore[assignment]  # it is a pipe
    if output.readline() != "ready\n":
        raise RuntimeError(f"a process of the crowd failed: exit status {process.wait()}")


def _holder(number: int, pairs: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _HOLDER, f"127.0.{10 + number}.1", str(pairs)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def crowd(sockets: int, processes: int) -> Iterator[None]:
    """Keep about so many sockets and processes open."""
    with contextlib.ExitStack() as stack:
        holders = []
        for number in range(HOLDERS):
            holder = stack.enter_context(_holder(number, sockets // 2 // HOLDERS))
            stack.callback(holder.kill)
            holders.append(holder)
        for _ in range(processes - HOLDERS):
            sleeper = stack.enter_context(subprocess.Popen(["sleep", "3600"]))
            stack.callback(sleeper.kill)
        for holder in holders:
            _wait_ready(holder)
        yield
