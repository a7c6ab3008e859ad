"""Who takes a port away: processes of every kind that the product must tell apart.

`HOWS` names them. Each has a random name unless it is given one, and its executable is a copy of
the interpreter below the lab's root, so that nothing about it looks like a part of openGauss.
"""

from __future__ import annotations

import os
import pwd
import random
import string
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from tests.lab import stranger
from tests.lab.standins import procs
from tests.support.holders import Holder, copy_interpreter

_WILDCARD = "0.0.0.0"  # noqa: S104  # whoever binds it is the point of these tests
# how -> (kind, address, flags) of tests.support.holders; `own` is the node's address
HOWS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "listener": ("listen", _WILDCARD, ""),
        "own_address": ("listen", "own", ""),
        "loopback_only": ("listen", "127.0.0.1", ""),
        "dual_stack": ("dual", "::", ""),
        "v6_only": ("listen", "::", ",v6only"),
        "bound": ("bound", "own", ",noreuse,patient"),
        "connection": ("connection", "own", ",noreuse,patient"),
        "client": ("connection", "own", ",noreuse,patient"),  # its end leaves a TIME_WAIT
        "inherited": ("listen", _WILDCARD, ""),  # by a child, the parent is gone
        "second_cluster": ("listen", _WILDCARD, ""),  # a gaussdb of another installation
        "container": ("listen", _WILDCARD, ""),  # process 1 of a pid namespace of its own
    }
)


class Stoppable(Protocol):
    """What stands behind an occupier."""

    @property
    def pid(self) -> int:
        """The process that holds the port."""

    def stop(self) -> None:
        """End it and wait until it has ended."""


@dataclass(frozen=True)
class Occupier:
    """A process that holds a port of a node."""

    node_id: int
    port: int
    how: str
    name: str
    exe: Path
    user: str
    process: Stoppable

    @property
    def pid(self) -> int:
        """Its pid, as the host counts."""
        return self.process.pid

    def release(self) -> None:
        """End it; the port is free afterwards."""
        self.process.stop()


@dataclass
class Occupiers:
    """All occupiers of one lab; `directory` takes their executables."""

    directory: Path
    held: list[Occupier] = field(default_factory=list)

    def take(
        self,
        where: tuple[int, str, Sequence[str]],
        port: int,
        how: str,
        *,
        name: str | None = None,
        user: str | None = None,
        answer: str | None = None,
    ) -> Occupier:
        """Start one; `where` is the node's id, its address, and the words that lead there."""
        node_id, address, prefix = where
        name, exe = self._program(how, name)
        kind, wanted, flags = HOWS[how]
        place = address if wanted == "own" else wanted
        process: Stoppable
        if answer is None:
            spec = f"{kind},{place},{port}{flags}"
            process = _holder(how, spec, options=_as(user), prefix=prefix, exe=exe)
        else:
            process = _Stranger(exe, prefix, place, port, answer)
        occupier = Occupier(node_id, port, how, name, exe, user or _own_name(), process)
        self.held.append(occupier)
        return occupier

    def _program(self, how: str, name: str | None) -> tuple[str, Path]:
        if how == "second_cluster":
            other = self.directory / "opt/other/install/app/bin"
            return "gaussdb", copy_interpreter(other, "gaussdb")
        name = name or random_name()
        return name, copy_interpreter(self.directory, name)

    def release_all(self) -> None:
        """End them all."""
        while self.held:
            self.held.pop().release()


def _holder(
    how: str, spec: str, *, options: Sequence[str], prefix: Sequence[str], exe: Path
) -> Stoppable:
    if how == "container":
        words = [*prefix, *_UNSHARE]
        return _Container(Holder(spec, options=options, prefix=words, exe=exe))
    arguments = ["-D", str(exe.parents[2] / "data/dn")] if how == "second_cluster" else []
    holder = Holder(spec, options=options, arguments=arguments, prefix=prefix, exe=exe)
    if how == "client":
        return _Client(holder)
    return _Child(holder) if how == "inherited" else holder


_UNSHARE = ("unshare", *(("-U", "-r") if os.geteuid() else ()), "--pid", "--fork")


class _Container:
    """A holder that is process 1 of its pid namespace, and says so of itself."""

    def __init__(self, holder: Holder) -> None:
        outside = holder.process.pid  # unshare's, which waits for its one child
        children = Path(f"/proc/{outside}/task/{outside}/children").read_text(encoding="ascii")
        self.pid = int(children)
        self.stop = holder.stop


class _Client:
    """A client that closes before its server does, and so keeps the TIME_WAIT on its port."""

    def __init__(self, holder: Holder) -> None:
        self.pid = holder.pid
        self._holder = holder

    def stop(self) -> None:
        self._holder.command("leave")
        self._holder.stop()


class _Child:
    """What is left of a holder that forked and died: its child, with the sockets."""

    def __init__(self, parent: Holder) -> None:
        self.pid = int(parent.command("fork")["pid"])
        parent.command("die")
        parent.process.wait(10)
        self._parent = parent

    def stop(self) -> None:
        procs.stop([self.pid])
        procs.await_end([self.pid], 5)
        self._parent.stop()


class _Stranger:
    """A foreign server that answers."""

    def __init__(
        self, exe: Path, prefix: Sequence[str], address: str, port: int, answer: str
    ) -> None:
        words = [str(exe), "-S", "-s", stranger.__file__, address, str(port), answer]
        environment = {**os.environ, "PYTHONHOME": sys.base_prefix}
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            [*prefix, *words], stdin=pipe, stdout=pipe, env=environment
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            self.stop()
            raise RuntimeError(f"cannot listen on {address}:{port}")

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        self._process.communicate(timeout=10)


def random_name() -> str:
    """Return a name that no rule can know."""
    letters = "".join(random.choices(string.ascii_lowercase, k=5))  # noqa: S311  # no secret
    return f"{letters}{random.randrange(10, 100)}d"  # noqa: S311


def _as(user: str | None) -> list[str]:
    return [] if user is None else ["--uid", str(pwd.getpwnam(user).pw_uid)]


def _own_name() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name
