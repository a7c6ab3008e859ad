"""The running exporter beside its logs: many scrapers, and another life with the same state."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Callable

from tests.support.exporter_process import PATIENCE_SECONDS, ExporterProcess
from tests.support.exposition import parse_text

SCRAPERS = 3
RECORDS = 30
LIMIT = (
    "res(dms_res) inst(6001) is offline, but restart times (3) >= limit (3), can't do restart"
    " again, will do manually stop."
)
_Samples = dict[tuple[str, ...], float]


def _record(text: str) -> str:
    time_text = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    return f"{time_text} tid=7 StartAndStop LOG: {text}\n"


@contextmanager
def _exporter(base: Path) -> Iterator[ExporterProcess]:
    config = f"""
installation: {{gausshome: {base}/app}}
logs:
  sources: [{{source: cm_agent, paths: ["{base}/log/*.log"]}}]
  state_file: {base}/state/positions.json
  timezone: UTC
"""
    with ExporterProcess(config) as exporter:
        exporter.wait_ready()
        _wait_for((base / "state" / "positions.json").exists, "the first look")
        yield exporter


def _samples(page: str, *families: str) -> _Samples:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in parse_text(page)
        if family.name in families
        for sample in family.samples
    }


def _read_until(exporter: ExporterProcess, size: int) -> None:
    """Scrape until so many bytes were read."""
    key = ("opengauss_log_bytes_total", "cm_agent")
    _wait_for(
        lambda: _samples(exporter.metrics(), "opengauss_log_bytes")[key] >= size, "the log's end"
    )


def _wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)  # another process has to get on; nothing depends on how fast


def test_scrapers_share_the_counters_and_a_restart_changes_nothing(tmp_path: Path) -> None:
    """Three scrapers see what one sees, and the next exporter shows what the last one did."""
    (tmp_path / "log").mkdir()
    live = tmp_path / "log" / "cm_agent-2026-11-22_120000-current.log"
    (tmp_path / "app" / "bin").mkdir(parents=True)
    kept = (
        "opengauss_log_signature_matches",
        "opengauss_log_signature_last_match_timestamp_seconds",
        "opengauss_stop_origin",
    )
    with _exporter(tmp_path) as exporter:
        live.touch()
        live.write_text(_record(LIMIT) * RECORDS)
        (tmp_path / "app" / "bin" / "instance_manual_start_6001").touch()
        _read_until(exporter, live.stat().st_size)
        with ThreadPoolExecutor(SCRAPERS) as pool:
            pages = list(pool.map(lambda _: exporter.metrics(), range(SCRAPERS)))
    first, *others = [_samples(page, *kept) for page in pages]
    assert [first] * (SCRAPERS - 1) == others
    key = ("resource_restart_limit", "cm_agent")
    assert first[("opengauss_log_signature_matches_total", *key)] == RECORDS
    assert first[("opengauss_stop_origin", "6001", "restart_limit")] == 1
    with _exporter(tmp_path) as exporter:
        assert _samples(exporter.metrics(), *kept) == first
