"""cm_ctl without what it needs, against the recordings: its words, where they stand, exit codes."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import records
from tests.lab.cluster import Lab

SAMPLES = Path(__file__).resolve().parents[1] / "samples/cm_cluster/a2_env_and_users_2node"
pytestmark = pytest.mark.privileged
# a run may meet either cm_server first, and the names of users and log files are its own
RACE = re.compile(r"(?m)^\(?\S*ctl: opendir .*\n.*not the primary\.\n\n")
# tag -> the environment beyond PATH; {home}, {log}: the node's own
CASES = {
    "bare_noenv": [],
    "bare_ld": ["LD_LIBRARY_PATH={home}/lib"],
    "bare_ld_home": ["LD_LIBRARY_PATH={home}/lib", "GAUSSHOME={home}"],
    "bare_ld_home_log": ["LD_LIBRARY_PATH={home}/lib", "GAUSSHOME={home}", "GAUSSLOG={log}"],
    "omm_nopsql": ["LD_LIBRARY_PATH={home}/lib", "GAUSSHOME={home}", "GAUSSLOG=/nonexistent"],
    "omm_wronghome": ["LD_LIBRARY_PATH={home}/lib", "GAUSSHOME=/nonexistent", "GAUSSLOG={log}"],
    "omm_nogausslog": ["LD_LIBRARY_PATH={home}/lib", "GAUSSHOME={home}"],
    "root_env": ["LD_LIBRARY_PATH={home}/lib", "GAUSSHOME={home}", "GAUSSLOG={log}"],
    "mon_env_readable": ["LD_LIBRARY_PATH={home}/lib", "GAUSSHOME={home}", "GAUSSLOG={log}"],
}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """The recorded cluster: two nodes, each in a namespace of its own, up and Normal."""
    with Lab(nodes=2, where="namespaces") as made:
        made.await_query(1, "cluster_state   : Normal")
        yield made


def run(lab: Lab, tag: str) -> subprocess.CompletedProcess[str]:
    """Run the recorded query of a tag with its environment, as its user."""
    node = lab.node(1)
    pairs = [
        p.format(home=node.gausshome, log=node.gausslog).partition("=")[::2] for p in CASES[tag]
    ]
    command = re.search(r"cm_ctl (query \S+)", (SAMPLES / f"node1/cmd/{tag}.cmd").read_text())
    assert command is not None
    users = {"root": "root", "mon": "nobody"}
    return lab.cm_ctl(
        1,
        *command.group(1).split(),
        environment={"PATH": "/usr/bin:/bin", **dict(pairs)},
        user=users.get(tag.split("_", maxsplit=1)[0]),
    )


@pytest.mark.parametrize("tag", sorted(CASES))
def test_a_missing_piece_shows_as_it_was_recorded(lab: Lab, tag: str) -> None:
    """Output, error output and exit code are those of the real cm_ctl."""
    answer = run(lab, tag)
    recorded = SAMPLES / f"node1/cmd/{tag}.stdout"
    expected = records.normal(recorded.read_text())
    assert records.normal(RACE.sub("", answer.stdout)) == expected
    assert answer.returncode == int(recorded.with_suffix(".rc").read_text())
    stderr = recorded.with_suffix(".stderr")
    wanted = stderr.read_text() if stderr.exists() else ""
    assert records.normal(answer.stderr) == records.normal(wanted)
