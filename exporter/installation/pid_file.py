"""postmaster.pid, cm_server.pid and cm_agent.pid: the process that last started here.

All begin with the pid and the data directory. postmaster.pid goes on with the start time, the
port, the socket directory and the address (openGauss-server miscinit.cpp, CreateLockFile).
"""

from __future__ import annotations

from exporter.errors import ParseError
from exporter.host.text import bounded, shown, whole_number
from exporter.installation.facts import PidRecord

_PORT_LINE = 3
_MAX_PID = 2**22  # the kernel's PID_MAX_LIMIT
_MAX_PORT = 65535


def parse_pid_file(text: str, source: str = "pid file") -> PidRecord:
    """Read pid, directory and, where it is told, the port; raises ParseError for no pid.

    A standalone backend writes its pid negative; it listens nowhere, so its file is an error.
    """
    lines = bounded(text, source).split("\n")
    pid = whole_number(lines[0], _MAX_PID)
    if not pid:
        raise ParseError(f"{source}: line 1: expected a pid, found {shown(lines[0])}")
    port = whole_number(lines[_PORT_LINE], _MAX_PORT) if len(lines) > _PORT_LINE else None
    return PidRecord(pid, lines[1].strip() if len(lines) > 1 else "", port or 0)
