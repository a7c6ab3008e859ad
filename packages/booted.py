"""A Debian that has been started: systemd as process 1, in namespaces of its own. Needs root.

What it could do to this host is taken from it: it has no network but a loopback, a cgroup of its
own, a read-only ``/proc/sys`` and no capability that loads modules or sets the clock. Its cgroup
has no controllers where the host gives those to cgroup v1: a unit's limits are then not in force.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Optional, final

from packages.debian import PLAIN_ENVIRONMENT, Root

_STARTS_WITHIN = 300.0
_CONTAINER = "opengauss-cm-exporter-test"
# in: $1 the root, $2 a cgroup. systemd takes the one cgroup hierarchy that it finds mounted
_BOOT = """
set -e
echo 0 > "$2/cgroup.procs"
exec unshare --mount --pid --fork --uts --ipc --net --cgroup sh -e -c '
  mount --bind "$1" "$1"
  cd "$1"
  mount -t proc proc proc
  mount -o bind,ro proc/sys proc/sys
  mount -t sysfs -o ro sysfs sys
  mount -t cgroup2 cgroup2 sys/fs/cgroup
  mount -t tmpfs -o mode=755 tmpfs run
  mount -t tmpfs -o mode=755 tmpfs dev
  mkdir dev/pts dev/shm
  for device in null zero full random urandom tty; do
    touch dev/$device
    mount --bind /dev/$device dev/$device
  done
  ln -s pts/ptmx dev/ptmx
  ln -s /proc/self/fd dev/fd
  ip link set lo up
  hostname debian
  pivot_root . mnt
  umount -l mnt
  exec setpriv --bounding-set=-sys_module,-sys_time,-sys_rawio,-syslog \
    env --ignore-environment container=test PATH=/usr/sbin:/usr/bin NOTIFY_SOCKET=/booted \
    /lib/systemd/systemd --system --show-status=no --log-target=null
' sh "$1"
"""


@final
class Booted:
    """A started Debian, stopped on leaving; files that it made stay in the root's directory."""

    def __init__(self, root: Root) -> None:
        self.root = root
        self._group = _cgroup2() / f"{_CONTAINER}-{os.getpid()}"

    def __enter__(self) -> Booted:
        """Start systemd and wait until it says that all is started."""
        told = self.root.directory / "booted"
        self._group.mkdir()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(str(told))
            listener.settimeout(_STARTS_WITHIN)
            command = ["sh", "-c", _BOOT, "sh", str(self.root.directory), str(self._group)]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
            try:
                while b"READY=1" not in listener.recv(4096):
                    pass
            except BaseException:
                self._end()
                raise
        told.unlink()
        return self

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command there as root, with these variables besides PATH."""
        there = ["nsenter", f"--target={self._init}", "--all", "--root", "--wd"]
        return subprocess.run(
            [*there, *words],
            check=False,
            capture_output=True,
            text=True,
            env={**PLAIN_ENVIRONMENT, **environment},
            timeout=600,
        )

    @property
    def _init(self) -> int:
        """The pid of systemd, the only child of unshare."""
        pid = self._process.pid
        (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        return int(child)

    def _end(self) -> None:
        """With process 1 everything in its namespace goes; unshare ends when all of it is gone."""
        if self._process.poll() is None:
            os.kill(self._init, signal.SIGKILL)
        self._process.wait()
        for directory, _, _ in os.walk(self._group, topdown=False):
            Path(directory).rmdir()

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        """Stop it, whatever happened."""
        self._end()


def _cgroup2() -> Path:
    """Find where this host has mounted cgroup v2; raises LookupError where it has not."""
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    raise LookupError("no cgroup v2 hierarchy is mounted; systemd needs one")
