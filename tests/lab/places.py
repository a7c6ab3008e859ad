"""Where the nodes of a lab are: addresses of the loopback, or network namespaces of their own.

Loopback: no privilege needed; every node has an address of 127/8 and a port set of its own, for
cm_agent's check looks at ports alone. Namespaces: root needed; the same ports everywhere, as on
real hosts; a bridge in a namespace of its own joins them, and the host's own network stays as it
is.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

_CLONE_NEWNET = 0x40000000
_BAND = 50  # the ports that a node may use from its base port on, P + 20 being the last
_CLAIM = "ogcm-lab-ports-"
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


class Place(Protocol):
    """What a lab needs to know of where its nodes are."""

    def address(self, node_id: int) -> str:
        """Return the node's address."""

    def ports(self, node_id: int) -> tuple[int, int]:
        """Return the node's CM port and database port."""

    def prefix(self, node_id: int) -> list[str]:
        """Return the words before a command that make it run on that node."""

    def inside(self, node_id: int) -> contextlib.AbstractContextManager[None]:
        """Let the calling thread's new sockets be that node's."""

    def make(self, nodes: int) -> None:
        """Make it ready for so many nodes."""

    def remove(self) -> None:
        """Leave nothing behind."""

    def cut(self, node_id: int) -> None:
        """Cut a node's network."""

    def join(self, node_id: int) -> None:
        """Join it again."""

    def forget_address(self, node_id: int) -> None:
        """Take the node's address off its interface."""

    def restore_address(self, node_id: int) -> None:
        """Put it back."""


class Loopback:
    """Addresses 127.x.y.1 to .9, and for each node two free bands of ports."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)  # noqa: S311  # no secret: a place to try
        self._net = f"127.{self._random.randrange(16, 250)}.{self._random.randrange(1, 250)}"
        self._ports: dict[int, tuple[int, int]] = {}
        self._claims: list[socket.socket] = []

    def address(self, node_id: int) -> str:
        """Return the node's address."""
        return f"{self._net}.{node_id}"

    def ports(self, node_id: int) -> tuple[int, int]:
        """Return two ports with free bands behind them; the same ones at every call."""
        if node_id not in self._ports:
            self._ports[node_id] = (self._band(), self._band())
        return self._ports[node_id]

    def prefix(self, node_id: int) -> list[str]:
        """Return nothing: every command runs there anyway."""
        del node_id
        return []

    def inside(self, node_id: int) -> contextlib.AbstractContextManager[None]:
        """Do nothing: this is the place."""
        del node_id
        return contextlib.nullcontext()

    def make(self, nodes: int) -> None:
        """Do nothing: the loopback is there."""

    def remove(self) -> None:
        """Let other labs have the ports."""
        while self._claims:
            self._claims.pop().close()

    def cut(self, node_id: int) -> None:
        """Refuse: the loopback cannot be cut."""
        raise NotImplementedError(f"node {node_id} is on the loopback, which cannot be cut")

    def join(self, node_id: int) -> None:
        """Refuse, as above."""
        self.cut(node_id)

    def forget_address(self, node_id: int) -> None:
        """Refuse: all of 127/8 is always there."""
        self.cut(node_id)

    def restore_address(self, node_id: int) -> None:
        """Refuse, as above."""
        self.cut(node_id)

    def _band(self) -> int:
        """Return the first of `_BAND` ports below the ephemeral ones that nobody uses."""
        low = int(_EPHEMERAL.read_text().split()[0])
        for _ in range(1000):
            base = self._random.randrange(10000, min(low, 32000) - _BAND, _BAND)
            if not _in_use(base) and self._claim(base):
                return base
        raise RuntimeError("no free band of ports below the ephemeral ones")

    def _claim(self, base: int) -> bool:
        """Claim a band among all labs of this host: a name in the kernel, gone with its owner."""
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0{_CLAIM}{base}")
        except OSError:
            claim.close()
            return False
        self._claims.append(claim)
        return True


def _in_use(base: int) -> bool:
    used = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(FileNotFoundError):  # no IPv6
            rows = Path(table).read_text().splitlines()[1:]
            used |= {int(row.split()[1].rpartition(":")[2], 16) for row in rows}
    return not used.isdisjoint(range(base, base + _BAND))


@dataclass
class Namespaces:
    """One network namespace a node and one for the switch, where the monitoring belongs, too."""

    name: str = field(default_factory=lambda: f"ogcm{os.getpid()}-{random.randrange(16**4):04x}")  # noqa: S311
    net: str = "10.77.0"
    made: list[str] = field(default_factory=list)

    @property
    def switch(self) -> str:
        """The namespace from which all nodes can be reached, at address .254."""
        return f"{self.name}-sw"

    def address(self, node_id: int) -> str:
        """Return the node's address; node 0 is the switch."""
        return f"{self.net}.{node_id or 254}"

    def ports(self, node_id: int) -> tuple[int, int]:
        """Return the ports of the recordings."""
        del node_id
        return 15300, 15400

    def prefix(self, node_id: int) -> list[str]:
        """Return the words that run a command in the node's namespace; node 0 is the switch."""
        return ["ip", "netns", "exec", self._namespace(node_id)]

    @contextlib.contextmanager
    def inside(self, node_id: int) -> Iterator[None]:
        """Move the calling thread into the node's namespace and back."""
        with Path("/proc/thread-self/ns/net").open("rb") as home:
            with Path("/run/netns", self._namespace(node_id)).open("rb") as there:
                _set_namespace(there.fileno())
            try:
                yield
            finally:
                _set_namespace(home.fileno())

    def make(self, nodes: int) -> None:
        """Make the namespaces and wire them."""
        self._ip("netns", "add", self.switch)
        self.made.append(self.switch)
        self._on(0, "link", "add", "br0", "type", "bridge")
        self._on(0, "addr", "add", f"{self.address(0)}/24", "dev", "br0")
        self._up(0, "br0")
        for node_id in range(1, nodes + 1):
            self._wire(node_id)

    def remove(self) -> None:
        """Remove them; what is in them goes, too."""
        for namespace in self.made:
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)
        self.made.clear()

    def cut(self, node_id: int) -> None:
        """Take the node's link down at the switch."""
        self._on(0, "link", "set", f"v{node_id}", "down")

    def join(self, node_id: int) -> None:
        """Bring it up again."""
        self._on(0, "link", "set", f"v{node_id}", "up")

    def forget_address(self, node_id: int) -> None:
        """Take the node's address off its interface."""
        self._on(node_id, "addr", "del", f"{self.address(node_id)}/24", "dev", "eth0")

    def restore_address(self, node_id: int) -> None:
        """Put it back."""
        self._on(node_id, "addr", "add", f"{self.address(node_id)}/24", "dev", "eth0")

    def _wire(self, node_id: int) -> None:
        namespace = self._namespace(node_id)
        self._ip("netns", "add", namespace)
        self.made.append(namespace)
        peer = ("peer", "name", "eth0", "netns", namespace)
        self._on(0, "link", "add", f"v{node_id}", "type", "veth", *peer)
        self._on(0, "link", "set", f"v{node_id}", "master", "br0", "up")
        self._on(node_id, "addr", "add", f"{self.address(node_id)}/24", "dev", "eth0")
        self._up(node_id, "eth0")

    def _up(self, node_id: int, device: str) -> None:
        self._on(node_id, "link", "set", device, "up")
        self._on(node_id, "link", "set", "lo", "up")

    def _namespace(self, node_id: int) -> str:
        return f"{self.name}-{node_id}" if node_id else self.switch

    def _on(self, node_id: int, *words: str) -> None:
        self._ip("-n", self._namespace(node_id), *words)

    @staticmethod
    def _ip(*words: str) -> None:
        done = subprocess.run(["ip", *words], check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")


def can_connect(address: str, port: int) -> bool:
    """Whether somebody listens there, asked from the calling thread's network."""
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False


def _set_namespace(descriptor: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def as_user(uid: int) -> Sequence[str]:
    """Return the words before a command that make it run as another user; root only."""
    if uid == os.geteuid():
        return ()
    return ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--")
