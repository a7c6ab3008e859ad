"""/proc/PID/net/tcp: its lines, against the real kernel, and the fallback to it."""

from __future__ import annotations

import contextlib
import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import NetlinkRefusedError, ParseError, SourceError
from exporter.host.facts import IPAddress
from exporter.host.netns import ClusterNamespace
from exporter.host.procfs import Procfs
from exporter.ports.facts import Socket, SocketSource, TcpState
from exporter.ports.proc_net import ClusterSockets, ProcNet, SocketReader, parse_sockets
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


TITLE = (
    b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout"
    b" inode                                                     \n"
)
TITLE6 = (
    b"  sl  local_address                         remote_address                        st tx_queue"
    b" rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
)
# Two lines as a little-endian machine (kernel 6.18) printed them.
LISTENER = (
    b"   0: 0100007F:3BC4 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0"
    b" 56613 1 0000000000000000 100 0 0 10 0                     \n"
)
TIME_WAIT = (
    b"11523: 0100007F:3BC4 0100007F:B465 06 00000000:00000000 03:00000ED7 00000000     0        0"
    b" 0 3 0000000000000000\n"
)
PORT = frozenset({15300})


def _row(sock: Socket, number: int) -> bytes:
    def end(address: IPAddress, port: int) -> bytes:
        size = len(address.packed) // 4
        words = struct.unpack(f"={size}I", address.packed)
        return b"".join(b"%08X" % word for word in words) + b":%04X" % port

    return b"%4d: %s %s %02X 00000000:00000000 00:00000000 00000000 %5d        0 %d 1 ffff\n" % (
        number,
        end(sock.address, sock.port),
        end(sock.address, 40000),
        sock.state,
        sock.uid,
        sock.inode,
    )


IPV4 = st.integers(0, 2**32 - 1).map(IPv4Address)
IPV6: st.SearchStrategy[IPAddress] = (
    st.integers(0, 2**128 - 1).map(IPv6Address).filter(lambda a: a.ipv4_mapped is None)
)


def _socket(version: int) -> st.SearchStrategy[Socket]:
    addresses: st.SearchStrategy[IPAddress] = IPV4 if version == 4 else IPV6
    return st.builds(
        Socket,
        family=st.just(version),
        state=st.sampled_from(TcpState),
        address=addresses,
        port=st.integers(0, 65535),
        uid=st.integers(0, 2**32 - 1),
        inode=st.integers(0, 2**32 - 1),
        v6only=st.none(),
        cgroup_id=st.none(),
    )


@given(st.lists(_socket(4), max_size=8) | st.lists(_socket(6), max_size=8), st.data())
@settings(deadline=None)
def test_the_rows_on_the_ports_come_back(sockets: list[Socket], data: st.DataObject) -> None:
    """Every socket on a port that is asked for is read in full, and no other."""
    every = [sock.port for sock in sockets]
    ports = frozenset(data.draw(st.lists(st.sampled_from(every)))) if every else frozenset()
    text = TITLE + b"".join(_row(sock, number) for number, sock in enumerate(sockets))
    assert parse_sockets(text, ports) == [sock for sock in sockets if sock.port in ports]


@pytest.mark.skipif(struct.pack("=H", 1) == b"\0\1", reason="the lines are of the other kind")
def test_the_kernels_own_lines_are_read() -> None:
    """A listener and a TIME_WAIT as a real kernel printed them."""
    listener, waiting = parse_sockets(TITLE + LISTENER + TIME_WAIT, PORT)
    loopback = IPv4Address("127.0.0.1")
    assert listener == Socket(4, TcpState.LISTEN, loopback, 15300, uid=1000, inode=56613)
    assert waiting == Socket(4, TcpState.TIME_WAIT, loopback, 15300, uid=0, inode=0)


def test_a_mapped_address_is_the_ipv4_address_that_it_is() -> None:
    """An IPv6 socket with an IPv4 peer shows its IPv4 address and keeps its family."""
    mapped = IPv6Address("::ffff:10.0.0.1")
    sock = Socket(6, TcpState.ESTABLISHED, mapped, 15300, 0, 5)
    (read,) = parse_sockets(TITLE6 + _row(sock, 0), PORT)
    assert (read.family, read.address) == (6, IPv4Address("10.0.0.1"))


@pytest.mark.parametrize("row", [LISTENER.replace(b" 0A ", b" 63 "), LISTENER[:90] + b"\n"])
def test_a_malformed_row_on_the_port_is_an_error(row: bytes) -> None:
    """A row with a strange state, or cut short, is not passed over."""
    with pytest.raises(ParseError):
        parse_sockets(TITLE + row, PORT)


@pytest.mark.parametrize("data", [b"", LISTENER, b"<html>"])
def test_a_text_without_the_title_is_an_error(data: bytes) -> None:
    """An empty or strange file is never taken for "no sockets"."""
    with pytest.raises(ParseError):
        parse_sockets(data, PORT)


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_garbage_raises_nothing_but_a_parse_error(data: bytes) -> None:
    """Bytes behind the title give no sockets or a ParseError, never another failure."""
    with contextlib.suppress(ParseError):
        parse_sockets(TITLE + data, PORT)
