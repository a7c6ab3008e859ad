"""Processes that hold TCP sockets, for tests that look at the real kernel.

As a module: ``with Holder("listen,127.0.0.1,0") as holder: holder.port``.
As a program: ``python holders.py [options] SPEC...``; it prints one line of JSON when every
socket stands, obeys one command a line on stdin, and ends when stdin ends.

A SPEC is ``kind,address,port[,flag...]``; port 0 lets the kernel choose. Kinds:

- ``listen``: bind and listen (``v6only`` and ``reuseport`` are flags of it)
- ``dual``: the same for a dual-stack IPv6 address
- ``bound``: bind, never listen
- ``accepted``: listen and keep one accepted connection, with both its ends
- ``connection``: an established connection whose *local* port is the given one
- ``timewait``: what ``connection`` leaves behind when the client closes first
- ``client``: an established connection *to* the given address and port

Flag ``noreuse`` leaves SO_REUSEADDR off, which is on otherwise for all but ``client``. Flag
``patient`` tries again while the port is taken: without SO_REUSEADDR the TIME_WAIT of a server
that was killed keeps it for a minute (kernel TCP_TIMEWAIT_LEN).
Commands: ``close`` closes every socket, ``leave`` those of a ``connection``, the client's first,
``listen`` makes a ``bound`` socket listen, ``fork`` starts a child that inherits the sockets,
``die`` ends this process at once and leaves its children; each is answered with a line of JSON.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Optional, final

READY_WITHIN = 20.0
TIME_WAIT_SECONDS = 60.0
_RUN = os.getpid()
LOOPBACK = f"127.{128 + _RUN % 64}.{_RUN // 64 % 256}.{_RUN // 16384 % 255 + 1}"
"""An address that no other test run on this host uses: what is on it is this run's."""
RETRY_SECONDS = 0.05
UNREAD = "@"  # the words behind it only stand on the command line
PR_SET_DUMPABLE = 4
PR_SET_NAME = 15


@final
class Holder:
    """A child process with the sockets of ``specs``; ends with the ``with`` block.

    ``prefix`` is a command that runs the helper (``setpriv ...``, ``ip netns exec ...``).
    ``exe`` is a copy of the interpreter made by :func:`copy_interpreter`, which gives the
    process another executable. ``arguments`` follow the specs on the command line, unread.
    """

    def __init__(
        self,
        *specs: str,
        options: Sequence[str] = (),
        arguments: Sequence[str] = (),
        prefix: Sequence[str] = (),
        exe: Optional[Path] = None,
        env: Optional[Mapping[str, str]] = None,
        cwd: Optional[Path] = None,
    ) -> None:
        python = str(exe or Path(sys.executable).resolve())
        command = [*prefix, python, "-S", "-s", __file__, *options, "--", *specs]
        if arguments:
            command += [UNREAD, *arguments]
        patient = any("patient" in spec.split(",") for spec in specs)
        self._ready_within = READY_WITHIN + (TIME_WAIT_SECONDS if patient else 0.0)
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=cwd,
            env={**(os.environ if env is None else env), "PYTHONHOME": sys.base_prefix},
        )
        try:
            self.ready = self._read()
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """The helper's own pid, also below a ``prefix`` that forks."""
        return int(self.ready["pid"])

    @property
    def port(self) -> int:
        """The local port of the first socket (the one asked for)."""
        return int(self.ready["sockets"][0]["port"])

    @property
    def inode(self) -> int:
        """The inode of the first socket; 0 when it has none any more."""
        return int(self.ready["sockets"][0]["inode"])

    @property
    def sockets(self) -> list[dict[str, Any]]:
        """``kind``, ``port`` and ``inode`` of each socket, in the order of the specs."""
        return list(self.ready["sockets"])

    def command(self, word: str) -> dict[str, Any]:
        """Let the helper do ``word`` and return its answer once it is done."""
        assert self.process.stdin is not None
        self.process.stdin.write(word.encode() + b"\n")
        self.process.stdin.flush()
        return self._read()

    def stop(self) -> None:
        """End the helper and its children, and reap it."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(timeout=READY_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self._wait_for_children(self.process.stdout)
            self.process.stdout.close()

    def kill(self) -> None:
        """End the helper as a crash would: nothing is closed in order."""
        os.kill(self.pid, signal.SIGKILL)
        self.process.wait(timeout=READY_WITHIN)

    @staticmethod
    def _wait_for_children(stdout: IO[bytes]) -> None:
        """Wait for the end of stdout, which every child has inherited."""
        while select.select([stdout], [], [], READY_WITHIN)[0] and os.read(stdout.fileno(), 4096):
            pass

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], self._ready_within)
        line = self.process.stdout.readline() if readable else b""
        if not line:
            raise RuntimeError(f"the helper said nothing within {self._ready_within} s")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Holder:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def copy_interpreter(directory: Path, name: str) -> Path:
    """Copy the interpreter to ``directory/name``: ``/proc/PID/exe`` of what it runs is that."""
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / name
    copy_program(Path(sys.executable).resolve(), target)
    return target


def copy_program(program: Path, target: Path) -> None:
    """Copy a program that may be started at once.

    Another process does it: what we have open for writing is for a moment open in what another
    thread starts, too, and a program that is open for writing cannot be started (ETXTBSY).
    """
    copy = "import shutil, sys; shutil.copyfile(*sys.argv[1:])"
    subprocess.run([sys.executable, "-I", "-S", "-c", copy, str(program), str(target)], check=True)
    target.chmod(0o755)


def can_listen(address: str, port: int, *, v6only: bool = True) -> bool:
    """Whether a bind and listen, as openGauss does them (SO_REUSEADDR, V6ONLY), succeed now."""
    with _socket(address) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if probe.family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(v6only))
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError:
            return False
        return True


# From here on: the program.


class Made(list[socket.socket]):
    """The sockets behind one spec; the first is the one that it asks for."""

    kind = ""
    port = 0


def _socket(address: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)


def _bound(address: str, port: int, flags: Sequence[str]) -> socket.socket:
    sock = _socket(address)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int("noreuse" not in flags))
    if "reuseport" in flags:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int("v6only" in flags))
    deadline = time.monotonic() + (TIME_WAIT_SECONDS if "patient" in flags else 0.0)
    while not _binds(sock, address, port):
        if time.monotonic() >= deadline:
            raise SystemExit(f"{address}:{port} is taken")
        time.sleep(RETRY_SECONDS)
    return sock


def _binds(sock: socket.socket, address: str, port: int) -> bool:
    try:
        sock.bind((address, port))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    return True


def _listening(address: str, port: int, flags: Sequence[str]) -> socket.socket:
    sock = _bound(address, port, flags)
    sock.listen(16)
    return sock


def _loopback(address: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104  # a lookup


def _connection(address: str, port: int, flags: Sequence[str]) -> list[socket.socket]:
    client = _bound(address, port, flags)
    server = _listening(_loopback(address), 0, ())
    client.connect(server.getsockname())
    accepted, _ = server.accept()
    server.close()
    return [client, accepted]


def _accepted(address: str, port: int, flags: Sequence[str]) -> list[socket.socket]:
    server = _listening(address, port, flags)
    client = _socket(address)
    client.connect((_loopback(address), server.getsockname()[1]))
    return [server, server.accept()[0], client]


def _client(address: str, port: int) -> list[socket.socket]:
    client = _socket(address)
    client.connect((address, port))
    return [client]


def _open(kind: str, address: str, port: int, flags: Sequence[str]) -> list[socket.socket]:
    if kind in {"listen", "dual"}:
        return [_listening(address, port, flags)]
    if kind == "bound":
        return [_bound(address, port, flags)]
    if kind == "accepted":
        return _accepted(address, port, flags)
    if kind == "client":
        return _client(address, port)
    if kind in {"connection", "timewait"}:
        return _connection(address, port, flags)
    raise SystemExit(f"unknown kind {kind!r}")


def _make(spec: str) -> Made:
    kind, address, port, *flags = spec.split(",")
    made = Made(_open(kind, address, int(port), flags))
    made.kind = kind
    made.port = made[0].getsockname()[1]
    if kind == "timewait":
        _leave(made)
    return made


def _leave(made: Made) -> None:
    for sock in made:  # the client first: it is the one that keeps TIME_WAIT
        sock.shutdown(socket.SHUT_WR)
    for sock in made:
        sock.recv(1)
        sock.close()
    made.clear()


def _inode(made: Made) -> int:
    return os.fstat(made[0].fileno()).st_ino if made else 0


def _say(**answer: object) -> None:
    os.write(1, json.dumps(answer).encode() + b"\n")


def _fork() -> int:
    child = os.fork()
    if child:
        return child
    end = select.poll()
    end.register(0, 0)  # only the hang-up: commands are the parent's
    end.poll()
    os._exit(0)


def _obey(word: str, held: list[Made]) -> None:
    if word == "die":
        _say(done=word)
        os._exit(0)
    for made in held:
        if word == "leave":
            _leave(made)
        elif word == "close":
            while made:
                made.pop().close()
        elif word == "listen" and made.kind == "bound":
            made[0].listen(16)
    _say(done=word, pid=_fork() if word == "fork" else os.getpid())


def _prctl(option: int, value: object) -> None:
    if ctypes.CDLL(None).prctl(option, value, 0, 0, 0):
        raise SystemExit(f"prctl({option}) refused")


def _disguise(options: argparse.Namespace) -> None:
    if options.uid is not None:
        os.setgroups([])
        os.setgid(options.uid)
        os.setuid(options.uid)
        _prctl(PR_SET_DUMPABLE, 1)  # as an exec after the change of user would
    if options.name_hex:
        _prctl(PR_SET_NAME, ctypes.c_char_p(bytes.fromhex(options.name_hex)))
    if options.undumpable:
        _prctl(PR_SET_DUMPABLE, 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="hold TCP sockets")
    parser.add_argument("--uid", type=int, help="become this user first")
    parser.add_argument("--name-hex", default="", help="the process name, its bytes in hex")
    parser.add_argument("--undumpable", action="store_true", help="hide from its own user")
    parser.add_argument("--files", type=int, default=0, help="open so many files before")
    parser.add_argument("specs", nargs="*", metavar="SPEC")
    words = sys.argv[1:]
    return parser.parse_args(words[: words.index(UNREAD)] if UNREAD in words else words)


def main() -> None:
    """Open the sockets, say so, and obey until stdin ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies of children that were killed
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for who started us, and ends stdin
    options = _options()
    _disguise(options)
    files = [os.open("/dev/null", os.O_RDONLY) for _ in range(options.files)]
    held = [_make(spec) for spec in options.specs]
    sockets = [{"kind": m.kind, "port": m.port, "inode": _inode(m)} for m in held]
    _say(pid=os.getpid(), sockets=sockets, files=len(files))
    for line in sys.stdin:
        _obey(line.strip(), held)


if __name__ == "__main__":
    main()
