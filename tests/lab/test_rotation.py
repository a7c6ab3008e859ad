"""Logs of the stand-ins rotate and shrink as those of the real programs were recorded to."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from tests.lab.cluster import Lab, await_
from tests.lab.standins.logfile import CmLog

LISTING = Path(__file__).resolve().parents[1] / "samples/cm_cluster/f_log_rotation_2node"
FILLER = "x" * 120 + "\n"


def test_a_full_log_is_renamed_and_the_next_record_begins_another(tmp_path: Path) -> None:
    """A record that does not fit drops `-current` from the name; a restart appends to the rest."""
    log = CmLog(tmp_path, "cm_server", limit=300)
    log.write("LOG", "a" * 200, thread="MAIN")
    first = log.current()
    old = tmp_path / "cm_server-2026-01-01_000000-current.log"
    first.rename(old)
    log.write("LOG", "b" * 200, thread="MAIN")
    assert old.with_name("cm_server-2026-01-01_000000.log").read_text().endswith("aaa\n")
    CmLog(tmp_path, "cm_server").write("LOG", "c", thread="MAIN")
    assert [line[-1] for line in log.current().read_text().splitlines()] == ["b", "c"]


def test_finished_logs_become_gz_as_recorded() -> None:
    """With a full cm_ctl log one query leaves the names, modes and kinds of the recording."""
    lab = Lab(nodes=1)
    lab.prepare()
    try:
        lab.set_conf(1, "cm_agent", log_threshold_check_interval="1")
        directory = lab.node(1).log_dir("cm_ctl")
        full = directory / "cm_ctl-2026-11-22_124822-current.log"
        full.write_text(FILLER * (16 * 1024 * 1024 // len(FILLER)))
        full.chmod(0o666)
        lab.start()
        lab.await_query(1, "cluster_state   : Normal")
        assert lab.cm_ctl(1, "query", "-Cv").returncode == 0
        await_(lambda: any(directory.glob("*.gz")), 20, lambda: str(list(directory.iterdir())))
        shown = {_name(p.name) for p in directory.iterdir()}
        modes = {stat.S_IMODE(p.stat().st_mode) for p in directory.glob("*.gz")}
    finally:
        lab.stop()
    listing = (LISTING / "listing_14.txt").read_text()
    recorded = {_name(name) for name in re.findall(r"cm_ctl-\S+", listing)}
    assert shown == recorded
    assert modes == {0o600}


def _name(name: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d_\d{6}", "TIME", name)
