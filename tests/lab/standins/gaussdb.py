"""The stand-in of gaussdb: binds what postgresql.conf says, and dies of a taken port as it does.

It knows no SQL. What the real one writes before its log collector runs goes to stderr, that is to
system_call-current.log or, in resource pooling, to DBstart.log; the rest to pg_log.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tests.lab.standins import ports
from tests.lab.standins.logfile import stamp
from tests.lab.standins.plan import LabPlan, NodePlan
from tests.lab.standins.procs import FENCED_TITLE
from tests.lab.standins.title import show_as

_ASSIGNMENT = re.compile(r"^\s*(\w+)\s*=?\s*'?([^'#]*)'?")
ROLE_FILE = "role.standin"  # the real one keeps its role in shared memory and gaussdb.state


class _FatalError(Exception):
    """The database cannot start; the text is its FATAL line."""


@dataclass(frozen=True)
class Settings:
    """The lines of postgresql.conf that decide what is bound."""

    values: dict[str, str]

    @property
    def port(self) -> int:
        """P."""
        return int(self.values["port"])

    @property
    def addresses(self) -> list[str]:
        """listen_addresses, names included."""
        return [word.strip() for word in self.values["listen_addresses"].split(",")]

    def replication(self) -> list[dict[str, str]]:
        """Return replconninfo1..8 as dictionaries."""
        texts = [v for k, v in self.values.items() if k.startswith("replconninfo") and v]
        return [dict(pair.split("=", 1) for pair in text.split()) for text in texts]

    def own_dms(self) -> tuple[str, int] | None:
        """Return address and port of this instance in ss_interconnect_url, in pooling only."""
        if self.values.get("ss_enable_dms") != "on":
            return None
        own = self.values["ss_instance_id"]
        for entry in self.values["ss_interconnect_url"].split(","):
            number, _, place = entry.partition(":")
            if number == own:
                address, _, port = place.rpartition(":")
                return address, int(port)
        return None


def read_settings(data: Path) -> Settings:
    """Read postgresql.conf; the last assignment wins."""
    values = {}
    for line in (data / "postgresql.conf").read_text(encoding="utf-8").splitlines():
        found = _ASSIGNMENT.match(line)
        if found and not line.lstrip().startswith("#"):
            values[found.group(1)] = found.group(2).strip()
    return Settings(values)


class Gaussdb:
    """One datanode."""

    def __init__(self, node: NodePlan, settings: Settings) -> None:
        self._node = node
        self._settings = settings
        self._held: list[socket.socket] = []
        self._pg_log: Path | None = None

    def run(self) -> int:
        """Serve until a signal comes; return 1 when a port or a fault forbids it."""
        (self._node.data / ROLE_FILE).unlink(missing_ok=True)
        try:
            self._check_lock()
            self._listen()
            self._write_pid_file()
            self._start_dms()
            self._fail_if_told()
            (self._node.data / ROLE_FILE).write_text("Pending", encoding="ascii")
        except _FatalError as fatal:
            self._say("FATAL", str(fatal))
            for name in (ROLE_FILE, "postmaster.pid"):
                (self._node.data / name).unlink(missing_ok=True)
            return 1
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, self._stop)
        return self._live()

    def _live(self) -> NoReturn:
        heartbeats = self._heartbeats()
        while True:
            heartbeats = [place for place in heartbeats if not self._bind_heartbeat(*place)]
            time.sleep(1)

    def _say(self, level: str, text: str) -> None:
        """Write to stderr, or to pg_log once the collector runs."""
        name = f"dn_{self._node.dn_id}"
        line = f"{stamp()} {os.getpid():x}.1 [unknown] 0 [unknown] 0 {name} 00000 0 [BACKEND] "
        line += f"{level}:  {text}\n"
        if self._pg_log is None:
            sys.stderr.write(line)
            sys.stderr.flush()
        else:
            with self._pg_log.open("a", encoding="utf-8") as log:
                log.write(line)

    def _check_lock(self) -> None:
        lock = self._node.tmp / f".s.PGSQL.{self._settings.port}.lock"
        with contextlib.suppress(OSError, ValueError):
            pid = int(lock.read_text().split()[0])
            program = Path(f"/proc/{pid}/exe").resolve().name
            if program == self._node.server and pid != os.getpid():
                hint = f'Is another postmaster (PID {pid}) using socket file "{lock}"?'
                raise _FatalError(f'lock file "{lock}" already exists\nHINT:  {hint}')
        lock.write_text(f"{os.getpid()}\n{self._node.data}\n")

    def _listen(self) -> None:
        port = self._settings.port
        for name in self._settings.addresses:
            self._listen_at(name, port, f'could not create listen socket for "{name}:{port}"')
        covered = self._listen_for_replication()
        for name in self._settings.addresses:
            if name not in covered:
                text = f'could not create ha listen socket for "{name}:{port + 1}"'
                self._listen_at(name, port + 1, text)

    def _listen_for_replication(self) -> set[str]:
        covered: set[str] = set()
        for index, info in enumerate(self._settings.replication()):
            place = info["localhost"], int(info["localport"])
            if place[0] not in covered:
                text = (
                    f"could not create Ha listen socket for ReplConnInfoArr[{index}]"
                    f'"{place[0]}:{place[1]}"'
                )
                self._listen_at(*place, text)
                covered.add(place[0])
        return covered

    def _listen_at(self, name: str, port: int, fatal: str) -> None:
        """Bind all addresses of a name; three tries, a second apart; one success is enough."""
        for turn in range(3):
            bound = [a for a in _resolve(name) if self._bind(a, port, turn)]
            if bound:
                return
            time.sleep(1)
        self._say("LOG", f"exec cmd: lsof -i:{port}")
        raise _FatalError(fatal)

    def _bind(self, address: str, port: int, turn: int) -> bool:
        try:
            self._held.append(ports.listen(address, port, backlog=64))
        except OSError as refused:
            if refused.errno == errno.EADDRNOTAVAIL and address == "::1":
                return False
            family = "IPv6" if ":" in address else "IPv4"
            reason = os.strerror(refused.errno or 0)
            self._say("LOG", f"could not bind {family} socket at the {turn} time: {reason}")
            self._say("HINT", _hint(port))
            return False
        return True

    def _write_pid_file(self) -> None:
        lines = [os.getpid(), self._node.data, int(time.time()), self._settings.port]
        lines += [self._node.tmp, self._settings.addresses[-1], "  0"]
        pid_file = self._node.data / "postmaster.pid"
        pid_file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        directory = self._node.gausslog / f"pg_log/dn_{self._node.dn_id}"
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._pg_log = directory / time.strftime("postgresql-%Y-%m-%d_%H%M%S.log")

    def _start_dms(self) -> None:
        place = self._settings.own_dms()
        if place is None:
            return
        where = f"{place[0]}:{place[1]}"
        if ports.answers(*place):
            raise _FatalError(_dms(308, f"Tcp port conflict {where}"))
        try:
            self._held.append(ports.listen(*place))
        except OSError as refused:
            text = f"Failed to bind socket for {where}, error code {refused.errno}"
            raise _FatalError(_dms(309, text)) from refused

    def _fail_if_told(self) -> None:
        text = self._node.fault("gaussdb_dies")
        if text is not None:
            raise _FatalError(text.strip())

    def _heartbeats(self) -> list[tuple[str, int]]:
        infos = self._settings.replication()
        places = {(i["localhost"], int(i["localheartbeatport"])) for i in infos}
        return sorted(places)

    def _bind_heartbeat(self, address: str, port: int) -> bool:
        """Bind the heartbeat port; a failure is only told, and tried again."""
        try:
            self._held.append(ports.listen(address, port))
        except OSError:
            where = f'ReplConnInfoArr[0]"{address}:{port}"'
            self._say("COMMERROR", f"could not create Ha listen socket for {where}")
            return False
        return True

    def _stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        (self._node.data / "postmaster.pid").unlink(missing_ok=True)
        (self._node.tmp / f".s.PGSQL.{self._settings.port}.lock").unlink(missing_ok=True)
        os._exit(0)


def _resolve(name: str) -> list[str]:
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _hint(port: int) -> str:
    return (
        f"Port {port} is used, run 'netstat -anop|grep {port}' or 'lsof -i:{port}'(need root)"
        " to see who is using this port."
    )


def _dms(number: int, reason: str) -> str:
    return f"failed to initialize dms, errno: {number}, reason: {reason}"


def main(plan: LabPlan, node: NodePlan, arguments: list[str]) -> int:
    """Run a datanode, or the idle helper for fenced functions (`--fenced`)."""
    del plan
    os.umask(0o077)
    if "--fenced" in arguments:
        show_as([FENCED_TITLE], {})  # the title goes over arguments and environment
        signal.pause()
        return 0
    data = Path(arguments[arguments.index("-D") + 1])
    os.chdir(data)
    return Gaussdb(node, read_settings(data)).run()
