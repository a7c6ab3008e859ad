"""Made-up sockets and processes for the pure rooms' tests."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Optional

from exporter.host.facts import Process, ProcessId
from exporter.ports.facts import ClusterIdentity, Endpoint, Socket, SocketFacts, TcpState

OMM, OTHER_USER = 1000, 2000
APP = "/opt/huawei/install/app"
CM_PORT = 15300
CLUSTER = ClusterIdentity(uid=OMM, user="omm", gausshome=APP, app_dirs=(APP + "_d712af3",))


def endpoint(
    word: str = "cm_server",
    *addresses: str,
    port: int = CM_PORT,
    binds: bool = True,
    precheck: bool = True,
    process: str = "cm_server",
    data_dir: Optional[str] = None,
) -> Endpoint:
    """Make an endpoint of instance 1; without addresses nobody told what is bound."""
    bound = tuple(ip_address(a) for a in addresses) or None
    return Endpoint(
        word, "1", port, process, "cm_server", bound, binds, precheck, data_dir=data_dir
    )


def process(
    pid: int,
    exe: str = f"{APP}_d712af3/bin/cm_server",
    uid: int = OMM,
    ticks: Optional[int] = None,
    gausshome: Optional[str] = None,
    data_dir: Optional[str] = None,
    parent: int = 1,
    *,
    fds_readable: bool = True,
) -> Process:
    """Make a process that started at ``ticks`` (its pid, unless told)."""
    started = pid if ticks is None else ticks
    return Process(
        id=ProcessId(pid, started),
        name=exe.removesuffix(" (deleted)").rsplit("/", 1)[-1][:15],
        exe=exe,
        uid=uid,
        user={OMM: "omm", OTHER_USER: "web"}.get(uid, str(uid)),
        start_time=1_700_000_000.0 + started,
        gausshome=gausshome,
        data_dir=data_dir,
        fds_readable=fds_readable,
        parent_pid=parent,
    )


def socket(
    address: str = "0.0.0.0",  # noqa: S104 -- nothing is bound here
    inode: int = 1,
    state: TcpState = TcpState.LISTEN,
    port: int = CM_PORT,
    uid: int = OTHER_USER,
    family: Optional[int] = None,
    *,
    v6only: Optional[bool] = False,
) -> Socket:
    """Make a socket; the family is the address' own unless it is v4-mapped."""
    where = ip_address(address)
    return Socket(
        family=family or where.version,
        state=state,
        address=where,
        port=port,
        uid=uid if inode else 0,
        inode=inode,
        v6only=v6only if (family or where.version) == 6 else None,
    )


def facts(*pairs: tuple[Socket, tuple[Process, ...]]) -> SocketFacts:
    """Join sockets with the processes that hold them."""
    return SocketFacts(
        sockets=tuple(one for one, _ in pairs),
        owners={one.inode: owners for one, owners in pairs if owners},
        users={OTHER_USER: "web", OMM: "omm"},
    )
