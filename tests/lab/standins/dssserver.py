"""The stand-in of dssserver: binds its port of dss_inst.ini, or dies as the real one does."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from tests.lab.standins import ports
from tests.lab.standins.logfile import stamp
from tests.lab.standins.plan import LabPlan, NodePlan

READY_FILE = "ready.standin"  # the real one answers on its Unix socket


def main(plan: LabPlan, node: NodePlan, arguments: list[str]) -> int:
    """Run dssserver; `-D` names DSS_HOME."""
    del plan
    os.umask(0o077)
    home = Path(arguments[arguments.index("-D") + 1])
    (home / READY_FILE).unlink(missing_ok=True)
    address, port, number = _own_place(home)
    fault = node.fault("dssserver_dies")
    if fault is not None:
        _say(home, fault.strip())
        return 1
    try:
        if ports.answers(address, port):
            raise FileExistsError  # MES connects before it binds
        listener = ports.listen(address, port)
    except OSError as taken:
        code = taken.errno or 17
        where = f"Host_name: {address}, inst_id:{number}, port:{port}, os error:{code}."
        _say(home, "[mes] failed to create lsnr sockets for listener type 0 [cs_listener.c:434]")
        _say(home, f"[mes]:Start tcp lsnr failed. {where} [mes_tcp.c:839]")
        _say(home, "[mes]mes_init failed. [mes_func.c:1123]")
        _say(home, "DSS instance failed to startup mes [dss_instance.c:231]")
        return 1
    (home / READY_FILE).touch()
    with listener:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        threading.Event().wait()
    return 0


def _own_place(home: Path) -> tuple[str, int, int]:
    values = {}
    for line in (home / "cfg/dss_inst.ini").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition("=")
        values[name.strip()] = value.strip()
    own = values["INST_ID"]
    for entry in values["DSS_NODES_LIST"].split(","):
        number, address, port = entry.split(":")
        if number == own:
            return address, int(port), int(own)
    raise KeyError(own)


def _say(home: Path, text: str) -> None:
    directory = home / "log/run"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (directory / "dssinstance.rlog").open("a", encoding="utf-8") as log:
        log.write(f"UTC+0 {stamp()}|dssserver|{os.getpid()}|ERROR>{text}\n")
