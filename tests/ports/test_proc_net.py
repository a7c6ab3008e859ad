"""/proc/PID/net/tcp against the real kernel, and the fallback to it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from exporter.errors import NetlinkRefusedError, ParseError, SourceError
from exporter.host.netns import ClusterNamespace
from exporter.host.procfs import Procfs
from exporter.ports.facts import Socket, SocketSource, TcpState
from exporter.ports.proc_net import ClusterSockets, ProcNet, SocketReader
from exporter.ports.sock_diag import SockDiag
from tests.support import without_netlink
from tests.support.holders import LOOPBACK, Holder

NET = Path("/proc/self/net")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def holder() -> Iterator[Holder]:
    """Hold sockets of many kinds."""
    with Holder(
        f"listen,{LOOPBACK},0,noreuse",
        "dual,::,0",
        f"accepted,{LOOPBACK},0,noreuse",
        f"connection,::ffff:{LOOPBACK},0,noreuse",
        f"timewait,{LOOPBACK},0,noreuse",
        f"bound,{LOOPBACK},0,noreuse",
    ) as made:
        yield made


@pytest.fixture
def ports(holder: Holder) -> frozenset[int]:
    """Give the ports of all these sockets."""
    return frozenset(int(sock["port"]) for sock in holder.sockets)


def _mine(holder: Holder, sockets: list[Socket]) -> list[Socket]:
    """Leave out what other programs of this host have on the same ports."""
    inodes = {int(sock["inode"]) for sock in holder.sockets} - {0}
    own = ip_address(LOOPBACK)
    return [sock for sock in sockets if sock.address == own or sock.inode in inodes]


def _comparable(holder: Holder, sockets: list[Socket]) -> list[Socket]:
    mine = _mine(holder, sockets)
    plain = (sock._replace(v6only=None, cgroup_id=None) for sock in mine)
    return sorted(sock for sock in plain if sock.state is not TcpState.BOUND_INACTIVE)


def test_both_sources_tell_the_same_of_every_socket(holder: Holder, ports: frozenset[int]) -> None:
    """Apart from the v6-only flag, the cgroup and bound sockets, the text file tells it all."""
    for look in ("listening", "all_states"):
        text = getattr(ProcNet(NET), look)(ports)
        netlink = getattr(SockDiag(), look)(ports)
        assert _comparable(holder, text) == _comparable(holder, netlink) != []


def test_the_text_file_does_not_tell_dual_stack_from_v6only(holder: Holder) -> None:
    """The flag is None, not a guess."""
    port, inode = int(holder.sockets[1]["port"]), holder.sockets[1]["inode"]
    listeners = ProcNet(NET).listening(frozenset({port}))
    (found,) = (sock for sock in listeners if sock.inode == inode)
    assert (found.family, found.v6only, found.cgroup_id) == (6, None, None)


def test_the_text_file_is_honest_about_bound_sockets(holder: Holder) -> None:
    """It shows none, and says that it does not."""
    reader = ProcNet(NET)
    port = frozenset({int(holder.sockets[5]["port"])})
    assert _mine(holder, reader.all_states(port)) == []
    assert not reader.sees_bound_sockets
    assert reader.source is SocketSource.PROCFS


def test_a_process_that_is_gone_is_an_error(tmp_path: Path) -> None:
    """A missing file is never "no sockets"."""
    with pytest.raises(SourceError):
        ProcNet(tmp_path / "1" / "net").listening(frozenset({1}))


def test_a_kernel_without_ipv6_has_no_second_file(tmp_path: Path) -> None:
    """Without tcp6 the IPv4 sockets are all there is; an empty file is no such case."""
    net = tmp_path / "self" / "net"
    net.mkdir(parents=True)
    (net / "tcp").write_bytes((NET / "tcp").read_bytes())
    assert isinstance(ProcNet(net).listening(frozenset({1})), list)
    (net / "tcp6").write_bytes(b"")
    with pytest.raises(ParseError):
        ProcNet(net).listening(frozenset({1}))


class Refused:
    """A reader that is refused as long as it is told so."""

    source = SocketSource.SOCK_DIAG
    sees_bound_sockets = True
    refused = True

    def listening(self, ports: frozenset[int]) -> list[Socket]:
        """Answer as the kernel does, unless refused."""
        if self.refused:
            raise NetlinkRefusedError("refused")
        return SockDiag().listening(ports)

    all_states = listening


def _with_fallback(netlink: SocketReader) -> ClusterSockets:
    procfs = Procfs(Path("/proc"))
    return ClusterSockets(netlink, procfs, ClusterNamespace(procfs))


@pytest.mark.parametrize("look", ["listening", "all_states"])
def test_the_fallback_answers_while_the_first_is_refused(look: str, holder: Holder) -> None:
    """The answer is there, the source is told, and the first is asked again each time."""
    first = Refused()
    reader = _with_fallback(first)
    port = frozenset({holder.port})
    found = _mine(holder, getattr(reader, look)(port))
    assert [sock.inode for sock in found] == [holder.inode]
    assert (reader.source, reader.sees_bound_sockets) == (SocketSource.PROCFS, False)
    first.refused = False
    found = _mine(holder, getattr(reader, look)(port))
    assert [sock.inode for sock in found] == [holder.inode]
    assert (reader.source, reader.sees_bound_sockets) == (SocketSource.SOCK_DIAG, True)


def test_a_failure_is_no_refusal() -> None:
    """An error other than a refusal is not hidden by the fallback."""

    class Broken(Refused):
        def listening(self, ports: frozenset[int]) -> list[Socket]:
            """Fail."""
            raise SourceError(str(ports))

    with pytest.raises(SourceError):
        _with_fallback(Broken()).listening(frozenset({1}))


LOOK = """
import json, sys
from pathlib import Path
from exporter.host.netns import ClusterNamespace
from exporter.host.procfs import Procfs
from exporter.ports.proc_net import ClusterSockets
from exporter.ports.sock_diag import SockDiag
procfs = Procfs(Path("/proc"))
reader = ClusterSockets(SockDiag(), procfs, ClusterNamespace(procfs))
found = reader.listening(frozenset({int(sys.argv[1])}))
print(json.dumps({"source": reader.source, "inodes": [sock.inode for sock in found]}))
"""


def test_a_real_seccomp_filter_leaves_the_text_file(holder: Holder) -> None:
    """Where the kernel refuses netlink sockets the holder is found all the same."""
    command = [sys.executable, without_netlink.__file__, sys.executable, "-c", LOOK]
    done = subprocess.run(
        [*command, str(holder.port)], capture_output=True, timeout=30, check=True, cwd=ROOT
    )
    seen = json.loads(done.stdout)
    assert seen["source"] == "procfs"
    assert holder.inode in seen["inodes"]
