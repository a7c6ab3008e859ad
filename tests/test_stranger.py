"""What another user of the host gets out of a running exporter: nothing that is the cluster's."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.directories import open_directory
from tests.support.exporter_process import PATIENCE_SECONDS, Answer, ExporterProcess

OWNER, STRANGER = pwd.getpwnam("daemon").pw_uid, 65534
SECRET = "tell-nobody"  # noqa: S105 -- what must not be seen
PROBE = """
import json, os, sys
opened = []
for path in json.load(sys.stdin):
    for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR | os.O_CREAT):
        try:
            os.close(os.open(path + ("/new" if flags & os.O_CREAT else ""), flags))
        except OSError:
            continue
        opened.append(path)
print(json.dumps(opened))
"""
CM_CTL = f"""#!/bin/sh
echo "{SECRET}" > "$GAUSSLOG/cm_ctl.log"
exec sleep 60
"""


class Watched(NamedTuple):
    """A running exporter of OWNER, in the middle of a query, and the directories that it uses."""

    exporter: ExporterProcess
    state: Path
    runtime: Path


def setpriv(uid: int) -> tuple[str, ...]:
    """Write the words that make a program another user's."""
    return ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--no-new-privs", "--")


def await_file(directory: Path, pattern: str) -> Path:
    """Wait until there is such a file."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := list(directory.glob(pattern))):
        assert time.monotonic() < deadline, pattern
        time.sleep(0.05)  # the pace of looking; the deadline is what is waited for
    return found[0]


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    """The directories are open to all on purpose: what is made in them must close itself."""
    with open_directory() as directory:
        state, runtime = directory / "state", directory / "runtime"
        for path in (state, runtime):
            path.mkdir(mode=0o755)
            shutil.chown(path, OWNER, OWNER)
        cm_ctl = directory / "cm_ctl"
        cm_ctl.write_text(CM_CTL, encoding="utf-8")
        cm_ctl.chmod(0o755)
        app = directory / "app" / "bin"
        app.mkdir(parents=True)
        config = {
            "installation": {"gausshome": str(app.parent)},
            "cm_query": {"command": [str(cm_ctl)]},
            "logs": {"state_file": str(state / "positions.json")},
        }
        environment = {
            "RUNTIME_DIRECTORY": str(runtime),
            "PGPASSWORD": SECRET,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        with ExporterProcess(
            json.dumps(config), prefix=setpriv(OWNER), env=environment
        ) as exporter:
            exporter.wait_for("listening")
            await_file(runtime, "*/cm_ctl.log")
            await_file(state, "positions.json")
            yield Watched(exporter, state, runtime)


def opened_by_a_stranger(paths: list[str]) -> list[str]:
    """Let the stranger try to read, to write and to create; returns what he could."""
    command = [*setpriv(STRANGER), sys.executable, "-B", "-c", PROBE]
    done = subprocess.run(
        command, input=json.dumps(paths).encode(), stdout=subprocess.PIPE, check=True
    )
    found: list[str] = json.loads(done.stdout)
    return found


@pytest.mark.privileged
def test_no_file_of_the_exporter_opens_to_a_stranger(watched: Watched) -> None:
    """State, lock, the query's private log: neither to read, nor to write, nor to add to."""
    made = [path for top in (watched.state, watched.runtime) for path in top.rglob("*")]
    assert {path.name for path in made} >= {"positions.json", "positions.json.lock", "cm_ctl.log"}
    assert opened_by_a_stranger(["/etc/passwd"]) == ["/etc/passwd"]
    assert opened_by_a_stranger([str(path) for path in made]) == []
    assert {oct(path.stat().st_mode & 0o077) for path in made} == {"0o0"}


@pytest.mark.privileged
def test_the_process_is_closed_to_a_stranger(watched: Watched) -> None:
    """Memory, environment and open files of the exporter and of its child cannot be looked into."""
    pid = watched.exporter.pid
    children = Path(f"/proc/{pid}/task")
    child = next(
        int(number)
        for thread in children.iterdir()
        for number in (thread / "children").read_text(encoding="ascii").split()
    )
    secrets = ("environ", "mem", "maps", "auxv", "io", "stack", "fd", "cwd/.", "root/.")
    paths = [f"/proc/{number}/{name}" for number in (pid, child) for name in secrets]
    paths += [f"/proc/{pid}/fd/{name}" for name in os.listdir(f"/proc/{pid}/fd")]  # noqa: PTH208
    assert opened_by_a_stranger(paths) == []
    command = (
        Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{child}/cmdline").read_bytes()
    )
    assert SECRET.encode() not in command  # which everybody may read


@pytest.mark.privileged
def test_there_is_no_socket_but_the_one_that_serves_the_pages(watched: Watched) -> None:
    """Nothing listens by any other way: no UNIX socket, no second port, no debugger."""
    pid = watched.exporter.pid
    links = [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()]  # noqa: PTH115
    inodes = {match[1] for link in links if (match := re.match(r"socket:\[(\d+)\]", link))}
    rows = Path("/proc/net/unix").read_text(encoding="utf-8").splitlines()[1:]
    named = [row for row in rows if row.split()[6] in inodes and len(row.split()) > 7]
    assert named == []
    tables = [Path(f"/proc/net/{name}").read_text(encoding="ascii") for name in ("tcp", "udp")]
    listening = [
        fields
        for table in tables
        for fields in (row.split() for row in table.splitlines()[1:])
        if fields[9] in inodes and fields[3] in {"0A", "07"}
    ]
    assert [int(fields[1].split(":")[1], 16) for fields in listening] == [watched.exporter.port]


@pytest.mark.privileged
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/metrics?name[]=process_start_time_seconds"),
        ("GET", "/diagnosis?format=json"),
        ("GET", "/-/ready"),
        ("GET", "/../../proc/self/environ"),
        ("GET", "/debug/pprof/cmdline"),
        ("POST", "/-/reload"),
        ("PUT", "/metrics"),
    ],
)
def test_no_message_of_the_exporter_tells_a_secret(
    watched: Watched, method: str, path: str
) -> None:
    """What the environment and the query's log hold is on no page, and nothing is set going."""
    before = children_of(watched.exporter)
    answer: Answer = watched.exporter.get(path, method=method)
    assert SECRET not in answer.text
    assert answer.status in {200, 403, 404, 405, 503}
    assert children_of(watched.exporter) <= before
    assert SECRET not in json.dumps(watched.exporter.events)


def children_of(exporter: ExporterProcess) -> set[str]:
    """List what the exporter has started and not ended."""
    threads = Path(f"/proc/{exporter.pid}/task").iterdir()
    found = [(thread / "children").read_text(encoding="ascii").split() for thread in threads]
    return {number for numbers in found for number in numbers}
