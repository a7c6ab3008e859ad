"""The stand-in of om_monitor: keeps cm_agent alive, once a second, and tells of it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.lab.standins.launch import program_command
from tests.lab.standins.logfile import CmLog
from tests.lab.standins.plan import LabPlan, NodePlan

_MAX_STOP_RETRIES = 3


class OmMonitor:
    """One om_monitor; `command` starts cm_agent with a log file as its stdout and stderr."""

    def __init__(
        self, node: NodePlan, log: CmLog, command: Callable[[Path], subprocess.Popen[bytes]]
    ) -> None:
        self._node = node
        self._log = log
        self._command = command
        self._agent: subprocess.Popen[bytes] | None = None
        self._status = 0
        self._faulty = 0
        self._stop_retries = 0

    def turn(self) -> None:
        """Do what is done once a second."""
        if self._agent is not None:
            pid, status = os.waitpid(self._agent.pid, os.WNOHANG)
            if pid == 0:
                return
            self._bury(self._agent.pid, status)
        if self._may_start():
            self._agent = self._command(self._log.current())
            self._log.write("LOG", f"cm_agent start, pid is {self._agent.pid}")

    def _bury(self, pid: int, status: int) -> None:
        text = f"child process cm_agent have die! pid is {pid}, exit status is {status}"
        self._log.write("LOG", text, lead=" ")
        how = f"killed by signal {status}" if os.WIFSIGNALED(status) else None
        how = how or f"exited, status={os.WEXITSTATUS(status)}"
        self._log.write("LOG", f"cm_agent {how}", lead=" ")
        self._agent = None
        self._status = status
        self._faulty = self._faulty + 1 if status else 0

    def _may_start(self) -> bool:
        stopped = (self._node.bin / "cluster_manual_start").exists()
        readable = os.access(self._node.cm_dir / "cm_agent/cm_agent.conf", os.R_OK)
        runnable = os.access(self._node.bin / "cm_agent", os.X_OK)
        facts = f"cluster_manual_start={stopped:d}, agent_config_file_r={readable:d}"
        facts += f", agent_binary_file_x={runnable:d}, config_change_flag=0"
        history = f"previous_status={self._status}, start_count={self._faulty}"
        text = f"The CM Agent startup check is complete: {facts}, {history}."
        self._log.write("LOG", text)
        if stopped:
            return self._may_finish_stop()
        self._stop_retries = 0
        return readable and runnable

    def _may_finish_stop(self) -> bool:
        if self._status == 0 or self._stop_retries >= _MAX_STOP_RETRIES:
            return False
        self._stop_retries += 1
        text = (
            "The CM Agent did not exit correctly last time. Restart the CM Agent to complete the"
            f" unfinished stop operation: start_times={self._stop_retries}."
        )
        self._log.write("LOG", text)
        return True


def main(plan: LabPlan, node: NodePlan, arguments: list[str]) -> int:
    """Run om_monitor; `-L` names its log directory."""
    os.umask(0o077)
    directory = Path(arguments[arguments.index("-L") + 1])
    monitor = OmMonitor(node, CmLog(directory, "om_monitor"), lambda log: _start(node, log))
    del plan
    while True:
        monitor.turn()
        time.sleep(1)


def _start(node: NodePlan, log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        words = program_command(node, "cm_agent", [])
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
