"""Looks at ports and processes as a user with fewer rights would, and prints what it sees.

``python look.py [--uid N] [--capability N]... [--address A] PORT...``: becomes the user, keeping
only the capabilities named (numbers of linux/capability.h), takes one look with the real sources
(at the sockets of one address, if told), and prints it as JSON. Run it from the project's folder.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import struct
import sys
import time
from pathlib import Path
from typing import Optional

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from exporter.host.facts import Process
from exporter.host.netns import ClusterNamespace
from exporter.host.network import HostFacts
from exporter.host.process_table import ProcessTable
from exporter.host.processes import ProcessReader
from exporter.host.procfs import Procfs
from exporter.host.users import UserNames
from exporter.ports.facts import Socket
from exporter.ports.owners import OwnerLookup
from exporter.ports.proc_net import ClusterSockets
from exporter.ports.sock_diag import SockDiag

PR_SET_DUMPABLE, PR_SET_KEEPCAPS = 4, 8
CAPABILITY_VERSION_3 = 0x20080522


def become(uid: int, capabilities: list[int]) -> None:
    """Change to a user for good, keeping only these capabilities."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    bits = sum(1 << each for each in capabilities)
    low, high = bits & 0xFFFFFFFF, bits >> 32
    data = struct.pack("=6I", low, low, 0, high, high, 0)
    if libc.capset(struct.pack("=II", CAPABILITY_VERSION_3, 0), data):
        raise OSError(ctypes.get_errno(), "capset")
    libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # as an exec after the change would


def look(ports: frozenset[int], uid: int, address: Optional[str]) -> dict[str, object]:
    """Take one look, as a scrape does."""
    procfs = Procfs(Path("/proc"))
    reader = ProcessReader(procfs, UserNames(Path("/"), time.monotonic), time.time)
    table = ProcessTable(procfs, reader, time.monotonic)
    processes = [p for p in table.of_user(uid).processes if p.id.pid != os.getpid()]
    namespace = ClusterNamespace(procfs)
    namespace.locate(process.id.pid for process in processes)
    sockets = ClusterSockets(SockDiag(namespace.open), procfs, namespace)
    found = [s for s in sockets.all_states(ports) if address in {None, str(s.address)}]
    lookup = OwnerLookup(procfs, reader, table, time.monotonic)
    owners = lookup.owners(found)
    host = HostFacts(procfs, namespace)
    ephemeral = host.ephemeral_ports()
    return {
        "source": sockets.source.value,
        "attribution": lookup.attribution().value,
        "sockets": [_socket(sock) for sock in found],
        "owners": {inode: [_process(p) for p in holders] for inode, holders in owners.items()},
        "processes": [_process(process) for process in processes],
        "ephemeral": None if ephemeral is None else [ephemeral.low, ephemeral.high],
        "addresses": sorted(map(str, host.interface_addresses())),
    }


def _socket(sock: Socket) -> dict[str, object]:
    return {"port": sock.port, "uid": sock.uid, "inode": sock.inode, "state": sock.state.name}


def _process(process: Process) -> dict[str, object]:
    return {
        "pid": process.id.pid,
        "name": process.name,
        "exe": process.exe,
        "uid": process.uid,
        "fds_readable": process.fds_readable,
    }


def main() -> None:
    """Become the user, look, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--uid", type=int, default=None)
    parser.add_argument("--capability", type=int, action="append", default=[])
    parser.add_argument("--address")
    parser.add_argument("ports", type=int, nargs="*")
    options = parser.parse_args()
    if options.uid is not None:
        become(options.uid, options.capability)
    seen = look(frozenset(options.ports), os.geteuid(), options.address)
    sys.stdout.write(json.dumps(seen) + "\n")


if __name__ == "__main__":
    main()
