"""Bind as the real programs bind, and look at ports as cm_agent looks at them."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

# the first line of /proc/net/tcp as cm_agent's records show it
TITLE = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt"
    "   uid  timeout inode  "
)
_LISTEN = "0A"
_LSOF_TITLE = "COMMAND PID USER FD TYPE DEVICE SIZE/OFF NODE NAME"


def listener_row(port: int) -> str | None:
    """Return the row of a listener on that port, whatever its address; IPv4 only, as cm_agent."""
    for row in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        fields = row.split()
        if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
            return row
    return None


def lsof(row: str) -> str | None:
    """Return what lsof prints about a row's listener; None unless this user may see its process."""
    _, local, *_, inode = row.split()[:10]
    port = int(local.rpartition(":")[2], 16)
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):  # gone, or another user's
                descriptor = _descriptor(process, f"socket:[{inode}]")
                if descriptor is not None:
                    name = (process / "comm").read_text(errors="replace").strip()
                    line = f"{name} {process.name} {os.getuid()} {descriptor}u IPv4 {inode} 0t0"
                    return f"{_LSOF_TITLE}\n{line} TCP *:{port} (LISTEN)\n"
    return None


def _descriptor(process: Path, target: str) -> str | None:
    links = (process / "fd").iterdir()
    return next((link.name for link in links if str(link.readlink()) == target), None)


def listen(address: str, port: int, backlog: int = 128) -> socket.socket:
    """Bind and listen with SO_REUSEADDR, IPv6 with V6ONLY; raise OSError as the kernel says."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port))
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener


def answers(address: str, port: int) -> bool:
    """Whether somebody accepts there: what MES tries before it binds (error 308)."""
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False
