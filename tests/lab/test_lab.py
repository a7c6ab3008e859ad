"""The made cluster itself: what it shows of itself, and that it leaves nothing behind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.installation.static_config_parser import parse_static_config
from tests.lab.cluster import Lab, await_
from tests.lab.places import Loopback
from tests.lab.standins import procs


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Two nodes on the loopback, up and Normal."""
    with Lab(nodes=2) as made:
        made.await_query(1, "cluster_state   : Normal")
        yield made


def test_a_cluster_of_stand_ins_becomes_normal(lab: Lab) -> None:
    """Each node's query shows the whole cluster, the first cm_server leading."""
    for node_id in (1, 2):
        rows = [line.split() for line in lab.query(node_id).splitlines()]
        assert [row[-1] for row in rows if "cm_server" in str(row)] == ["Primary", "Standby"]
        assert [row[-3:] for row in rows if "6001" in row] == [["P", "Primary", "Normal"]]
        assert [row[-3:] for row in rows if "6002" in row] == [["S", "Standby", "Normal"]]


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("om_monitor", ["-L", "{log}/cm/om_monitor"]),
        ("cm_agent", []),
        ("cm_server", []),
        ("gaussdb", ["-D", "{install}/data/dn", "-M", "pending"]),
    ],
)
def test_a_stand_in_looks_like_the_real_program(
    lab: Lab, program: str, arguments: list[str]
) -> None:
    """Executable, command line, name and environment in /proc are those of the installation."""
    node = lab.node(1)
    (pid,) = lab.pids(1, program)
    proc = Path("/proc", str(pid))
    words = [a.format(log=node.gausslog, install=node.install) for a in arguments]
    shown = (proc / "cmdline").read_bytes().decode().split("\0")
    environ = (proc / "environ").read_bytes().decode().split("\0")
    assert (proc / "exe").readlink() == node.install / "app_d712af3/bin" / program
    assert shown == [f"{node.bin}/{program}", *words, ""]
    assert (proc / "comm").read_text() == f"{program}\n"
    assert f"GAUSSHOME={node.gausshome}" in environ
    assert not [variable for variable in environ if "PYTHON" in variable]


def test_gaussdb_s_helper_hides_what_it_was_started_with(lab: Lab) -> None:
    """The title stands where the arguments were, and nothing where the environment was."""
    title = f"{procs.FENCED_TITLE}\0".encode()

    def shown() -> list[bytes]:
        return [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in lab.pids(1, "fenced")]

    await_(lambda: shown() == [title], 30, lambda: f"not the title: {shown()}")
    (pid,) = lab.pids(1, "fenced")
    assert Path(f"/proc/{pid}/environ").read_bytes() == b""


def test_the_tree_is_what_om_leaves(lab: Lab) -> None:
    """The static config tells the lab's ports, and logs are closed to others."""
    node = lab.node(2)
    config = parse_static_config((node.bin / "cluster_static_config").read_bytes())
    server = config.local_node.cm_server
    assert config.local_node_id == 2
    assert server is not None
    assert (server.port, server.addresses) == (node.cm_port, (node.address,))
    assert config.local_node.datanodes[0].port == node.db_port
    assert node.gausshome.is_symlink()
    assert node.gausslog.stat().st_mode & 0o777 == 0o700
    for log in node.log_dir("cm_agent").glob("cm_agent-*.log"):
        assert log.stat().st_mode & 0o777 == 0o600


def test_a_taken_cm_port_keeps_cm_server_down_until_it_is_free(lab: Lab) -> None:
    """cm_agent refuses once a second with its three-line record, and starts it when it may."""
    node = lab.node(2)
    occupier = lab.occupy(2, node.cm_port, "loopback_only")
    procs.stop(lab.pids(2, "cm_server"))
    lab.await_query(1, "cm_server Down")
    record = rf"WARNING: port:{node.cm_port} already in use\. /proc/net/tcp:\n  sl  local_address"
    await_(
        lambda: len(re.findall(record, lab.log_text(2, "cm_agent"))) >= 2,
        10,
        lambda: lab.log_text(2, "cm_agent")[-2000:],
    )
    assert lab.pids(2, "cm_server") == []
    assert lab.cm_ctl(1, "query", "-Cv").returncode == 0
    lab.release(occupier)
    lab.await_query(1, "cm_server Standby")


def test_cm_ctl_refuses_root_and_needs_its_environment(lab: Lab) -> None:
    """It exits 1 for root, 127 without its libraries, 255 without a static config."""
    bare = {"PATH": "/usr/bin:/bin"}
    node = lab.node(1)
    libraries = {**bare, "LD_LIBRARY_PATH": f"{node.gausshome}/lib"}
    assert lab.cm_ctl(1, "query", environment=bare).returncode == 127
    assert lab.cm_ctl(1, "query", environment=libraries).returncode == 1
    elsewhere = {**libraries, "GAUSSHOME": "/nonexistent"}
    assert lab.cm_ctl(1, "query", environment=elsewhere).returncode == 255
    assert lab.cm_ctl(1, "query", "-C").returncode == 1


@pytest.mark.privileged
def test_cm_ctl_refuses_root(lab: Lab) -> None:
    """Root gets one line on stdout and exit code 1."""
    answer = lab.cm_ctl(1, "query", "-Cv", user="root")
    assert (answer.returncode, answer.stderr) == (1, "")
    assert answer.stdout == "current user is the root user (uid = 0), exit.\n"


def test_a_lab_leaves_nothing_behind() -> None:
    """After the end there is no process and no file of it."""
    with Lab(nodes=1) as lab:
        root = lab.root
        await_(lambda: len(procs.below(root)) >= 4, 20, lambda: str(procs.below(root)))
    assert procs.below(root) == []
    assert not root.exists()


class _NoPlace(Loopback):
    def make(self, nodes: int) -> None:
        """Fail, as a signal in the middle of it would."""
        raise InterruptedError(nodes)


def test_a_lab_that_ends_before_it_is_prepared_removes_its_own_files_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands in the current directory is not its own, and nothing of it is left."""
    (tmp_path / "labs").mkdir()
    (tmp_path / "work").write_text("ours")
    monkeypatch.chdir(tmp_path)
    lab = Lab(nodes=1, where="loopback", directory=tmp_path / "labs")
    lab.place = _NoPlace()
    with pytest.raises(InterruptedError), lab:
        pass
    lab.stop()
    assert (tmp_path / "work").read_text() == "ours"
    assert list((tmp_path / "labs").iterdir()) == []
    with pytest.raises(RuntimeError, match="no directory"):
        _ = Lab(nodes=1).root
