"""Running programs: every way to end, within its time, with nothing left behind."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from exporter.errors import SourceError
from exporter.host.command import Account, Command, Completed, Runner, RunOutcome
from tests.support.directories import open_directory

_ENV = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}


def _script(directory: Path, body: str, interpreter: str = "/bin/sh") -> str:
    path = directory / "program"
    path.write_text(f"#!{interpreter}\n{body}\n")
    path.chmod(0o755)
    return str(path)


def _run(program: str, *arguments: str, timeout: float = 5.0, limit: int = 1 << 20) -> Completed:
    command = Command((program, *arguments), _ENV, timeout=timeout, output_limit=limit)
    return Runner(grace_seconds=0.2).run(command)


@pytest.fixture(autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """Every test ends without a child of this process, dead or alive."""
    before = {child.pid for child in psutil.Process().children()}
    yield
    left = [c for c in psutil.Process().children() if c.pid not in before]
    assert left == []


def _marked(pattern: str) -> list[int]:
    return [p.pid for p in psutil.process_iter(["cmdline"]) if pattern in (p.info["cmdline"] or [])]


def test_output_and_exit_status_are_the_program_s(tmp_path: Path) -> None:
    """Both streams and the exit status arrive as the program gave them."""
    completed = _run(_script(tmp_path, "printf 'a\\nb'; echo oops >&2; exit 255"))
    assert completed.outcome is RunOutcome.EXITED
    assert (completed.exit_status, completed.stdout) == (255, b"a\nb")
    assert completed.stderr == b"oops\n"
    assert not completed.truncated


def test_silence_is_an_outcome_like_any_other(tmp_path: Path) -> None:
    """A program that prints nothing exits normally with empty output."""
    completed = _run(_script(tmp_path, "exit 0"))
    assert (completed.outcome, completed.exit_status) == (RunOutcome.EXITED, 0)
    assert completed.text == ""


def test_no_shell_ever_reads_the_arguments(tmp_path: Path) -> None:
    """An argument reaches the program byte for byte, whatever a shell would make of it."""
    hostile = "$(touch /tmp/x); `id` | & > ' \""
    completed = _run(_script(tmp_path, 'printf %s "$1"'), hostile)
    assert completed.text == hostile


def test_the_environment_is_the_given_one_alone(tmp_path: Path) -> None:
    """Nothing of the exporter's own environment reaches the program."""
    completed = Runner().run(Command((_script(tmp_path, "/usr/bin/env"),), {"GAUSSHOME": "/x"}))
    names = {line.split("=")[0] for line in completed.text.splitlines()}
    assert names - {"PWD", "SHLVL", "_", "OLDPWD"} == {"GAUSSHOME"}


def test_stdin_is_closed_to_the_program(tmp_path: Path) -> None:
    """A program that asks a question reads the end of its input and goes on."""
    assert _run(_script(tmp_path, "read answer; echo got:$answer")).text == "got:\n"


@pytest.mark.parametrize(
    "body",
    ["exec sleep 60", "trap '' TERM; while :; do sleep 0.05; done", "exec >&- 2>&-; sleep 60"],
    ids=["hangs", "ignores-sigterm", "closes-its-output-and-hangs"],
)
def test_a_program_that_does_not_end_is_ended(tmp_path: Path, body: str) -> None:
    """It is over within its timeout and two seconds, as a timeout."""
    start = time.monotonic()
    completed = _run(_script(tmp_path, body), timeout=0.3)
    assert completed.outcome is RunOutcome.TIMED_OUT
    assert 0.3 <= time.monotonic() - start < 2.3


def test_what_was_printed_before_a_timeout_is_kept(tmp_path: Path) -> None:
    """The beginning of the output is there for the message, and marked as cut."""
    completed = _run(_script(tmp_path, "echo begun; exec sleep 60"), timeout=0.3)
    assert (completed.text, completed.truncated) == ("begun\n", True)


def test_a_child_that_keeps_the_pipe_open_delays_nothing(tmp_path: Path) -> None:
    """The run ends with the program itself, and the child it left behind is killed."""
    start = time.monotonic()
    completed = _run(_script(tmp_path, "sleep 61.25 & echo done"), timeout=10)
    assert (completed.outcome, completed.text) == (RunOutcome.EXITED, "done\n")
    assert time.monotonic() - start < 2
    assert _marked("61.25") == []


def test_a_descendant_in_its_own_session_cannot_make_us_wait(tmp_path: Path) -> None:
    """A descendant that escaped the process group holds the pipe, and the run ends all the same."""
    start = time.monotonic()
    completed = _run(_script(tmp_path, "setsid sleep 3.125 & sleep 0.1; echo done"), timeout=10)
    assert (completed.outcome, completed.text) == (RunOutcome.EXITED, "done\n")
    assert time.monotonic() - start < 2
    for pid in _marked("3.125"):
        os.kill(pid, 9)


def test_endless_output_ends_the_program_at_the_limit(tmp_path: Path) -> None:
    """One limit's worth is kept, the rest never enters memory, and the program is ended."""
    process = psutil.Process()
    before = process.memory_info().rss
    completed = _run(_script(tmp_path, "exec head -c 1G /dev/zero"), limit=100_000)
    assert completed.outcome is RunOutcome.OUTPUT_LIMIT
    assert (len(completed.stdout), completed.truncated) == (100_000, True)
    assert process.memory_info().rss - before < 8 << 20


def test_output_as_long_as_the_limit_is_whole(tmp_path: Path) -> None:
    """The limit itself may be used up."""
    completed = _run(_script(tmp_path, "head -c 70000 /dev/zero"), limit=70_000)
    assert (completed.outcome, len(completed.stdout)) == (RunOutcome.EXITED, 70_000)


def test_a_flood_of_errors_neither_blocks_nor_grows(tmp_path: Path) -> None:
    """Errors beyond their limit are read and dropped, so the program is not stuck on a pipe."""
    completed = _run(_script(tmp_path, "head -c 1000000 /dev/zero >&2; echo done"))
    assert (completed.outcome, completed.text) == (RunOutcome.EXITED, "done\n")
    assert len(completed.stderr) == 8192


def test_a_missing_program_is_not_found(tmp_path: Path) -> None:
    """A path that is not there gives not_found and a message, not an exception."""
    completed = _run(str(tmp_path / "nowhere"))
    assert completed.outcome is RunOutcome.NOT_FOUND
    assert "nowhere" in completed.message


def test_a_file_that_may_not_be_executed_is_refused(tmp_path: Path) -> None:
    """A file without the x bit gives permission_denied."""
    program = _script(tmp_path, "exit 0")
    Path(program).chmod(stat.S_IRUSR)
    assert _run(program).outcome is RunOutcome.PERMISSION_DENIED


def test_a_file_that_is_no_program_fails(tmp_path: Path) -> None:
    """What the kernel cannot execute gives failed and a message."""
    program = tmp_path / "text"
    program.write_text("no program")
    program.chmod(0o755)
    completed = _run(str(program))
    assert completed.outcome is RunOutcome.FAILED
    assert completed.message


def test_stop_ends_the_program_in_flight_and_starts_no_other(tmp_path: Path) -> None:
    """Shutting down takes a moment, not the program's timeout."""
    runner = Runner(grace_seconds=0.2)
    command = Command((_script(tmp_path, "exec sleep 60"),), _ENV, timeout=60)
    timer = threading.Timer(0.1, runner.stop)
    timer.start()
    start = time.monotonic()
    assert runner.run(command).outcome is RunOutcome.STOPPED
    assert time.monotonic() - start < 1.5
    assert runner.run(command).outcome is RunOutcome.STOPPED
    timer.join()


def _capabilities(status: str) -> dict[str, int]:
    fields = (line.split(":") for line in status.splitlines() if line.startswith("Cap"))
    return {name: int(value, 16) for name, value in fields}


def test_the_program_has_no_capability_and_gets_none() -> None:
    """Inheritable, permitted, effective and ambient sets are empty, and no_new_privs is set."""
    status = _run("/bin/cat", "/proc/self/status").text
    sets = _capabilities(status)
    assert {sets[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
    assert "NoNewPrivs:\t1" in status


def test_the_program_gets_no_file_of_ours(tmp_path: Path) -> None:
    """Not even one that was left open for children, as sockets of a service manager are."""
    with (tmp_path / "ours").open("w") as ours:
        os.set_inheritable(ours.fileno(), True)  # noqa: FBT003 -- it takes no other
        listed = _run("/bin/ls", "-l", "/proc/self/fd").text
    assert str(tmp_path) not in listed
    numbers = [line.split()[8] for line in listed.splitlines()[1:]]
    assert numbers == ["0", "1", "2", "3"]  # the last is ls's own, of the directory


@pytest.mark.privileged
def test_as_root_the_bounding_set_is_empty_too() -> None:
    """With CAP_SETPCAP all five sets are empty, and the exporter keeps its own."""
    before = _capabilities(Path("/proc/thread-self/status").read_text())
    assert set(_capabilities(_run("/bin/cat", "/proc/self/status").text).values()) == {0}
    assert _capabilities(Path("/proc/thread-self/status").read_text()) == before
    assert before["CapEff"]


@pytest.mark.privileged
def test_as_root_the_program_runs_as_the_cluster_user() -> None:
    """uid, gid, groups, directory and umask are the account's and the command's, all four uids."""
    account = Account("nobody", 65534, 65533, (65533, 65532), "/")
    body = "grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs)' /proc/self/status; umask; pwd"
    with open_directory() as directory:
        command = Command((_script(directory, body),), _ENV, user=account, cwd="/proc")
        text = Runner().run(command).text
    assert "Uid:\t65534\t65534\t65534\t65534" in text
    assert "Gid:\t65533\t65533\t65533\t65533" in text
    assert "Groups:\t65532 65533" in text
    assert text.endswith("0077\n/proc\n")
    assert set(_capabilities(text).values()) == {0}


def test_an_unknown_user_is_an_error_that_names_it() -> None:
    """Looking up a user that does not exist says so."""
    with pytest.raises(SourceError, match="no-such-user"):
        Account.of("no-such-user")


def test_a_known_user_has_its_groups_and_home() -> None:
    """An account carries what the system's databases say of the user."""
    account = Account.of("root")
    assert (account.uid, account.gid, account.home) == (0, 0, "/root")
    assert 0 in account.groups


_AS_A_SERVICE = """
from exporter.host.command import Command, Runner
print(open("/proc/thread-self/status").read())
print("child")
print(Runner().run(Command(("/bin/cat", "/proc/self/status"), {})).text)
"""


@pytest.mark.privileged
def test_a_service_s_ambient_capabilities_stay_with_the_service() -> None:
    """Run as the cluster user with ambient capabilities, the exporter keeps them to itself."""
    grant = "+sys_ptrace,+dac_read_search"
    user = ("--reuid=65534", "--regid=65534", "--clear-groups")
    setpriv = ("setpriv", *user, f"--inh-caps={grant}", f"--ambient-caps={grant}")
    python = (sys.executable, "-B", "-c", _AS_A_SERVICE)
    text = subprocess.run(
        [*setpriv, *python], check=True, capture_output=True, text=True, cwd=Path.cwd()
    ).stdout
    own, _, child = text.partition("child\n")
    assert _capabilities(own)["CapAmb"]
    sets = _capabilities(child)
    assert {sets[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
    assert "NoNewPrivs:\t1" in child


_READS = """
import sys
from exporter.errors import SourceError
from exporter.host.files import HostFiles
from exporter.logs.listing import LogHost
link, directory = sys.argv[1:]
def tried(read):
    try:
        return str(read())
    except (OSError, SourceError) as error:
        return "refused"
files, logs = HostFiles(), LogHost()
print(tried(lambda: files.text(link)), tried(lambda: files.names(directory)))
print(tried(lambda: logs.open(link)), tried(lambda: logs.names(directory)))
print(files.resolve(f"{directory}/inner") == f"{directory}/inner")
print(tried(lambda: files.text(link, beyond_user=True)))
print(tried(lambda: open(link).read()))
"""


@pytest.mark.privileged
def test_a_link_of_the_cluster_user_opens_nothing_that_the_user_may_not_read() -> None:
    """The exporter may read every file; on paths that the user chooses it reads as the user."""
    grant = "+sys_ptrace,+dac_read_search"
    user = ("--reuid=65533", "--regid=65533", "--clear-groups")
    setpriv = ("setpriv", *user, f"--inh-caps={grant}", f"--ambient-caps={grant}")
    with open_directory() as directory:
        closed = directory / "closed"
        closed.mkdir(mode=0o700)
        (closed / "secret").write_text("secret")
        (closed / "inner").symlink_to("/etc/hostname")
        link = directory / "postgresql.conf"
        link.symlink_to(closed / "secret")
        words = [*setpriv, sys.executable, "-B", "-c", _READS, str(link), str(closed)]
        done = subprocess.run(words, check=True, capture_output=True, text=True, cwd=Path.cwd())
    ours = "refused refused\nrefused refused\nTrue\n"
    assert done.stdout == f"{ours}secret\nsecret\n"


def test_programs_that_cannot_be_killed_never_pile_up(tmp_path: Path) -> None:
    """While an earlier program is not gone, a run starts nothing and says busy."""
    runner = Runner()
    command = Command((_script(tmp_path, "echo ran"),), _ENV)
    with subprocess.Popen(["sleep", "60"]) as stuck:
        runner._stuck = stuck
        assert runner.run(command).outcome is RunOutcome.BUSY
        stuck.kill()
    assert runner.run(command).text == "ran\n"
