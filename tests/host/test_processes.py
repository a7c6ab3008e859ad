"""What a process is, and which run: real processes, psutil as the second opinion."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Optional

import psutil
import pytest

from exporter.errors import SourceError
from exporter.host.facts import Process, ProcessId
from exporter.host.process_table import ProcessTable
from exporter.host.processes import ProcessReader
from exporter.host.procfs import Procfs
from exporter.host.users import UserNames
from tests.support.holders import LOOPBACK, Holder, copy_interpreter

OMM = 100_000 + os.getpid()  # a user that no other test run has


def boot_time() -> float:
    """Reckon the moment of boot."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


class Clock:
    """A clock that stands still until told."""

    now = 1000.0

    def __call__(self) -> float:
        """Tell the time in seconds."""
        return self.now


class CountingProcfs(Procfs):
    """Some /proc, noting the pids that were looked at."""

    def __init__(self, root: Path = Path("/proc")) -> None:
        super().__init__(root)
        self.looked: list[str] = []

    def identity(self, pid: str) -> Optional[tuple[int, int]]:
        """Look as ever, and note it."""
        self.looked.append(pid)
        return super().identity(pid)


def _reader(procfs: Procfs) -> ProcessReader:
    return ProcessReader(procfs, UserNames(Path("/"), time.monotonic), boot_time)


def _describe(pid: int) -> Process:
    found = _reader(Procfs(Path("/proc"))).describe(str(pid))
    assert found is not None
    return found


def _table(procfs: Procfs, clock: Clock) -> ProcessTable:
    return ProcessTable(procfs, _reader(procfs), clock)


def test_psutil_tells_the_same_of_a_process() -> None:
    """Name, executable, user, parent and start are those that another implementation reads."""
    with Holder(f"listen,{LOOPBACK},0") as holder:
        found, other = _describe(holder.pid), psutil.Process(holder.pid)
        assert found.id.pid == other.pid
        assert found.name == other.name()[:15]
        assert (found.exe, found.user) == (other.exe(), other.username())
        assert (found.uid, found.parent_pid) == (other.uids().effective, os.getpid())
        assert found.start_time == pytest.approx(other.create_time(), abs=1.5)


def test_a_deleted_executable_keeps_the_kernels_suffix(tmp_path: Path) -> None:
    """After an upgrade the running program's file is gone, and that can be seen."""
    exe = copy_interpreter(tmp_path, "cm_server")
    with Holder(exe=exe) as holder:
        exe.unlink()
        assert _describe(holder.pid).exe == f"{exe} (deleted)"


def test_a_data_directory_is_resolved_where_the_process_stands(tmp_path: Path) -> None:
    """A relative -D counts from the working directory of the process, PGDATA without a -D."""
    with Holder(arguments=["-D", "data/../dn1/"], cwd=tmp_path) as holder:
        assert _describe(holder.pid).data_dir == f"{tmp_path}/dn1"
    with Holder(arguments=["-D/data/dn1"], env={"PGDATA": "/data/other"}) as holder:
        assert _describe(holder.pid).data_dir == "/data/dn1"
    with Holder(env={"PGDATA": "/data/dn2"}) as holder:
        assert _describe(holder.pid).data_dir == "/data/dn2"
    with Holder(env={}) as holder:
        assert _describe(holder.pid).data_dir is None


def test_a_process_s_own_pid_is_read() -> None:
    """Here, where it is in our namespace of pids, that is the one by which we know it."""
    with Holder() as holder:
        assert _describe(holder.pid).own_pid == holder.pid


def test_gaussdb_s_helper_has_no_data_directory() -> None:
    """It runs with the database's environment, but serves no instance."""
    with Holder(arguments=["--fenced", "-D", "/log"], env={"PGDATA": "/data/dn"}) as holder:
        assert _describe(holder.pid).data_dir == ""


def test_the_installation_is_read_from_the_environment() -> None:
    """GAUSSHOME of the process itself counts, not that of whoever looks."""
    with Holder(env={"GAUSSHOME": "/opt/app"}) as holder:
        assert _describe(holder.pid).gausshome == "/opt/app"


def test_a_variable_is_found_by_its_whole_name() -> None:
    """Another variable that ends or begins alike is not taken, an empty one is none."""
    env = {"XGAUSSHOME": "/x", "GAUSSHOME2": "/y", "GAUSSHOME": "/opt/app", "PGDATA": ""}
    with Holder(env=env) as holder:
        found = _describe(holder.pid)
    assert (found.gausshome, found.data_dir) == ("/opt/app", None)


def test_a_name_is_as_long_as_the_kernel_keeps_it(tmp_path: Path) -> None:
    """A name of 15 characters is completed by psutil from the command line; not by ps and ss."""
    with Holder(exe=copy_interpreter(tmp_path, "a_program_with_a_long_name")) as holder:
        assert psutil.Process(holder.pid).name() == "a_program_with_a_long_name"
        assert _describe(holder.pid).name == "a_program_with_"


def test_the_processes_of_a_program_are_read_with_their_environment(tmp_path: Path) -> None:
    """Those of this user and program alone; of a process that is gone there is none."""
    reader = _reader(Procfs(Path("/proc")))
    exe = copy_interpreter(tmp_path, "om_monitor")
    with Holder(exe=exe, env={"GAUSSHOME": "/opt/app", "NAME": "\udcff"}) as holder, Holder():
        (found,) = [p for p in reader.of_user(os.geteuid(), ["om_monitor"]) if p.exe == str(exe)]
        assert found.id == _describe(holder.pid).id
        assert found.id not in [p.id for p in reader.of_user(os.geteuid(), ["om_mon"])]
        assert found.id not in [p.id for p in reader.of_user(os.geteuid() + 1, ["om_monitor"])]
        assert reader.environment(found)["GAUSSHOME"] == "/opt/app"
        assert reader.environment(found)["NAME"] == "\ufffd"
        assert reader.runs(found)
        other = replace(found, id=ProcessId(found.id.pid, found.id.start_ticks + 1))
        assert (reader.runs(other), reader.environment(other)) == (False, {})
    assert (reader.runs(found), reader.environment(found)) == (False, {})


def test_a_process_that_ended_and_was_not_reaped_runs_no_more() -> None:
    """A zombie is still listed by the kernel, by name and user."""
    table = _table(Procfs(Path("/proc")), Clock())
    with Holder() as holder:
        assert holder.pid in [process.id.pid for process in table.of_user(os.geteuid()).processes]
        os.kill(holder.pid, signal.SIGKILL)
        os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
        assert Path(f"/proc/{holder.pid}/stat").exists()
        assert holder.pid not in [
            process.id.pid for process in table.of_user(os.geteuid()).processes
        ]
        assert _reader(Procfs(Path("/proc"))).describe(str(holder.pid)) is None


def test_a_process_that_is_gone_is_none() -> None:
    """No error, no half process."""
    with Holder() as holder:
        pid = holder.pid
    assert _reader(Procfs(Path("/proc"))).describe(str(pid)) is None


@pytest.mark.privileged
def test_the_processes_of_a_user_are_listed() -> None:
    """All of them and no other's, also one that may not be traced."""
    options = ["--uid", str(OMM)]
    with Holder(options=options) as one, Holder(options=[*options, "--undumpable"]) as two:
        found = _table(Procfs(Path("/proc")), Clock()).of_user(OMM).processes
        assert [process.id.pid for process in found] == sorted([one.pid, two.pid])
        assert {process.user for process in found} == {str(OMM)}


def test_a_process_that_ended_is_listed_no_more() -> None:
    """Its end is noticed at the next scan, however old it was."""
    table = _table(Procfs(Path("/proc")), Clock())
    with Holder() as holder:
        assert holder.pid in [process.id.pid for process in table.of_user(os.geteuid()).processes]
    assert holder.pid not in [process.id.pid for process in table.of_user(os.geteuid()).processes]


def test_a_process_that_began_is_a_newcomer_once() -> None:
    """Whoever asks for newcomers gets each of them one time, and none that is gone again."""
    table = _table(Procfs(Path("/proc")), Clock())
    table.of_user(os.geteuid())
    table.newcomers()
    with Holder() as holder:
        table.of_user(os.geteuid())
        assert str(holder.pid) in table.newcomers()
        table.of_user(os.geteuid())
        assert str(holder.pid) not in table.newcomers()
    with Holder() as gone:
        table.of_user(os.geteuid())
    table.of_user(os.geteuid())
    assert str(gone.pid) not in table.newcomers()


def test_without_a_proc_file_system_there_is_an_error(tmp_path: Path) -> None:
    """That nothing runs is never said because nothing could be read."""
    with pytest.raises(SourceError):
        _table(Procfs(tmp_path / "missing"), Clock()).of_user(0)


class MadeUp:
    """A /proc of our own making."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def end(self, pid: int) -> None:
        """Let a process end without being reaped: it has no executable any more."""
        self.start(pid, "/gone", state="Z")
        (self.root / str(pid) / "exe").unlink()

    def start(self, pid: int, exe: str, name: str = "x", state: str = "S") -> None:
        """Let a process appear, or become another program."""
        folder = self.root / str(pid)
        folder.mkdir(exist_ok=True)
        fields = " ".join([state, "1"] + ["0"] * 17 + [str(pid * 10)] + ["0"] * 30)
        (folder / "stat").write_text(f"{pid} ({name}) {fields}\n", encoding="utf-8")
        (folder / "exe").unlink(missing_ok=True)
        (folder / "exe").symlink_to(exe)


@pytest.fixture
def made_up(tmp_path: Path) -> MadeUp:
    """Make an empty /proc; its processes belong to who runs the test."""
    return MadeUp(tmp_path)


def test_two_roots_in_one_process_do_not_mix(made_up: MadeUp) -> None:
    """Every reader reads below its own root, though psutil finds /proc by a global name."""
    made_up.start(1, "/bin/sh", "made-up")
    here, there = Procfs(Path("/proc")), Procfs(made_up.root)
    both = _table(there, Clock()), _table(here, Clock())
    for _ in range(2):
        made, real = (table.of_user(os.geteuid()).processes for table in both)
        assert [(p.name, p.parent_pid) for p in made] == [("made-up", 1)]
        assert os.getpid() in [p.id.pid for p in real]
    assert psutil.PROCFS_PATH == "/proc"


def test_a_young_process_that_becomes_another_program_is_noticed_at_once(made_up: MadeUp) -> None:
    """Exec keeps pid and start; the facts are read again all the same."""
    table = _table(Procfs(made_up.root), Clock())
    made_up.start(1, "/bin/sh")
    uid = os.geteuid()
    assert [process.exe for process in table.of_user(uid).processes] == ["/bin/sh"]
    made_up.start(1, "/opt/app/bin/cm_server", "cm_server")
    (found,) = table.of_user(uid).processes
    assert (found.exe, found.name) == ("/opt/app/bin/cm_server", "cm_server")


CROWD = 320  # ten times as many as are looked at in turn


def test_old_processes_of_a_crowd_are_looked_at_in_turns(made_up: MadeUp) -> None:
    """Ten seconds after it was first seen each process costs a look in its turn, of 32 a scan."""
    for pid in range(1, CROWD + 1):
        made_up.start(pid, "/bin/sh")
    uid, clock, procfs = os.geteuid(), Clock(), CountingProcfs(made_up.root)
    table = _table(procfs, clock)
    for _ in range(3):
        procfs.looked.clear()
        table.of_user(uid)
        assert {int(pid) for pid in procfs.looked} == set(range(1, CROWD + 1))
    clock.now += 10
    table.of_user(uid)
    procfs.looked.clear()
    for _ in range(CROWD // 32):
        assert len(table.of_user(uid).processes) == CROWD
    assert sorted(int(pid) for pid in procfs.looked) == list(range(1, CROWD + 1))


def test_in_a_crowd_the_processes_of_an_installation_are_looked_at_in_every_scan(
    made_up: MadeUp,
) -> None:
    """A cm_server that ended, and that nobody has reaped, runs no more at the next scan."""
    for pid in range(1, CROWD + 1):
        made_up.start(pid, "/bin/sh")
    made_up.start(7, "/opt/app/bin/cm_server", "cm_server")
    (made_up.root / "7" / "environ").write_bytes(b"GAUSSHOME=/opt/app\0")
    uid, clock = os.geteuid(), Clock()
    table = _table(Procfs(made_up.root), clock)
    table.of_user(uid)
    clock.now += 10
    table.of_user(uid)
    assert len(table.of_user(uid).processes) == CROWD
    made_up.end(7)
    assert 7 not in {process.id.pid for process in table.of_user(uid).processes}


def test_while_nothing_changes_the_generation_is_the_same(made_up: MadeUp) -> None:
    """Whoever reckons with the processes can keep what came of it."""
    made_up.start(1, "/bin/sh")
    uid = os.geteuid()
    table = _table(Procfs(made_up.root), Clock())
    first = table.of_user(uid)
    assert table.of_user(uid) == first
    made_up.start(2, "/bin/sh")
    second = table.of_user(uid)
    assert (len(second.processes), second.generation) == (2, first.generation + 1)


def test_a_list_that_is_young_enough_is_not_made_again(made_up: MadeUp) -> None:
    """Two collectors of one scrape list once; another user's list is always made."""
    made_up.start(1, "/bin/sh")
    uid, clock = os.geteuid(), Clock()
    table = _table(Procfs(made_up.root), clock)
    first = table.of_user(uid, max_age=1.0)
    made_up.start(2, "/bin/sh")
    assert table.of_user(uid, max_age=1.0) is first
    clock.now += 1.0
    assert len(table.of_user(uid, max_age=1.0).processes) == 2
    assert table.of_user(uid + 1, max_age=1.0).processes == ()


def test_of_few_processes_every_one_is_looked_at_in_every_scan(made_up: MadeUp) -> None:
    """There a custom component that ended without being reaped is seen to run no more."""
    made_up.start(1, "/bin/sh")
    uid, clock = os.geteuid(), Clock()
    table = _table(Procfs(made_up.root), clock)
    table.of_user(uid)
    clock.now += 100
    assert len(table.of_user(uid).processes) == 1
    made_up.end(1)
    assert table.of_user(uid).processes == ()


def test_an_old_process_that_becomes_another_program_is_noticed_in_its_turn(
    made_up: MadeUp,
) -> None:
    """When all had their turn the new executable is seen, and the process is new to nobody."""
    for pid in range(1, CROWD + 1):
        made_up.start(pid, "/bin/sh")
    uid, clock = os.geteuid(), Clock()
    table = _table(Procfs(made_up.root), clock)
    table.of_user(uid)
    clock.now += 10
    table.of_user(uid)
    table.newcomers()
    made_up.start(1, "/opt/app/bin/cm_server")
    seen = [
        {p.id.pid: p.exe for p in table.of_user(uid).processes}[1] for _ in range(CROWD // 32 + 1)
    ]
    assert seen[-1] == "/opt/app/bin/cm_server"
    assert table.newcomers() == set()


def test_a_pid_that_was_used_again_is_another_process(made_up: MadeUp) -> None:
    """The directory's inode tells; the new process is a newcomer."""
    made_up.start(1, "/bin/sh")
    uid = os.geteuid()
    table = _table(Procfs(made_up.root), Clock())
    first = table.of_user(uid)
    table.newcomers()
    made_up.root.joinpath("1").rename(made_up.root / "gone")
    made_up.start(1, "/bin/bash")
    assert [process.exe for process in table.of_user(uid).processes] != [
        p.exe for p in first.processes
    ]
    assert table.newcomers() == {"1"}


def test_what_cannot_be_read_is_empty_and_the_rest_is_there(made_up: MadeUp) -> None:
    """One unreadable file does not cost the process."""
    made_up.start(1, "/bin/sh", name="cm_agent")
    uid = os.geteuid()
    (made_up.root / "1" / "exe").unlink()
    (found,) = _table(Procfs(made_up.root), Clock()).of_user(uid).processes
    assert (found.name, found.exe, found.gausshome, found.data_dir) == ("cm_agent", "", None, None)
    assert not found.fds_readable


def test_the_list_is_that_of_the_user_who_is_asked_for(made_up: MadeUp) -> None:
    """After a reload another user may be the cluster's: old processes are described for it."""
    made_up.start(1, "/bin/sh")
    uid, clock = os.geteuid(), Clock()
    table = _table(Procfs(made_up.root), clock)
    assert table.of_user(uid + 1).processes == ()
    clock.now += 10
    table.of_user(uid + 1)
    assert [process.id.pid for process in table.of_user(uid).processes] == [1]


def test_a_name_for_every_uid(tmp_path: Path) -> None:
    """The system's name, that of another root's passwd file, else the number."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text("omm:x:4242:1::/home/omm:/bin/bash\n#\n")
    other = UserNames(tmp_path, time.monotonic)
    assert (other.user(4242), other.user(0)) == ("omm", "0")
    assert UserNames(Path("/"), time.monotonic).user(0) == "root"
    assert UserNames(Path("/"), time.monotonic).user(2**31 - 7) == str(2**31 - 7)
    assert UserNames(tmp_path / "missing", time.monotonic).user(5) == "5"


def test_a_name_is_remembered_for_a_while(tmp_path: Path) -> None:
    """A slow directory service is asked once in five minutes; a new name comes through then."""
    (tmp_path / "etc").mkdir()
    passwd = tmp_path / "etc" / "passwd"
    passwd.write_text("old:x:7:1::/:/\n")
    clock = Clock()
    names = UserNames(tmp_path, clock)
    assert names.user(7) == "old"
    passwd.write_text("new:x:7:1::/:/\n")
    assert names.user(7) == "old"
    clock.now += 300
    assert names.user(7) == "new"


def test_the_own_process_is_among_those_of_its_user() -> None:
    """The real table holds this test."""
    found = _table(Procfs(Path("/proc")), Clock()).of_user(os.geteuid()).processes
    assert str(Path(sys.executable).resolve()) in {
        process.exe for process in found if process.id.pid == os.getpid()
    }
