"""Who holds a socket: the real kernel's sockets and real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Optional

import pytest

from exporter.errors import SourceError
from exporter.host.facts import Process
from exporter.host.process_table import ProcessTable
from exporter.host.processes import ProcessReader
from exporter.host.procfs import Procfs
from exporter.host.users import UserNames
from exporter.ports.facts import Attribution, Socket, TcpState
from exporter.ports.owners import OwnerLookup
from exporter.ports.sock_diag import SockDiag
from tests.support import look
from tests.support.holders import LOOPBACK, Holder, copy_interpreter

ROOT = Path(__file__).resolve().parents[2]
OMM = 100_000 + os.getpid()  # a user that no other test run has
STRANGER = OMM + 5_000_000
CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE = 2, 19


class Clock:
    """A clock that stands still until told; each reading may cost time."""

    def __init__(self, cost: float = 0.0) -> None:
        self.now = 1000.0
        self.cost = cost

    def __call__(self) -> float:
        """Tell the time in seconds."""
        self.now += self.cost
        return self.now


class CountingProcfs(Procfs):
    """The real /proc, counting the walks through open files."""

    def __init__(self) -> None:
        super().__init__(Path("/proc"))
        self.walked: list[str] = []
        self.hidden: set[str] = set()

    def open_files(self, pid: str) -> Optional[list[str]]:
        """List as ever, and note whose files were listed."""
        self.walked.append(pid)
        return None if pid in self.hidden else super().open_files(pid)


class Look:
    """Everything that a look at the holders of some ports takes."""

    def __init__(self, clock: Optional[Clock] = None, walk_seconds: float = 60.0) -> None:
        self.clock = clock or Clock()
        self.procfs = CountingProcfs()
        plain = Procfs(Path("/proc"))
        reader = ProcessReader(plain, UserNames(Path("/"), self.clock), time.time)
        self.table = ProcessTable(plain, reader, self.clock)
        self.lookup = OwnerLookup(self.procfs, reader, self.table, self.clock, walk_seconds)

    def sockets(self, *ports: int) -> list[Socket]:
        """List this run's own sockets on the ports."""
        found = SockDiag().all_states(frozenset(ports))
        return [sock for sock in found if sock.address == ip_address(LOOPBACK)]

    def owners(self, sockets: Sequence[Socket]) -> dict[int, tuple[Process, ...]]:
        """Look as a scrape does: the processes first, then the holders."""
        self.table.of_user(os.geteuid())
        return self.lookup.owners(sockets)

    def pids(self, sockets: Sequence[Socket]) -> dict[int, list[int]]:
        """Give the pids alone."""
        return {i: [p.id.pid for p in found] for i, found in self.owners(sockets).items()}


def test_the_holder_of_a_listener_is_found() -> None:
    """The process with the socket among its open files, and no other."""
    with Holder(f"listen,{LOOPBACK},0") as holder:
        look = Look()
        assert look.pids(look.sockets(holder.port)) == {holder.inode: [holder.pid]}


def test_the_second_look_walks_through_no_files() -> None:
    """A holder that still holds is verified, not searched for."""
    with Holder(f"listen,{LOOPBACK},0") as holder:
        look = Look()
        sockets = look.sockets(holder.port)
        known = set(look.table.uids())
        look.owners(sockets)
        look.procfs.walked.clear()
        assert look.pids(sockets) == {holder.inode: [holder.pid]}
        assert not known & set(look.procfs.walked)


@pytest.mark.privileged
def test_processes_of_the_sockets_user_are_looked_through_first() -> None:
    """The likely holder is found before the rest of the host is walked."""
    with Holder(f"listen,{LOOPBACK},0", options=["--uid", str(OMM)]) as holder:
        look = Look()
        look.lookup.owners(look.sockets(holder.port))
        assert look.procfs.walked[0] == str(holder.pid)


def test_a_socket_without_inode_has_no_owner() -> None:
    """TIME_WAIT is nobody's, not the first process' that has no socket."""
    with Holder(f"timewait,{LOOPBACK},0") as holder:
        look = Look()
        (sock,) = look.sockets(holder.port)
        assert (sock.state, look.owners([sock])) == (TcpState.TIME_WAIT, {})


def test_an_inherited_listener_has_two_holders() -> None:
    """A child that a server forks between two looks is noticed at the next."""
    with Holder(f"listen,{LOOPBACK},0") as holder:
        look = Look()
        sockets = look.sockets(holder.port)
        look.owners(sockets)
        child = int(holder.command("fork")["pid"])
        assert look.pids(sockets) == {holder.inode: sorted([holder.pid, child])}
        (found,) = look.owners(sockets).values()
        assert {p.id.pid: p.parent_pid for p in found}[child] == holder.pid


def test_the_heir_is_found_when_the_opener_is_gone() -> None:
    """The socket outlives the process that opened it, and its holder is then another."""
    with Holder(f"listen,{LOOPBACK},0") as holder:
        look = Look()
        sockets = look.sockets(holder.port)
        look.owners(sockets)
        child = int(holder.command("fork")["pid"])
        holder.command("die")
        holder.process.wait(timeout=10)
        assert look.pids(sockets) == {holder.inode: [child]}


def test_a_holder_that_exits_between_two_looks_is_no_error() -> None:
    """What was a socket a moment ago is nobody's, and nothing fails."""
    look = Look()
    with Holder(f"listen,{LOOPBACK},0") as holder:
        sockets = look.sockets(holder.port)
        assert look.owners(sockets)
    assert look.owners(sockets) == {}


def test_a_holder_that_closed_the_socket_holds_it_no_more() -> None:
    """The process lives on, but is no holder."""
    with Holder(f"listen,{LOOPBACK},0") as holder:
        look = Look()
        sockets = look.sockets(holder.port)
        look.owners(sockets)
        holder.command("close")
        assert look.owners(sockets) == {}


def test_two_listeners_on_one_port_have_an_owner_each() -> None:
    """With SO_REUSEPORT one port has two sockets of two processes."""
    with ExitStack() as stack:
        one = stack.enter_context(Holder(f"listen,{LOOPBACK},0,reuseport"))
        two = stack.enter_context(Holder(f"listen,{LOOPBACK},{one.port},reuseport"))
        look = Look()
        assert look.pids(look.sockets(one.port)) == {one.inode: [one.pid], two.inode: [two.pid]}


def test_ten_thousand_open_files_hide_no_socket() -> None:
    """The socket behind thousands of other files is found, at whatever number."""
    with Holder(f"listen,{LOOPBACK},0", options=["--files", "10000"]) as holder:
        look = Look()
        assert holder.ready["files"] == 10000
        assert look.pids(look.sockets(holder.port)) == {holder.inode: [holder.pid]}


def test_a_search_that_runs_out_of_time_goes_on_at_the_next_look() -> None:
    """Each look stops at its deadline, no process is looked through twice, and all are at last."""
    with Holder(f"listen,{LOOPBACK},0", options=["--files", "5000"]) as holder:
        look = Look(Clock(cost=1.0), walk_seconds=5.0)
        sockets = look.sockets(holder.port)
        known = set(look.table.uids())
        look.owners([])
        looks = 0
        while not look.owners(sockets):
            looks += 1
            assert looks < 1000
        assert looks >= 2
    assert set(Counter(pid for pid in look.procfs.walked if pid in known).values()) == {1}


def test_what_cannot_be_found_is_searched_for_again_only_after_a_while() -> None:
    """A socket whose holder hides costs one walk in half a minute, and is found once it can be."""
    with Holder(f"listen,{LOOPBACK},0") as holder:
        look = Look()
        look.procfs.hidden = {str(holder.pid)}
        sockets = look.sockets(holder.port)
        assert look.owners(sockets) == {}
        look.procfs.walked.clear()
        look.procfs.hidden.clear()
        assert look.owners(sockets) == {}
        assert str(holder.pid) not in look.procfs.walked
        look.clock.now += 31
        assert look.pids(sockets) == {holder.inode: [holder.pid]}


def test_attribution_is_lowered_while_a_holder_is_not_found() -> None:
    """Even with every right, "full" is only said when every holder was seen."""
    with Holder(f"listen,{LOOPBACK},0") as holder:
        look = Look()
        look.procfs.hidden = {str(holder.pid)}
        sockets = look.sockets(holder.port)
        look.owners(sockets)
        assert look.lookup.attribution() is Attribution.UID


def test_a_socket_that_nobody_asks_for_is_forgotten() -> None:
    """What is remembered does not grow with the sockets that came and went."""
    look = Look()
    with Holder(*[f"listen,{LOOPBACK},0"] * 20) as holder:
        look.owners(look.sockets(*(int(sock["port"]) for sock in holder.sockets)))
    look.clock.now += 61
    look.owners([])
    assert (look.lookup._sockets, look.lookup._processes) == ({}, {})


def test_without_a_proc_file_system_the_search_is_an_error(tmp_path: Path) -> None:
    """Nothing is said of holders when nothing could be read."""
    procfs = Procfs(tmp_path / "missing")
    reader = ProcessReader(procfs, UserNames(Path("/"), time.monotonic), time.time)
    table = ProcessTable(procfs, reader, time.monotonic)
    lookup = OwnerLookup(procfs, reader, table, time.monotonic)
    with Holder(f"listen,{LOOPBACK},0") as holder, pytest.raises(SourceError):
        lookup.owners(SockDiag().all_states(frozenset({holder.port})))


def _seen_by(*options: str, ports: Iterable[int], prefix: Sequence[str] = ()) -> dict[str, Any]:
    words = ["--address", LOOPBACK, *options, *map(str, ports)]
    command = [*prefix, sys.executable, look.__file__, *words]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr.decode()
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


@pytest.mark.privileged
def test_without_rights_another_users_holder_is_a_uid() -> None:
    """The cluster user sees the stranger's uid, no process, and says that this is all it can."""
    with Holder(f"listen,{LOOPBACK},0", options=["--uid", str(STRANGER)]) as holder:
        seen = _seen_by("--uid", str(OMM), ports=[holder.port])
    assert [sock["uid"] for sock in seen["sockets"]] == [STRANGER]
    assert (seen["owners"], seen["attribution"]) == ({}, "uid")


@pytest.mark.privileged
def test_without_rights_the_own_users_holder_is_seen_in_full() -> None:
    """Nothing is needed to see the processes of the own user."""
    with Holder(f"listen,{LOOPBACK},0", options=["--uid", str(OMM)]) as holder:
        seen = _seen_by("--uid", str(OMM), ports=[holder.port])
    (found,) = seen["owners"][str(holder.inode)]
    assert (found["pid"], found["uid"]) == (holder.pid, OMM)
    assert found["exe"] == str(Path(sys.executable).resolve())
    assert [process["pid"] for process in seen["processes"]] == [holder.pid]


@pytest.mark.privileged
@pytest.mark.parametrize(
    ("capabilities", "level", "pids"),
    [
        ([CAP_SYS_PTRACE], "uid", 0),
        ([CAP_DAC_READ_SEARCH], "uid", 0),
        ([CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH], "full", 1),
    ],
)
def test_both_capabilities_are_needed_to_see_another_users_holder(
    capabilities: list[int], level: str, pids: int
) -> None:
    """One of them alone shows nothing, and is not called more than it is."""
    options = [word for each in capabilities for word in ("--capability", str(each))]
    with Holder(f"listen,{LOOPBACK},0", options=["--uid", str(STRANGER)]) as holder:
        seen = _seen_by("--uid", str(OMM), *options, ports=[holder.port])
    assert seen["attribution"] == level
    assert len(seen["owners"].get(str(holder.inode), [])) == pids


@pytest.mark.privileged
def test_a_process_that_hides_from_its_own_user_is_there_without_its_files() -> None:
    """A cluster process with file capabilities is listed by name, and says what is missing."""
    options = ["--uid", str(OMM), "--undumpable"]
    with Holder(f"listen,{LOOPBACK},0", options=options) as holder:
        seen = _seen_by("--uid", str(OMM), ports=[holder.port])
    (process,) = seen["processes"]
    assert (process["pid"], process["exe"], process["fds_readable"]) == (holder.pid, "", False)
    assert process["name"].startswith("python")
    assert (seen["owners"], seen["attribution"]) == ({}, "uid")


HIDE = 'mount -o remount,hidepid="$0" /proc && exec "$@"'


@pytest.mark.privileged
@pytest.mark.parametrize("hidepid", ["1", "2"])
def test_hidepid_costs_nothing_but_the_strangers(hidepid: str, tmp_path: Path) -> None:
    """With /proc mounted so, the own processes and every socket's uid are seen all the same."""
    script = tmp_path / "holders.py"
    script.write_text(
        "import subprocess, sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from tests.support.holders import LOOPBACK, Holder\n"
        "from tests.support import look\n"
        "with Holder('listen,' + LOOPBACK + ',0', options=['--uid', sys.argv[2]]) as own,"
        " Holder('listen,' + LOOPBACK + ',0', options=['--uid', sys.argv[3]]) as other:\n"
        "    command = [sys.executable, look.__file__, '--address', LOOPBACK]\n"
        "    command += ['--uid', sys.argv[2]]\n"
        "    subprocess.run([*command, str(own.port), str(other.port)], check=True)\n",
        encoding="utf-8",
    )
    namespace = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", HIDE, hidepid]
    command = [*namespace, sys.executable, str(script), str(ROOT), str(OMM), str(STRANGER)]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    seen = json.loads(done.stdout)
    assert sorted(sock["uid"] for sock in seen["sockets"]) == [OMM, STRANGER]
    assert [p["uid"] for holders in seen["owners"].values() for p in holders] == [OMM]
    assert seen["attribution"] == "uid"


def test_a_name_of_rubbish_becomes_text(tmp_path: Path) -> None:
    """Newline, quotes, HTML and bytes that are no UTF-8 make a name that can be printed."""
    rubbish = b'a\n"<b>\\\xff\xc3)'
    exe = copy_interpreter(tmp_path / "x\n<i>", "cm server")
    options = ["--name-hex", rubbish.hex()]
    with Holder(f"listen,{LOOPBACK},0", options=options, exe=exe) as holder:
        look = Look()
        ((found,),) = look.owners(look.sockets(holder.port)).values()
    assert found.name == 'a\n"<b>\\\ufffd\ufffd)'
    assert found.exe == str(exe)
    assert found.name.encode("utf-8").decode("utf-8") == found.name
