"""Resource pooling: five restarts, then markers of CM's own making, as in the recordings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import records
from tests.lab.cluster import Lab, await_

SAMPLES = Path(__file__).resolve().parents[1] / "samples/cm_cluster/g_resources_ss_dms_dss_3node"
pytestmark = pytest.mark.e2e  # half a minute of waiting for the limit
OF_RESOURCES = re.compile(
    r"has been restart|is offline, but|manual stop res|can't create again|run start script"
    r"|RegOneResInst|restart times clean"
)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Two nodes that share a disk; a stranger holds the DSS port of the second, until the limit."""
    made = Lab(nodes=2, style="shared_disk")
    made.prepare()
    try:
        made.occupy(2, made.node(2).db_port + 10, "own_address")
        made.start()
        limit = r"res\(dss\) inst\(20002\) is offline, but restart times \(5\) >= limit \(5\)"
        await_(
            lambda: re.search(limit, made.log_text(2, "cm_agent")) is not None,
            60,
            lambda: made.log_text(2, "cm_agent")[-3000:],
        )
        yield made
    finally:
        made.stop()


def test_the_limit_leaves_markers_for_all_resources_of_the_node(lab: Lab) -> None:
    """CM makes both files itself, and what depends on the failed one is not started either."""
    node = lab.node(2)
    for number in (6002, 20002):
        assert (node.bin / f"instance_manual_start_{number}").stat().st_size == 0
    assert lab.pids(2, "gaussdb") == []
    text = lab.log_text(2, "cm_agent")
    assert len(re.findall(r"res\(dss\) inst\(20002\) has been restart", text)) == 5
    assert "res(dms_res) inst(6002) can't do restart, cause depend resource" in text


def test_its_records_are_the_recorded_ones(lab: Lab) -> None:
    """What is written of restarts and the limit was written by the real cm_agent word by word."""
    logs = lab.node(2).log_dir("cm_agent").glob("cm_agent-*.log")
    ours = {_generic(s) for s in records.shapes(logs) if OF_RESOURCES.search(s)}
    pattern = "node3/log/**/cm_agent-*.log"
    theirs = {_generic(s) for s in records.shapes(SAMPLES.glob(pattern))}
    assert len(ours) >= 5
    assert ours - theirs == set()


def test_only_a_start_takes_the_markers_away(lab: Lab) -> None:
    """Freeing the port changes nothing; cm_ctl start brings the node back."""
    lab.release(lab.occupiers[0])
    lab.await_query(1, "Manually stopped")
    assert (lab.node(2).bin / "instance_manual_start_6002").exists()
    done = lab.cm_ctl(1, "start", "-t", "60", timeout=90)
    assert "start cluster successfully" in done.stdout
    assert not list(lab.node(2).bin.glob("instance_manual_start_*"))
    assert "dms_res  6002      OnLine" in lab.query(1)


def _generic(shape: str) -> str:
    return re.sub(r"\d+", "N", shape).replace("dms_res", "dss").replace("dms_contrl", "dss_contrl")
