"""The cluster's network namespace when it is not ours; what the node is set to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import psutil
import pytest

from exporter.errors import NetlinkRefusedError, ParseError, SourceError
from exporter.host.facts import EphemeralPorts
from exporter.host.netlink import NETLINK_SOCK_DIAG
from exporter.host.netns import ClusterNamespace, Namespace
from exporter.host.network import HostFacts
from exporter.host.procfs import Procfs
from exporter.ports.facts import SocketSource
from exporter.ports.proc_net import ClusterSockets
from exporter.ports.sock_diag import SockDiag
from tests.support import look, without_netlink
from tests.support.holders import Holder

ROOT = Path(__file__).resolve().parents[2]
PROC = Procfs(Path("/proc"))
OMM = 100_000 + os.getpid()  # a user that no other test run has
ELSEWHERE = (
    "ip link set lo up && ip address add 10.77.0.1/32 dev lo && ip address add fd00::7/128 dev lo"
    " && echo 20000 20100 > /proc/sys/net/ipv4/ip_local_port_range"
    " && echo 20005,20010-20012 > /proc/sys/net/ipv4/ip_local_reserved_ports"
    ' && exec "$@"'
)


def _elsewhere(*specs: str, uid: int = 0) -> Holder:
    """Start a holder in a network namespace of its own."""
    options = ["--uid", str(uid)] if uid else []
    prefix = ["unshare", "--net", "sh", "-c", ELSEWHERE, "sh"]
    return Holder(*specs, options=options, prefix=prefix)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Holder]:
    """Let a process of the cluster's user live in another namespace."""
    with _elsewhere("listen,10.77.0.1,15300", "dual,::,15301", "bound,::,0,v6only", uid=OMM) as one:
        yield one


def _namespace(*pids: int) -> ClusterNamespace:
    namespace = ClusterNamespace(PROC)
    namespace.locate(pids)
    return namespace


def _sockets(*pids: int) -> ClusterSockets:
    namespace = _namespace(*pids)
    return ClusterSockets(SockDiag(namespace.open), PROC, namespace)


def _seen_by(*options: str, ports: tuple[int, ...], prefix: tuple[str, ...] = ()) -> dict[str, Any]:
    command = [*prefix, sys.executable, look.__file__, *options, *map(str, ports)]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr.decode()
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


@pytest.mark.privileged
def test_the_clusters_sockets_are_read_in_its_own_namespace(cluster: Holder) -> None:
    """A listener there is seen in full; the same port here is another one."""
    sockets = _sockets(cluster.pid)
    found = sockets.listening(frozenset({15300, 15301}))
    assert [(sock.port, str(sock.address), sock.uid) for sock in found] == [
        (15300, "10.77.0.1", OMM),
        (15301, "::", OMM),
    ]
    assert found[1].v6only is False
    assert sockets.source is SocketSource.SOCK_DIAG
    inodes = {sock.inode for sock in found}
    assert not inodes & {sock.inode for sock in SockDiag().all_states(frozenset({15300, 15301}))}


@pytest.mark.privileged
def test_a_stranger_in_another_namespace_holds_nothing_here(cluster: Holder) -> None:
    """While the cluster lives in our namespace, ports of any other are not read."""
    ports = frozenset({15300, 15301})
    held = {int(sock["inode"]) for sock in cluster.sockets}
    here = _sockets(cluster.pid, os.getpid()).all_states(ports)
    there = _sockets(cluster.pid).all_states(ports)
    assert {sock.inode for sock in there} <= held
    assert not {sock.inode for sock in here} & held


@pytest.mark.privileged
def test_without_the_right_to_go_there_the_text_file_is_read(cluster: Holder) -> None:
    """The cluster's user sees its own listener in the other namespace, by /proc/PID/net/tcp."""
    seen = _seen_by("--uid", str(OMM), ports=(15300,))
    assert seen["source"] == "procfs"
    assert [sock["inode"] for sock in seen["sockets"]] == [cluster.inode]
    assert seen["addresses"] == ["10.77.0.1", "127.0.0.1", "::1", "fd00::7"]
    assert seen["ephemeral"] is None


@pytest.mark.privileged
def test_who_goes_to_another_namespace_stays_here_otherwise(cluster: Holder) -> None:
    """Only the thread that opens the socket leaves, and it ends; no thread is left over."""
    ours, threads = PROC.network_namespace("self"), threading.active_count()
    namespace = _namespace(cluster.pid)
    assert namespace.current is not None
    with namespace.open(NETLINK_SOCK_DIAG) as sock:
        assert sock.fileno() >= 0
    assert PROC.network_namespace("thread-self") == ours
    assert threading.active_count() == threads


@pytest.mark.privileged
def test_the_namespace_is_remembered_while_anything_lives_in_it() -> None:
    """A stopped cluster's ports are looked for where it was; where nothing is left, at home."""
    namespace = _namespace()
    assert namespace.current is None
    with _elsewhere("listen,0.0.0.0,15300") as cluster:
        child = int(cluster.command("fork")["pid"])
        namespace.locate([cluster.pid])
        first = namespace.current
        assert first is not None
        assert first.pid == cluster.pid
        cluster.command("die")
        cluster.process.wait(timeout=10)
        namespace.locate([])
        assert namespace.current == Namespace(first.inode, child)
    namespace.locate([])
    assert namespace.current is None


@pytest.mark.privileged
def test_a_pid_that_is_in_another_namespace_now_is_an_error(cluster: Holder) -> None:
    """The namespace is the one that was meant, or none is entered."""
    namespace = _namespace(cluster.pid)
    assert namespace.current is not None
    namespace.current = namespace.current._replace(inode=namespace.current.inode + 1)
    with pytest.raises(ProcessLookupError):
        namespace.run(os.getpid)
    with pytest.raises(SourceError) as caught:
        SockDiag(namespace.open).listening(frozenset({1}))
    assert not isinstance(caught.value, NetlinkRefusedError)


@pytest.mark.privileged
def test_the_settings_are_those_of_the_clusters_namespace(cluster: Holder) -> None:
    """Addresses, port range and reserved ports of the other namespace, not of ours."""
    host = HostFacts(PROC, _namespace(cluster.pid))
    reserved = frozenset({20005, 20010, 20011, 20012})
    assert host.ephemeral_ports() == EphemeralPorts(20000, 20100, reserved)
    assert {ip_address("10.77.0.1"), ip_address("fd00::7")} <= host.interface_addresses()


def _ours() -> HostFacts:
    return HostFacts(PROC, ClusterNamespace(PROC))


def _psutils_addresses() -> set[str]:
    found = (each.address for every in psutil.net_if_addrs().values() for each in every)
    return {text.split("%")[0] for text in found if not (text.count(":") == 5 and len(text) == 17)}


def test_our_own_addresses_are_those_that_psutil_sees() -> None:
    """Another implementation finds the same addresses on the same interfaces."""
    assert set(map(str, _ours().interface_addresses())) == _psutils_addresses()


def test_where_netlink_is_refused_the_addresses_come_from_text_files() -> None:
    """Under a real filter of system calls the same addresses are found."""
    seen = _seen_by(ports=(), prefix=(sys.executable, without_netlink.__file__))
    assert set(seen["addresses"]) == _psutils_addresses()


def test_our_own_port_range_is_the_kernels() -> None:
    """Both ends are those of the setting."""
    text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    found = _ours().ephemeral_ports()
    assert found is not None
    assert [found.low, found.high] == [int(word) for word in text.split()]


def test_settings_that_cannot_be_read_are_not_made_up(tmp_path: Path) -> None:
    """There is no range where none can be read, and a strange one is an error."""
    procfs = Procfs(tmp_path)
    host = HostFacts(procfs, ClusterNamespace(procfs))
    assert host.ephemeral_ports() is None
    folder = tmp_path / "sys" / "net" / "ipv4"
    folder.mkdir(parents=True)
    (folder / "ip_local_port_range").write_text("all of them\n")
    (folder / "ip_local_reserved_ports").write_text("\n")
    with pytest.raises(ParseError):
        host.ephemeral_ports()
