"""The only room that starts programs.

A program runs from an argument vector, never through a shell, as the leader of a session of its
own, with stdin closed, without any capability, and for a bounded time. It ends in one of the
ways that ``RunOutcome`` names; whatever it leaves behind in its process group is killed, and the
leader is always reaped after its group was killed, so that its number cannot have been reused.
A descendant that made itself a session of its own escapes the kill; it cannot make us wait.
"""

from __future__ import annotations

import enum
import os
import pwd
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Callable, Optional, cast

from exporter.errors import SourceError
from exporter.host.background import in_thread
from exporter.host.privileges import shed_thread_privileges

_AWAIT_SECONDS = 0.01
_POLL_SECONDS = 0.05  # output wakes us by itself; an exit behind open pipes does not
_POLL_CLOSED_SECONDS = 0.01  # without output left the exit is a moment away
_CHUNK_BYTES = 65536
_STDERR_LIMIT = 8192


class RunOutcome(str, enum.Enum):
    """How a run ended; only ``exited`` has an exit status of the program's own choice."""

    EXITED = "exited"
    TIMED_OUT = "timed_out"
    OUTPUT_LIMIT = "output_limit"
    STOPPED = "stopped"
    BUSY = "busy"
    NOT_FOUND = "not_found"
    PERMISSION_DENIED = "permission_denied"
    FAILED = "failed"


@dataclass(frozen=True)
class Account:
    """The OS user that a program runs as."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str

    @classmethod
    def of(cls, name: str) -> Account:
        """Look the user up in the system's databases; raises SourceError if there is none."""
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            raise SourceError(f"there is no OS user {name!r}") from None
        groups = tuple(os.getgrouplist(name, entry.pw_gid))
        return cls(name, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir)


@dataclass(frozen=True)
class Command:
    """A program and everything that it is given.

    ``env`` is the whole environment: nothing of ours is added. ``user`` is None for our own.
    ``timeout`` is in seconds, ``output_limit`` in bytes of stdout.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    user: Optional[Account] = None
    timeout: float = 8.0
    output_limit: int = 1 << 20
    cwd: str = "/"
    umask: int = 0o077


@dataclass(frozen=True)
class Completed:
    """What came of a run.

    ``exit_status`` is negative for a signal, and None when nothing ran. ``stderr`` is its
    beginning only. ``duration`` is in seconds. ``message`` tells why nothing ran.
    """

    outcome: RunOutcome
    exit_status: Optional[int] = None
    stdout: bytes = b""
    stderr: bytes = b""
    duration: float = 0.0
    message: str = ""

    @property
    def truncated(self) -> bool:
        """Whether the program had more to say than ``stdout`` holds."""
        return self.outcome is not RunOutcome.EXITED

    @property
    def text(self) -> str:
        """The output as text; what is not UTF-8 shows as U+FFFD."""
        return self.stdout.decode("utf-8", "replace")


@dataclass
class _Output:
    """What a pipe has given so far, of which ``limit`` bytes are kept."""

    pipe: IO[bytes]
    limit: int
    data: bytearray = field(default_factory=bytearray)
    over: bool = False

    def drain(self) -> bool:
        """Read what is there now, one limit's worth at most; False at the end of the stream."""
        for _ in range(self.limit // _CHUNK_BYTES + 1):
            try:
                chunk = os.read(self.pipe.fileno(), _CHUNK_BYTES)
            except BlockingIOError:
                return True
            if not chunk:
                return False
            room = self.limit - len(self.data)
            self.data += chunk[:room]
            self.over = self.over or len(chunk) > room
        return True


class Runner:
    """Runs one program at a time; ``run`` may be called from any thread.

    A program that not even SIGKILL ends (it hangs in the kernel, on a dead file system) is
    waited for at the next call, which gives ``busy`` until it is gone: they never pile up.
    """

    def __init__(
        self, grace_seconds: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._grace = grace_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._stuck: Optional[subprocess.Popen[bytes]] = None

    def stop(self) -> None:
        """End the program in flight at once, and start none any more."""
        self._stopping.set()

    def run(self, command: Command) -> Completed:
        """Run the program to its end; never raises for anything that the program does."""
        with self._lock:
            if self._stopping.is_set():
                return Completed(RunOutcome.STOPPED)
            if self._stuck is not None and self._stuck.poll() is None:
                return Completed(RunOutcome.BUSY, message="an earlier program is still not gone")
            self._stuck = None
            start = self._clock()
            try:
                child = _start(command)
            except (OSError, SourceError, ValueError) as error:
                return Completed(_not_started(error), message=str(error))
            return self._watch(child, command, start)

    def _watch(self, child: subprocess.Popen[bytes], command: Command, start: float) -> Completed:
        # Popen was asked for both pipes, so neither is None.
        stdout = _Output(cast("IO[bytes]", child.stdout), command.output_limit)
        stderr = _Output(cast("IO[bytes]", child.stderr), _STDERR_LIMIT)
        try:
            outcome = self._follow(child, (stdout, stderr), start + command.timeout)
        finally:
            self._end(child)
            stdout.pipe.close()
            stderr.pipe.close()
        return Completed(
            outcome,
            child.returncode,
            bytes(stdout.data),
            bytes(stderr.data),
            self._clock() - start,
        )

    def _follow(
        self, child: subprocess.Popen[bytes], outputs: tuple[_Output, _Output], deadline: float
    ) -> RunOutcome:
        with selectors.DefaultSelector() as selector:
            for output in outputs:
                os.set_blocking(output.pipe.fileno(), False)
                selector.register(output.pipe, selectors.EVENT_READ, output)
            while True:
                # Asked before reading: what was written before the exit is then in the pipe.
                gone = _has_exited(child)
                _read_ready(
                    selector, 0 if gone else min(_pause(selector), deadline - self._clock())
                )
                outcome = self._verdict(outputs[0], deadline, gone=gone)
                if outcome:
                    return outcome

    def _verdict(self, stdout: _Output, deadline: float, *, gone: bool) -> Optional[RunOutcome]:
        if stdout.over:
            return RunOutcome.OUTPUT_LIMIT
        if gone:
            return RunOutcome.EXITED
        if self._stopping.is_set():
            return RunOutcome.STOPPED
        return RunOutcome.TIMED_OUT if self._clock() >= deadline else None

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        if not _has_exited(child):
            _signal_group(child, signal.SIGTERM)
            self._await_exit(child)
        _signal_group(child, signal.SIGKILL)
        if self._await_exit(child):
            child.wait()
        else:
            self._stuck = child

    def _await_exit(self, child: subprocess.Popen[bytes]) -> bool:
        deadline = self._clock() + self._grace
        while not _has_exited(child):
            if self._clock() >= deadline:
                return False
            time.sleep(_AWAIT_SECONDS)
        return True


def _start(command: Command) -> subprocess.Popen[bytes]:
    """Start the program from a thread of its own, which gives its privileges up first."""

    def start() -> subprocess.Popen[bytes]:
        shed_thread_privileges(keep_for_user_change=_changes_user(command))
        return _popen(command)

    return in_thread("start-program", start)


def _popen(command: Command) -> subprocess.Popen[bytes]:
    user = command.user if _changes_user(command) else None
    return subprocess.Popen(  # noqa: S603 - no shell; the vector is the operator's
        command.argv,
        env=dict(command.env),
        cwd=command.cwd,
        umask=command.umask,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=user.groups if user else None,
    )


def _changes_user(command: Command) -> bool:
    return command.user is not None and command.user.uid != os.geteuid()


def _not_started(error: Exception) -> RunOutcome:
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return RunOutcome.NOT_FOUND
    if isinstance(error, PermissionError):
        return RunOutcome.PERMISSION_DENIED
    return RunOutcome.FAILED


def _has_exited(child: subprocess.Popen[bytes]) -> bool:
    """Tell whether the program is over, without reaping it."""
    try:
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, child.pid, flags) is not None
    except ChildProcessError:
        return True


def _signal_group(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(child.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _pause(selector: selectors.BaseSelector) -> float:
    """Say for how many seconds to wait for output before looking for the program's exit."""
    return _POLL_SECONDS if selector.get_map() else _POLL_CLOSED_SECONDS


def _read_ready(selector: selectors.BaseSelector, timeout: float) -> None:
    """Wait for output, ``timeout`` seconds at most, and read it; an ended stream is let go."""
    for key, _ in selector.select(max(0.0, timeout)):
        if not key.data.drain():
            selector.unregister(key.fileobj)
