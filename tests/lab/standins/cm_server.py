"""The stand-in of cm_server: binds C (and C+1 with DCC), elects, hears agents, answers cm_ctl."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.lab.standins import arbitration, ports, wire
from tests.lab.standins.arbitration import Candidate, Report
from tests.lab.standins.logfile import CmLog, size_limit
from tests.lab.standins.plan import LabPlan, NodePlan

ROLE_ONLY = "cm_ctl/role"  # cm_ctl asking for a cm_server's role, whichever it is
_PEER_SECONDS = 0.5
_START_SECONDS = 5.0  # it listens, but answers nobody, until it knows its role


_EVENTS = {
    "Standby": "NOTIFY_STANDBY] [Instance: {0}] [Details: send notify standby to instance({0})",
    "Primary": "FAILOVER] [Instance: {0}] [Details: Failover message has sent to instance {0},"
    " term 3, sendFailoverTimes is 0.",
}


@dataclass
class _State:
    """What the threads share; the lock is held for every change."""

    role: str = "Standby"
    since: float = 0.0
    reports: dict[int, tuple[Report, float]] = field(default_factory=dict)
    without_primary: float | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class CmServer:
    """One cm_server of one node."""

    def __init__(self, plan: LabPlan, node: NodePlan) -> None:
        limit = size_limit(node.cm_dir / "cm_server/cm_server.conf")
        self._plan = plan
        self._node = node
        self._log = CmLog(node.log_dir("cm_server"), "cm_server", limit)
        self._events = CmLog(node.log_dir("cm_server"), "key_event", limit)
        self._state = _State()
        self._disk_lock: int | None = None
        self._began = time.monotonic()
        self._decided = threading.Event()
        self._followed = False  # whether another one has led since the start

    def run(self) -> int:
        """Serve until killed; return the exit code when a port or a fault forbids it."""
        self._begin()
        listener = self._bind()
        if listener is None or not self._start_dcc():
            return 1
        self._write_files()
        threading.Thread(target=self._elect_for_ever, daemon=True).start()
        self._decided.wait(_START_SECONDS)
        self._say("LOG", f"Add listen socket [fd={listener.fileno()}] OK , events[001]")
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _say(self, level: str, text: str, thread: str = "MAIN") -> None:
        self._log.write(level, text, thread=thread)

    def _begin(self) -> None:
        sys.stdout.write(f"[cm_server]: {self._plan.server_list()}\n")
        sys.stdout.flush()
        self._say("LOG", f"ddbType is {2 if self._plan.pooled else 1}.")
        self._say("WARNING", "delay_arbitrate_timeout is 0.")
        events = self._node.log_dir("cm_server").glob("key_event-*-current.log")
        if not list(events):
            self._say("LOG", f"create file({self._events.current()}) success.")

    def _bind(self) -> socket.socket | None:
        port = self._node.cm_port
        try:
            if self._node.fault("cm_server_dies") is not None:
                return None
            return ports.listen(self._node.address, port, backlog=2048)
        except OSError:
            family = "IPv6" if ":" in self._node.address else "IPv4"
            self._say("LOG", _could_not_bind(family, port))
            self._say("LOG", f"build cm server listen failed! ip is {self._node.address}")
            self._say("ERROR", "no socket created for server listening!")
            self._say("ERROR", "cm_server_build_listen_socket_check failed!")
            return None

    def _start_dcc(self) -> bool:
        if self._plan.pooled:
            return True
        try:
            peers = ports.listen(self._node.address, self._node.cm_port + 1, backlog=4096)
        except OSError:
            self._say("ERROR", "Failed to start dcc.")
            self._say("ERROR", "ServerDdbInit failed.")
            return False
        threading.Thread(target=self._answer_peers, args=(peers,), daemon=True).start()
        self._say("LOG", "success to start dcc.")
        return True

    def _write_files(self) -> None:
        directory = self._node.cm_dir / "cm_server"
        (directory / "cm_server.pid").write_text(f"{os.getpid()}\n{directory}\n0\n")
        (self._node.bin / "cluster_dynamic_config").write_bytes(bytes(9068))

    def _answer_peers(self, listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            with contextlib.suppress(OSError):
                wire.Conversation(connection).send(asdict(self._candidate()))
            connection.close()

    def _elect_for_ever(self) -> None:
        wanted, since = self._state.role, time.monotonic()
        while True:
            self._tell_pause()
            choice = self._choose()
            if choice != wanted:
                wanted, since = choice, time.monotonic()
            waited = time.monotonic() - since >= self._plan.election_seconds
            if wanted != self._state.role and (wanted == "Standby" or waited):
                self._become(wanted)
            if waited:
                self._decided.set()
            time.sleep(0.2)

    def _tell_pause(self, thread: str = "MAIN") -> None:
        if (self._node.bin / "cluster_manual_pause").exists():
            self._say("LOG", "The cluster has been paused.", thread)

    def _choose(self) -> str:
        if self._plan.pooled:
            return "Primary" if self._locks_disk() else "Standby"
        others = [node for node in self._plan.nodes if node != self._node]
        answers = [self._ask_peer(node) for node in others]
        peers = [peer for peer in answers if peer is not None]
        self._followed |= any(peer.role == "Primary" for peer in peers)
        total = len(self._plan.nodes)
        return arbitration.elect(self._candidate(), peers, total, followed=self._followed)

    def _candidate(self) -> Candidate:
        up = time.monotonic() - self._began
        return Candidate(self._node.node_id, up, self._state.role)

    def _ask_peer(self, node: NodePlan) -> Candidate | None:
        target = (node.address, node.cm_port + 1)
        source = (self._node.address, 0)
        try:
            connection = socket.create_connection(target, _PEER_SECONDS, source_address=source)
            with connection:
                return Candidate(**wire.Conversation(connection).receive())
        except (OSError, TypeError, ValueError):  # nobody, or a stranger's words
            return None

    def _locks_disk(self) -> bool:
        if self._disk_lock is None:
            disk = os.open(self._plan.shared_disk, os.O_RDWR)
            try:
                fcntl.flock(disk, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(disk)
                return False
            self._disk_lock = disk
        return True

    def _become(self, role: str) -> None:
        with self._state.lock:
            self._state.role = role
            self._state.since = time.monotonic()
            self._state.reports.clear()
            self._state.without_primary = None
        if role == "Primary":
            number = self._node.node_id
            self._say("LOG", f"current node is {number}, change it's role to primary.", "HA")
            text = "cm_server_current_role is 1. cm_server_last_role is 2."
            self._say("LOG", text, "HA")

    def _converse(self, connection: socket.socket) -> None:
        connection.settimeout(60)
        with contextlib.suppress(OSError, ValueError), connection:
            user, name = wire.accept(connection)
            if user and user != wire.user_name():
                wire.refuse(connection, "invalid connection")
            elif name != ROLE_ONLY and self._state.role != "Primary":
                wire.refuse(connection, wire.NOT_PRIMARY)
            elif self._node.fault("cm_server_silent") is None:
                self._serve(wire.admit(connection), name)

    def _serve(self, talk: wire.Conversation, name: str) -> None:
        while name == ROLE_ONLY or self._state.role == "Primary":
            question = talk.receive()
            if name == ROLE_ONLY:
                talk.send(self._state.role)
            elif "report" in question:
                talk.send(self._hear(question["node_id"], Report(**question["report"])))
            else:
                talk.send(self._view())

    def _hear(self, node_id: int, report: Report) -> str | None:
        """Take one agent's report; return the role that its datanode must take, if another."""
        self._tell_pause("AGENT_WORKER")
        with self._state.lock:
            self._state.reports[node_id] = (report, time.monotonic())
            changes = arbitration.orders(self._seen(), self._plan.nodes[0].node_id, self._waited())
        order = changes.get(node_id)
        if order is not None:
            self._announce(node_id, order)
        return order

    def _announce(self, node_id: int, order: str) -> None:
        number = self._plan.node(node_id).dn_id
        text = f"[KeyEvent: KEY_EVENT_{_EVENTS[order].format(number)}]"
        self._say("LOG", text, "AGENT_WORKER")
        self._events.event(text, thread="AGENT_WORKER")

    def _seen(self) -> dict[int, Report]:
        now = time.monotonic()
        since = now - self._state.since
        last = {node.node_id: self._state.reports.get(node.node_id) for node in self._plan.nodes}
        return {
            number: arbitration.seen(heard[0], now - heard[1], since)
            if heard
            else arbitration.seen(None, 0.0, since)
            for number, heard in last.items()
        }

    def _waited(self) -> float:
        """Return the seconds beyond the arbitration delay for which no datanode was primary."""
        now = time.monotonic()
        if any(report.role == "Primary" for report in self._seen().values()):
            self._state.without_primary = None
        elif self._state.without_primary is None:
            self._state.without_primary = now
        began = self._state.without_primary
        return -1.0 if began is None else now - began - self._plan.arbitration_seconds

    def _view(self) -> dict[str, Any]:
        with self._state.lock:
            current = self._seen()
        state = arbitration.cluster_state(list(current.values()))
        static_primary = self._plan.nodes[0].node_id
        return {
            "cluster_state": state,
            "balanced": current[static_primary].role == "Primary",
            "reports": {str(number): asdict(report) for number, report in current.items()},
        }


def _could_not_bind(family: str, port: int) -> str:
    return (
        f"could not bind {family} socket: Is another instance already running on port {port}?"
        "  If not, wait a few seconds and retry."
    )


def main(plan: LabPlan, node: NodePlan, arguments: list[str]) -> int:
    """Run cm_server; it takes no arguments."""
    del arguments
    os.umask(0o077)
    Path(node.cm_dir, "cm_server").mkdir(parents=True, exist_ok=True)
    return CmServer(plan, node).run()
