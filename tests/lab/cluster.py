"""A made openGauss cluster: `with Lab(nodes=2) as lab: …`.

The lab holds a lock on its directory for as long as it lives. Stand-ins whose lab is gone end by
themselves within a second, and the next lab to start sweeps what a killed one has left.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import final

from tests.lab import interpreter, tree
from tests.lab.occupiers import Occupier, Occupiers
from tests.lab.places import Loopback, Namespaces, Place, as_user
from tests.lab.standins import procs
from tests.lab.standins.launch import program_command
from tests.lab.standins.plan import LabPlan, NodePlan
from tests.lab.standins.run import LOCK, lab_is_gone

PREFIX = "ogcm-lab-"
USER_OF_ROOT = "daemon"  # an account that every Linux has and nothing runs as


@dataclass(frozen=True)
class Variant:
    """What an installation may have otherwise than OM leaves it."""

    server: str = "gaussdb"  # the server's file
    linked: bool = False  # `gaussdb` is a link to it, else there is none
    localport: int = 1  # of replconninfo, counted from P


class LabTimeoutError(Exception):
    """Something that was waited for did not come about."""


_AS_LEFT = Variant()


@final
class Lab:
    """A cluster of stand-ins.

    `style` is `dcc`, `shared_disk` or `without_cm`. `where` is `loopback`, `namespaces` (needs
    root), or `auto`: namespaces for root, else the loopback. Run by root, the cluster belongs to
    `user`.
    """

    def __init__(
        self,
        nodes: int = 2,
        style: str = "dcc",
        where: str = "loopback",
        user: str = USER_OF_ROOT,
        directory: Path | None = None,
        *,
        variant: Variant = _AS_LEFT,
    ) -> None:
        root = os.geteuid() == 0
        self.place: Place = _place(where, root=root)
        self.account = pwd.getpwnam(user) if root else _own_account()
        self._count = nodes
        self._style = style
        self._variant = variant
        self._directory = directory
        self._lock: int | None = None
        self._started: list[subprocess.Popen[bytes]] = []
        self._occupiers = Occupiers(Path())
        self.plan = LabPlan("", style, ())

    def __enter__(self) -> Lab:
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def root(self) -> Path:
        """The directory that holds everything of this lab; raises RuntimeError before there is one.

        Without that, what tidies up would take the current directory for it.
        """
        if not self.plan.root:
            raise RuntimeError("the lab has no directory: it was not prepared")
        return Path(self.plan.root)

    def prepare(self) -> None:
        """Write the trees; nothing runs yet."""
        sweep(self._directory)
        root = Path(tempfile.mkdtemp(prefix=PREFIX, dir=self._directory)).resolve()
        root.chmod(0o755)
        # Before the lock: who is interrupted from here on tidies up what is locked, at this root.
        self.plan = LabPlan(str(root), self._style, ())
        self._lock = _take_lock(root)
        self.place.make(self._count)
        nodes = tuple(self._node_plan(root, number) for number in range(1, self._count + 1))
        self.plan = LabPlan(str(root), self._style, nodes, localport=self._variant.localport)
        self.plan.write()
        self.plan.shared_disk.touch()
        self._occupiers = Occupiers(root / "strangers")
        tree.write_code(root)
        python = interpreter.find(self.account.pw_uid)
        for node in nodes:
            tree.write_tree(self.plan, node, python, self.account.pw_name)
            if self._variant.linked:
                (node.bin / "gaussdb").symlink_to(node.server)
        if os.geteuid() == 0:
            tree.give_to(root, self.account.pw_uid)

    def start(self) -> None:
        """Start every node."""
        for node in self.plan.nodes:
            self.start_node(node.node_id)

    def start_node(self, node_id: int) -> int:
        """Start om_monitor, as the cluster's cron line does, or without CM the database."""
        return (self.start_monitor if self.plan.has_cm else self.start_database)(node_id)

    def start_monitor(self, node_id: int) -> int:
        """Start one node's om_monitor; return its pid."""
        return self._start(
            node_id, "om_monitor", ["-L", str(self.node(node_id).log_dir("om_monitor"))]
        )

    def start_database(self, node_id: int) -> int:
        """Start one node's gaussdb, as gs_om does through gs_ctl; return its pid."""
        role = "primary" if node_id == 1 else "standby"
        return self._start(node_id, "gaussdb", ["-D", str(self.node(node_id).data), "-M", role])

    def _start(self, node_id: int, program: str, arguments: Sequence[str]) -> int:
        """Start a program that lives on by itself; return its pid."""
        node = self.node(node_id)
        words = program_command(node, program, arguments)
        process = subprocess.Popen(
            self.words(node_id, words),
            cwd=node.home,
            env=self.environment(node_id),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._started.append(process)
        return process.pid

    def stop(self) -> None:
        """End every process of this lab, by pid, and remove all that it made."""
        if self._lock is None:
            return
        self._occupiers.release_all()
        while pids := procs.below(self.root):
            procs.stop(pids)
            procs.await_end(pids, 5)
        for process in self._started:
            process.wait()
        self.place.remove()
        shutil.rmtree(self.root, ignore_errors=True)
        os.close(self._lock)
        self._lock = None

    def reap(self) -> None:
        """Collect what was started here and has ended, so that none stays a zombie."""
        for process in self._started:
            process.poll()

    def node(self, node_id: int) -> NodePlan:
        """Return the plan of one node."""
        return self.plan.node(node_id)

    def environment(self, node_id: int) -> dict[str, str]:
        """Return the environment of the cluster's user on one node."""
        return tree.environment(self.plan, self.node(node_id), self.account.pw_name)

    def words(self, node_id: int, command: Sequence[str]) -> list[str]:
        """Return a command as the cluster's user would run it on that node."""
        return [*self.place.prefix(node_id), *as_user(self.account.pw_uid), *command]

    def cm_ctl(
        self,
        node_id: int,
        *arguments: str,
        timeout: float = 60,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run cm_ctl on a node as the cluster's user; its exit code is the caller's to look at.

        `user` (root only) is another one to run it as.
        """
        node = self.node(node_id)
        uid = self.account.pw_uid if user is None else pwd.getpwnam(user).pw_uid
        words = [*self.place.prefix(node_id), *as_user(uid), str(node.bin / "cm_ctl"), *arguments]
        return subprocess.run(
            words,
            cwd="/",
            env=self.environment(node_id) if environment is None else environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def query(self, node_id: int) -> str:
        """Return what `cm_ctl query -Cvipdw` prints; it leaves no trace in the node's logs."""
        return self.private_query(node_id).stdout

    def private_query(self, node_id: int) -> subprocess.CompletedProcess[str]:
        """Run that query with a log directory of its own."""
        private = {**self.environment(node_id), "GAUSSLOG": str(self.node(node_id).faults)}
        return self.cm_ctl(node_id, "query", "-Cvipdw", environment=private)

    def await_query(self, node_id: int, text: str, seconds: float = 30) -> str:
        """Wait until that query prints a text; return all that it printed."""
        last = ""

        def printed() -> bool:
            nonlocal last
            last = self.query(node_id)
            return text in last

        await_(printed, seconds, lambda: f"no {text!r} in:\n{last}")
        return last

    def pids(self, node_id: int, program: str) -> list[int]:
        """Return the pids of a node's program; `fenced` is gaussdb's helper."""
        node = self.node(node_id)
        if program == "fenced":
            return procs.fenced(node)
        return procs.datanodes(node) if program == "gaussdb" else procs.find(node, program)

    def occupy(
        self,
        node_id: int,
        port: int,
        how: str = "listener",
        *,
        name: str | None = None,
        user: str | None = None,
        answer: str | None = None,
    ) -> Occupier:
        """Let a stranger take a port of a node; `how` is a word of `occupiers.HOWS`.

        `user` (root only) is whose process it is, `cluster` the cluster's own. A listener with an
        `answer` talks: `close`, or what it greets with; without one it says nothing.
        """
        user = self.account.pw_name if user == "cluster" else user
        where = (node_id, self.node(node_id).address, self.place.prefix(node_id))
        return self._occupiers.take(where, port, how, name=name, user=user, answer=answer)

    @property
    def occupiers(self) -> list[Occupier]:
        """The strangers that hold ports now, in the order in which they came."""
        return list(self._occupiers.held)

    def release(self, occupier: Occupier) -> None:
        """Let the stranger go."""
        self._occupiers.held.remove(occupier)
        occupier.release()

    def set_conf(self, node_id: int, program: str, **values: str) -> None:
        """Set values in cm_agent.conf or cm_server.conf; they hold for its next start."""
        path = self.node(node_id).cm_dir / program / f"{program}.conf"
        text = path.read_text(encoding="utf-8")
        for name, value in values.items():
            text = re.sub(rf"(?m)^{name}\b.*$", f"{name} = {value}", text)
        path.write_text(text, encoding="utf-8")

    def set_postgresql(self, node_id: int, name: str, value: object) -> None:
        """Append a line to postgresql.conf, as gs_guc does; it holds for the next start."""
        path = self.node(node_id).data / "postgresql.conf"
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{name} = {value}\n")

    def fault(self, node_id: int, name: str, text: str | None = "") -> None:
        """Switch a fault on, or off with None; what it does is the stand-ins' affair."""
        path = self.node(node_id).faults / name
        if text is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(text, encoding="utf-8")

    def log_text(self, node_id: int, program: str) -> str:
        """Return everything in a node's current log of a CM program."""
        directory = self.node(node_id).log_dir(program)
        files = sorted(directory.glob(f"{program}-*.log"))
        return "".join(path.read_text(encoding="utf-8") for path in files)

    def _node_plan(self, root: Path, number: int) -> NodePlan:
        ports = self.place.ports(number)
        name = f"node{number}"
        address, server = self.place.address(number), self._variant.server
        return NodePlan(number, name, address, *ports, str(root / name), server)


def await_(condition: Callable[[], bool], seconds: float, what: Callable[[], str]) -> None:
    """Wait until a condition holds; raise LabTimeoutError with what was missing."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise LabTimeoutError(what())
        time.sleep(0.1)


def sweep(directory: Path | None = None) -> list[Path]:
    """Remove what labs of this user left that were killed; return what was removed."""
    base = directory or Path(tempfile.gettempdir())
    swept = []
    for root in base.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # another user's, or another sweeper was faster
            if root.stat().st_uid in {os.geteuid(), _uid_of_root_lab()} and _abandoned(root):
                procs.stop(procs.below(root))
                shutil.rmtree(root)
                swept.append(root)
    return swept


def _abandoned(root: Path) -> bool:
    return (root / LOCK).exists() and lab_is_gone(root)


def _uid_of_root_lab() -> int:
    return pwd.getpwnam(USER_OF_ROOT).pw_uid if os.geteuid() == 0 else os.geteuid()


def _take_lock(root: Path) -> int:
    """Lock before the name is there: a sweeper must never see it unlocked."""
    draft = root / f"{LOCK}.new"
    lock = os.open(draft, os.O_RDWR | os.O_CREAT, 0o644)
    fcntl.flock(lock, fcntl.LOCK_EX)
    draft.rename(root / LOCK)
    return lock


def _place(where: str, *, root: bool) -> Place:
    if where == "auto":
        where = "namespaces" if root else "loopback"
    return Namespaces() if where == "namespaces" else Loopback()


def _own_account() -> pwd.struct_passwd:
    return pwd.getpwuid(os.geteuid())
