"""The stand-in of cm_agent: starts and watches what runs on its node, once a second.

Threads as in the real one where their records differ: start and stop (`StartAndStop`), the
datanode's status (no thread name), the connection to the primary cm_server (none either). The first
runs before C+2 is opened (cma_main.cpp:1938-1942): who cannot open it has started cm_server and
gaussdb all the same, and exits six seconds later.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.lab.standins import agent_link, compress, ports, procs
from tests.lab.standins.agent_resources import Resources
from tests.lab.standins.gaussdb import ROLE_FILE
from tests.lab.standins.launch import shell_command
from tests.lab.standins.logfile import CmLog, size_limit
from tests.lab.standins.plan import LabPlan, NodePlan

SAS = "StartAndStop"  # the thread that starts and stops
_EXIT_SECONDS = 6.0  # from the FATAL of C+2 to the end of the process
_SHOWN_STOP = "fast shutdown, datapath:"


class CmAgent:
    """One cm_agent of one node."""

    def __init__(self, plan: LabPlan, node: NodePlan) -> None:
        conf = node.cm_dir / "cm_agent/cm_agent.conf"
        self.plan = plan
        self.node = node
        self.log = CmLog(node.log_dir("cm_agent"), "cm_agent", size_limit(conf))
        self.resources = Resources(node, self.log) if plan.pooled else None
        self.dn_state = ("Down", "Unknown", "Unknown")
        self._starts = 0
        self._heartbeat = _heartbeat_interval(conf)
        self._tried = threading.Event()  # to open C+2, which children must inherit
        self._exiting = threading.Event()

    def run(self) -> int:
        """Run until the cluster or this node is stopped; 1 when C+2 cannot be opened."""
        pid_file = self.node.cm_dir / "cm_agent/cm_agent.pid"
        pid_file.write_text(f"{os.getpid()}\n{pid_file.parent}\n0\n")
        keeper = threading.Thread(target=self._start_and_stop_until_stopped, daemon=True)
        keeper.start()
        opened = not self._heartbeat or self._listen_for_heartbeats()
        self._tried.set()
        if not opened:
            time.sleep(_EXIT_SECONDS)
            return 1
        jobs = (
            self._watch_datanode,
            lambda: agent_link.run(self),
            lambda: compress.for_ever(self.node.gausslog, pid_file.with_name("cm_agent.conf")),
        )
        for job in jobs:
            threading.Thread(target=job, daemon=True).start()
        keeper.join()
        return 0

    def _start_and_stop_until_stopped(self) -> None:
        """Look once a second; an exit that is asked for ends the looking, not what runs."""
        self._tried.wait()
        while not self._stopped():
            self._start_and_stop()
            time.sleep(1)
            while self._exiting.is_set():
                self.say("LOG", "receive exit request in cma startAndStop.", SAS)
                time.sleep(1)

    def say(self, level: str, text: str, thread: str = "") -> None:
        """Write one record."""
        self.log.write(level, text, thread=thread)

    def manual(self, instance_id: int) -> bool:
        """Whether a marker keeps that instance stopped."""
        return (self.node.bin / f"instance_manual_start_{instance_id}").exists()

    def _listen_for_heartbeats(self) -> bool:
        address, port = self.node.address, self.plan.heartbeat_port
        try:
            if ports.answers(address, port):
                raise FileExistsError  # MES connects before it binds, and this is its errno
            listener = ports.listen(address, port, backlog=4096)
        except OSError as taken:
            self._die_of_heartbeat_port(address, port, taken.errno or 17)
            return False
        listener.set_inheritable(True)  # as the real one's: its children keep it open
        threading.Thread(target=_swallow, args=(listener,), daemon=True).start()
        self.say("LOG", f"[mes]: MES LSNR {address}:{port} [nknow:844]")
        self.say("LOG", "RHB mes init success!")
        return True

    def _die_of_heartbeat_port(self, address: str, port: int, code: int) -> None:
        self.say("ERROR", "[mes] failed to create lsnr sockets for listener type 0 [nknow:434]")
        inst = self.node.node_id - 1
        where = f"Host_name: {address}, inst_id:{inst}, port:{port}, os error:{code}."
        self.say("ERROR", f"[mes]:Start tcp lsnr failed. {where} [nknow:839]")
        self.say("ERROR", "[mes]mes_init failed. [nknow:1123]")
        self.say("ERROR", "mes init failed!.")
        text = "init cma heartbeat conn by mes failed, RHB check thread will exit."
        self.say("FATAL", text)
        self._exiting.set()

    def _stopped(self) -> bool:
        if not (self.node.bin / "cluster_manual_start").exists():
            return False
        self.say("LOG", "shutdown requested, find start file!", SAS)
        self.say("LOG", "all datanode fast shutdown.", SAS)
        self.stop_datanode()
        if self.resources is not None:
            self.resources.stop_all()
        text = f"cm_server {_SHOWN_STOP} {self.node.cm_dir}."
        self.say("LOG", text, SAS)
        for program in ("cm_server", "gaussdb", "dssserver"):
            pids = procs.find(self.node, program)
            procs.stop(pids)
            procs.await_end(pids, 3)
        self.say("LOG", "all instances have been stopped!", SAS)
        return True

    def _start_and_stop(self) -> None:
        self._keep_cm_server()
        paused = (self.node.bin / "cluster_manual_pause").exists()
        if paused:
            self.say("LOG", "The cluster has been paused.", "main")
        elif self.resources is not None:
            self.resources.turn()
        else:
            self._keep_datanode()
        self._keep_fenced()

    def _keep_cm_server(self) -> None:
        if self._running("cm_server", self.node.bin / "cm_server", SAS):
            self._kill_stopped()
            return
        if self.node.fault("nic_down") is not None:
            text = "nic related with cmserver not up."
            self.say("WARNING", text, SAS)
            self.say("LOG", _CANNOT_START_CMS, SAS)
        elif not self._taken("cm_server", SAS):
            self._start("CM_SERVER START", "cm_server", "cm_server", [])

    def _kill_stopped(self) -> None:
        """Kill a cm_server that was stopped by a signal; it is started again a second later."""
        path = self.node.bin / "cm_server"
        for pid in procs.find(self.node, "cm_server", fresh=False):
            if procs.state(pid) == "T":
                self.say("ERROR", f"process (cm_server {pid}) is T (STOPPED), path is {path}", SAS)
                text = f"kill CMS process (cm_server:{pid}) due to STOPPED!"
                self.say("LOG", text, SAS)
                procs.stop([pid])

    def _keep_datanode(self) -> None:
        node = self.node
        manual = self.manual(node.dn_id)
        if manual:
            self._tell_stop_mode(0)
            self.stop_datanode()
        if self._running("gaussdb", node.data, SAS):
            return
        damaged = node.fault("disk_damaged") is not None
        taken = self._taken("gaussdb", SAS)
        flags = f"dn_manual_stop={manual:d}, g_dnDiskDamage={damaged:d}, g_nicDown=0"
        flags += f", port_conflict={taken:d}, g_dnBuild=0, g_ltranDown=0"
        text = f"datanodeId={node.dn_id}, {flags}, g_dnStartCounts={self._starts}."
        self.say("LOG", text, SAS)
        if taken:
            self._starts = 0
        if not (manual or damaged or taken):
            self._start_datanode()

    def _start_datanode(self) -> None:
        self.say("LOG", "BuildStartCommand off", SAS)
        words = ["-D", str(self.node.data), "-M", "pending"]
        shown = f"{self.node.server}    -D {self.node.data} -M pending"
        self._start("DN START", "gaussdb", shown, words, f", try {self._starts}")
        self._starts += 1
        counts = f"{self._starts} in 10 min, {self._starts} in hour"
        text = f"the dn(id:{self.node.dn_id}) instance restarts counts: {counts}."
        self.say("LOG", text, SAS)

    def _keep_fenced(self) -> None:
        node = self.node
        directory = node.log_dir("cm_agent")
        if procs.fenced(node, fresh=False):
            return
        text = "process (gaussdb) is not running, path is fenced, haveFound is 0"
        self.say("LOG", text, SAS)
        self.say("LOG", text, SAS)
        words = ["--fenced", "-k", str(node.tmp), "-D", str(directory)]
        shown = f"{node.server} --fenced -k '{node.tmp}' -D {directory}"
        self._start("FENCED UDF START", "gaussdb", shown, words)

    def _start(
        self, what: str, program: str, shown: str, words: list[str], behind: str = ""
    ) -> None:
        """Start in the background through a shell, so that it is nobody's child, as there."""
        output = f'>> "{self.node.system_call_log}" 2>&1 &'
        text = f"{what} system(command:{self.node.bin}/{shown} {output}){behind}"
        self.say("LOG", text if behind else f"{text}.", SAS)
        command = f"{shell_command(self.node, program, words)} </dev/null {output}"
        subprocess.run(["/bin/sh", "-c", command], check=False, close_fds=False)

    def stop_datanode(self) -> None:
        """Stop the datanode if it runs, as a fast shutdown does."""
        pids = procs.datanodes(self.node)
        if pids:
            text = f"datanode {_SHOWN_STOP} {self.node.data}."
            self.say("LOG", text, SAS)
            self.say("LOG", "datanode shutting down.", SAS)
            procs.stop(pids, signal.SIGINT)
            procs.stop(procs.await_end(pids, 3))

    def _tell_stop_mode(self, level: int) -> None:
        self.say("LOG", "[get_stop_mode] nlines :3", SAS)
        self.say("WARNING", "[CmAtoBool] str is 0\n errno:2", SAS)
        text = f"g_cmDoForce :0,g_cmShutdownMode:1, g_cmShutdownLevel:{level}"
        self.say("LOG", text, SAS)

    def _is_up(self, program: str, *, fresh: bool) -> bool:
        if program == "gaussdb":
            return bool(procs.datanodes(self.node, fresh=fresh))
        return bool(procs.find(self.node, program, fresh=fresh))

    def _running(self, program: str, path: Path, thread: str) -> bool:
        """Look twice, as the two records tell: a dying process loses its name before its ports."""
        for fresh in (False, True):
            if self._is_up(program, fresh=fresh):
                return True
            time.sleep(0.0 if fresh else 0.05)
        text = f"process ({program}) is not running, path is {path}, haveFound is 0"
        self.say("LOG", text, thread)
        self.say("LOG", text, thread)
        return False

    def _taken(self, program: str, thread: str) -> bool:
        """Look at ports as cm_agent does: a listener in /proc/net/tcp, whatever its address.

        The real one's look is over before what it started a second ago can bind; a stand-in on a
        busy machine takes long, so the program may have come up meanwhile.
        """
        first = self.node.cm_port if program == "cm_server" else self.node.db_port
        for port in (first, first + 1):
            row = ports.listener_row(port)
            if row is not None and not self._is_up(program, fresh=True):
                text = f"port:{port} already in use. /proc/net/tcp:\n{ports.TITLE}\n{row}"
                self.say("WARNING", text, thread)
                self._ask_lsof(port, row, thread)
                return True
        return False

    def _ask_lsof(self, port: int, row: str, thread: str) -> None:
        """Write what cm_agent and its lsof write.

        The host's own lsof is never run: whether it is installed must not change a record.
        """
        log = self.node.system_call_log
        shown = f"lsof -i:{port} | grep -E 'COMMAND|LISTEN' >> \"{log}\" 2>&1 "
        seen = ports.lsof(row)
        if seen is None:
            self.say("ERROR", f"run system command failed 256! {shown}, errno=2.", thread)
        else:
            with log.open("a", encoding="utf-8", errors="replace") as output:
                output.write(seen)
        self.say("LOG", f"CheckPort: system(command:{shown}).", thread)

    def _watch_datanode(self) -> None:
        while True:
            self.dn_state = self._look_at_datanode()
            time.sleep(1)

    def _look_at_datanode(self) -> tuple[str, str, str]:
        """Return role, state and reason of the datanode, as they go to cm_server."""
        node = self.node
        if self._running("gaussdb", node.data, ""):
            return _running_state(node)
        if not (node.data / "postmaster.pid").exists():
            text = f"[get_connection: 1559]: fail to read pid file ({node.data}/postmaster.pid)."
            self.say("ERROR", text)
        self.say("ERROR", f"failed to connect to datanode:{node.data}")
        self.say("ERROR", "DatanodeStatusCheck failed, ret=-1")
        self.say("LOG", f"set {node.dn_id} on offline.")
        taken = self._taken("gaussdb", "")
        if self._manually_stopped():
            return "Down", "Manually stopped", "Unknown"
        if node.fault("disk_damaged") is not None:
            return "Down", "Disk damaged", "Unknown"
        return "Down", "Port conflicting" if taken else "Unknown", "Unknown"

    def _manually_stopped(self) -> bool:
        own = (self.node.dn_id, self.node.resource_id) if self.resources else (self.node.dn_id,)
        return any(self.manual(number) for number in own)


_CANNOT_START_CMS = "g_cmsDiskDamage is 0, and g_cmsNicDown is 1, cannot start cms."


def _running_state(node: NodePlan) -> tuple[str, str, str]:
    try:
        role = (node.data / ROLE_FILE).read_text(encoding="ascii")
    except FileNotFoundError:
        return "Down", "Starting", "Unknown"  # it has not bound its ports yet
    told = node.fault("datanode_state")
    return role, (told or "Normal").strip(), "Normal"


def _heartbeat_interval(conf: Path) -> int:
    for line in conf.read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "agent_rhb_interval":
            return int(value.split("#")[0])
    return 1000


def _swallow(listener: object) -> None:
    """Accept the other agents' heartbeats and keep none of them."""
    while True:
        listener.accept()[0].close()  # type: ignore[attr-defined]  # a socket; see the caller


def main(plan: LabPlan, node: NodePlan, arguments: list[str]) -> int:
    """Run cm_agent; it takes no arguments."""
    del arguments
    os.umask(0o077)
    sys.stdout.write(f"[cm_agent]: {plan.server_list()}\n")
    sys.stdout.flush()
    return CmAgent(plan, node).run()
