"""What cm_agent does in resource pooling: keep dssserver and gaussdb by scripts, five times each.

After the limit it makes the marker files itself, for all resources of the node; only `cm_ctl start`
takes them away. The start script is part of this stand-in: what it does is what dms_contrl.sh and
dss_contrl.sh do, start the program with its output in DBstart.log or startdss.log.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping

from tests.lab.standins import procs
from tests.lab.standins.dssserver import READY_FILE
from tests.lab.standins.gaussdb import ROLE_FILE
from tests.lab.standins.launch import shell_command
from tests.lab.standins.logfile import CmLog
from tests.lab.standins.plan import NodePlan

LIMIT = 5  # restart_times of cm_resource.json
_THREAD = "StartAndStop"


class Resources:
    """The custom resources of one node: `dss`, and `dms_res`, which depends on it."""

    def __init__(self, node: NodePlan, log: CmLog) -> None:
        self._node = node
        self._log = log
        self._restarts = {"dss": 0, "dms_res": 0}
        self._ids = {"dss": node.resource_id, "dms_res": node.dn_id}

    def states(self) -> Mapping[str, str]:
        """Return what is reported of each resource."""
        return {n: "OnLine" if self._alive(n) else "OffLine" for n in ("dms_res", "dss")}

    def turn(self) -> None:
        """Do what is done once a second."""
        if self._stopped():
            self.stop_all()
            return
        for name in ("dss", "dms_res"):
            if self._alive(name):
                self._forget(name)
            else:
                self._restart(name)

    def stop_all(self) -> None:
        """Stop both programs."""
        pids = [*procs.datanodes(self._node), *procs.find(self._node, "dssserver")]
        procs.stop(pids, signal.SIGINT)
        procs.stop(procs.await_end(pids, 3))

    def _say(self, level: str, text: str) -> None:
        self._log.write(level, text, thread=_THREAD)

    def _runs(self, name: str) -> bool:
        if name == "dss":
            return bool(procs.find(self._node, "dssserver"))
        return bool(procs.datanodes(self._node))

    def _alive(self, name: str) -> bool:
        """Whether it is online: what still tries to bind its ports is not."""
        dss, data = self._node.dss_home / READY_FILE, self._node.data / ROLE_FILE
        return self._runs(name) and (dss if name == "dss" else data).exists()

    def _stopped(self) -> bool:
        numbers = (self._node.dn_id, self._node.resource_id)
        return any((self._node.bin / f"instance_manual_start_{n}").exists() for n in numbers)

    def _forget(self, name: str) -> None:
        if self._restarts[name]:
            self._restarts[name] = 0
            self._say("LOG", f"res({name}) inst({self._ids[name]}) restart times clean.")

    def _restart(self, name: str) -> None:
        number = self._ids[name]
        if self._runs(name):
            return
        if name == "dms_res" and not self._alive("dss"):
            why = "can't do restart, cause depend resource inst not alive."
            self._say("LOG", f"StartOneResInst: res({name}) inst({number}) {why}")
        elif self._restarts[name] >= LIMIT:
            self._give_up(name)
        else:
            self._start(name)

    def _start(self, name: str) -> None:
        script = f"{self._node.bin}/{_SCRIPTS[name]}"
        number = self._ids[name]
        if name == "dss":
            text = f"[RegOneResInst]: cmd:({script} -reg {number} ) is executing."
            self._say("LOG", text)
        command = shell_command(self._node, _PROGRAMS[name], self._arguments(name))
        line = f"{command} </dev/null >> {self._output(name)} 2>&1 &"
        subprocess.run(["/bin/sh", "-c", line], check=False, close_fds=False)
        self._say("LOG", f"StartOneResInst: run start script ({script} -start {number} )"
                  " successfully.")  # fmt: skip
        self._restarts[name] += 1
        times = f"has been restart ({self._restarts[name]}) times"
        rule = f"restart more than ({LIMIT}) time will manually stop."
        self._say("LOG", f"res({name}) inst({number}) {times}, {rule}")

    def _give_up(self, name: str) -> None:
        times = f"restart times ({self._restarts[name]}) >= limit ({LIMIT})"
        end = "can't do restart again, will do manually stop."
        self._say("LOG", f"res({name}) inst({self._ids[name]}) is offline, but {times}, {end}")
        for resource, number in self._ids.items():
            marker = self._node.bin / f"instance_manual_start_{number}"
            if marker.exists():
                text = f"instanceStartFile({marker}) is exist, can't create again."
                self._say("LOG", text)
            else:
                marker.touch(mode=0o600)
                self._say("LOG", f"manual stop res({resource}) inst({number}) success.")
        self._restarts = dict.fromkeys(self._restarts, 0)

    def _arguments(self, name: str) -> list[str]:
        if name == "dss":
            return ["-D", str(self._node.dss_home)]
        return ["-D", str(self._node.data)]

    def _output(self, name: str) -> str:
        dss = name == "dss"
        return f"{self._node.dss_home}/startdss.log" if dss else f"{self._node.data}/DBstart.log"


_SCRIPTS = {"dss": "dss_contrl.sh", "dms_res": "dms_contrl.sh"}
_PROGRAMS = {"dss": "dssserver", "dms_res": "gaussdb"}
