"""The unit under a real systemd: started, told, limited, watched and ended by it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from packages.layout import NAME
from tests.lab.cluster import await_
from tests.support.booted import Booted

CONFIG = Path(__file__).resolve().parent.parent / "config"
TEMPLATE = f"{NAME}@.service"
DROP_IN = f"{TEMPLATE}.d/name-foreign-processes.conf"
USER = "daemon"
UNIT = f"{NAME}@{USER}.service"
UNITS, ETC = "/etc/systemd/system", f"/etc/{NAME}"
PAGE = "http://127.0.0.1:19836/metrics"
LAB = """
import json, sys
from pathlib import Path
from tests.lab.cluster import Lab
with Lab(nodes=1, user=sys.argv[1], directory=Path("/opt")) as lab:
    lab.await_query(1, "Normal")
    node = lab.node(1)
    found = {"env_file": str(node.env_file), "gausshome": str(node.gausshome)}
    print(json.dumps(found), flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def host() -> Iterator[Booted]:
    """A booted host with the unit, and a simulated cluster of one node on it."""
    files = {
        f"{UNITS}/{TEMPLATE}": (CONFIG / TEMPLATE).read_text(encoding="utf-8"),
        f"{UNITS}/{TEMPLATE}.d/log.conf": "[Service]\nStandardError=append:/run/exporter.log\n",
        f"{ETC}/{USER}.env": f"FLAGS=--config.file={ETC}/{USER}.yml --log.format=json\n",
    }
    with Booted(files) as host, cluster(host) as installation:
        config = json.dumps({"installation": installation})
        host.path(f"{ETC}/{USER}.yml").write_text(config, encoding="utf-8")
        yield host


@contextmanager
def cluster(host: Booted) -> Iterator[dict[str, str]]:
    """Keep a simulated cluster on that host; tells where it is."""
    words = host.program("-c", LAB, USER)
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as lab:
        assert lab.stdout is not None
        yield json.loads(lab.stdout.readline())
        lab.communicate()


@pytest.fixture(scope="module", params=["unit", "unit and drop-in"])
def pid(host: Booted, request: pytest.FixtureRequest) -> Iterator[int]:
    """The unit, started alone or with the drop-in; its pid as seen on that host."""
    drop_in = host.path(f"{UNITS}/{DROP_IN}")
    if "drop-in" in request.param:
        drop_in.write_bytes((CONFIG / DROP_IN).read_bytes())
    else:
        drop_in.unlink(missing_ok=True)
    host.ask("daemon-reload")
    done = host.run("systemctl", "start", UNIT)  # comes back when READY=1 has been told
    assert done.returncode == 0, log(host)
    yield int(host.show(UNIT, "MainPID"))
    host.ask("stop", UNIT)


def log(host: Booted) -> str:
    """Read what the exporter wrote."""
    return host.path("/run/exporter.log").read_text(encoding="utf-8")


def page_after_a_query(host: Booted) -> str:
    """Scrape until a query of the cluster has come to its end."""
    page = ""

    def looked() -> bool:
        nonlocal page
        page = host.run("curl", "--silent", PAGE).stdout
        return bool(re.search(r"^opengauss_cm_query_timestamp_seconds [1-9]", page, re.MULTILINE))

    await_(looked, 60, lambda: log(host))
    return page


def limit(host: Booted, pid: int, controller: str, *names: str) -> int:
    """Read a limit where the kernel holds it: the unit's own group, v1's name of it or v2's."""
    lines = host.run("cat", f"/proc/{pid}/cgroup").stdout.splitlines()
    paths = {part[1]: part[2] for part in (line.split(":", 2) for line in lines)}
    branch = f"{controller}{paths[controller]}" if controller in paths else paths[""]
    files = [f"/sys/fs/cgroup/{branch}/{name}" for name in names]
    return int(host.run("cat", *files).stdout)


@pytest.mark.privileged
def test_a_whole_page_and_a_query_under_systemd(host: Booted, pid: int) -> None:
    """Every collector succeeds and cm_ctl has run, with all that the unit takes away taken away."""
    page = page_after_a_query(host)
    successes = re.findall(r"^opengauss_exporter_collector_success\S+ (\S+)", page, re.MULTILINE)
    assert set(successes) == {"1.0"}
    assert 'opengauss_cm_query_outcome{outcome="ok"} 1.0' in page
    assert 'opengauss_port_source{source="sock_diag"} 1.0' in page
    level = "full" if host.path(f"{UNITS}/{DROP_IN}").exists() else "uid"
    assert f'opengauss_port_attribution{{level="{level}"}} 1.0' in page
    assert (pid, 0) == (int(host.show(UNIT, "MainPID")), int(host.show(UNIT, "NRestarts")))


@pytest.mark.privileged
def test_the_kernel_holds_the_units_limits(host: Booted, pid: int) -> None:
    """Memory, tasks, core files, who goes first without memory: as the unit says."""
    assert limit(host, pid, "memory", "memory.limit_in_bytes", "memory.max") == 256 * 1024**2
    assert limit(host, pid, "pids", "pids.max") == 128
    assert host.run("cat", f"/proc/{pid}/oom_score_adj").stdout == "500\n"
    limits = host.run("cat", f"/proc/{pid}/limits").stdout
    assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)


@pytest.mark.privileged
def test_capabilities_close_it_to_its_own_user_too(host: Booted, pid: int) -> None:
    """With them no other process of the user reads its memory: it may do more than they may."""
    user = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--")
    opened = [
        host.run(*user, "head", "--bytes=0", f"/proc/{pid}/{name}").returncode == 0
        for name in ("environ", "mem", "maps")
    ]
    assert opened == [not host.path(f"{UNITS}/{DROP_IN}").exists()] * 3


@pytest.mark.privileged
def test_it_reloads_and_ends_as_systemd_asks(host: Booted, pid: int) -> None:
    """SIGHUP is a reload, SIGTERM a clean end; what stays is the state, closed to others."""
    assert host.run("systemctl", "reload", UNIT).returncode == 0
    await_(lambda: "reloaded" in log(host), 60, lambda: log(host))
    assert int(host.show(UNIT, "MainPID")) == pid
    assert host.run("systemctl", "stop", UNIT).returncode == 0
    assert (host.show(UNIT, "Result"), host.show(UNIT, "ExecMainStatus")) == ("success", "0")
    state = host.run("find", f"/var/lib/{NAME}/{USER}", "-printf", "%y %m %u\n").stdout.splitlines()
    assert set(state) == {f"d 700 {USER}", f"f 600 {USER}"}
    assert not host.path(f"/run/{NAME}/{USER}").exists()
