"""Real programs that tests start on free loopback ports and end by their own process."""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Optional, final

READY_WITHIN = 30.0
STOPS_WITHIN = 10.0
BETWEEN_LOOKS = 0.05
LOWEST_PORT = 10_000


class MissingProgramError(RuntimeError):
    """A program that the test needs is not installed; the message says how to install it."""


def newer_monitoring() -> Path:
    """Return the directory of a Prometheus and Alertmanager newer than a distribution's."""
    directory = Path(__file__).parents[2] / ".tools" / "newer" / "usr" / "bin"
    if not (directory / "prometheus").exists():
        raise MissingProgramError(
            f"no prometheus in {directory}; get it with: ./scripts/install-newer-monitoring"
        )
    return directory


def find_program(*names: str, package: str, directory: Optional[Path] = None) -> str:
    """Return the path of the first of these programs in a directory, on PATH or in sbin."""
    if directory is not None:
        names = tuple(str(directory / name) for name in names)
    for name in names:
        found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
        if found:
            return found
    install = f"apt-get install -y --no-install-recommends {package}"
    raise MissingProgramError(f"{' or '.join(names)} not found; install it as root with: {install}")


def free_port() -> int:
    """Return a loopback port that nobody has at this moment; another may take it before its use."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def lasting_port() -> int:
    """Return a free port that the kernel gives to no connection: for holders that come and go."""
    text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    ports = range(LOWEST_PORT, int(text.split()[0]))
    return next(port for port in random.sample(ports, len(ports)) if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def http_get(url: str, timeout: float = 5.0) -> tuple[int, bytes]:
    """Fetch a page; raises OSError when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310 -- our own URLs
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@final
class Program:
    """A daemon on a loopback port, ready when ``ready_path`` answers 200.

    ``command`` builds the arguments for a port. A port that another process took in between is
    replaced once or twice. Output goes to ``log``; it is part of every error.
    """

    def __init__(self, command: Callable[[int], Sequence[str]], ready_path: str, log: Path) -> None:
        self._log = log
        self._ready_path = ready_path
        for attempts_left in (2, 1, 0):
            self.port = free_port()
            self.process = _start(command(self.port), log)
            try:
                self._wait_until_ready()
            except RuntimeError:
                self.stop()
                taken = b"address already in use" in log.read_bytes()
                if not taken or not attempts_left:
                    raise
            else:
                return

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """End the process; SIGKILL when it does not end by itself."""
        self.process.terminate()
        try:
            self.process.wait(STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            if self._answers():
                return
            try:
                self.process.wait(BETWEEN_LOOKS)
            except subprocess.TimeoutExpired:
                continue
            break
        output = self._log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{self.process.args!r} is not ready:\n{output}")

    def _answers(self) -> bool:
        try:
            return http_get(self.url + self._ready_path)[0] == 200
        except OSError:
            return False


def _start(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
