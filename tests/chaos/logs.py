"""Logs that grow faster than any cluster's, and logs that rotate for ever, beside scrapes."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.bench.table import Row, at_least, at_most
from tests.chaos.looks import unless_busy
from tests.chaos.web import footprint, scrape_ms
from tests.support.exporter_process import ExporterProcess
from tests.support.exposition import parse_text
from tests.support.recorded_logs import recorded

MEGABYTE = 1_000_000
FLOOD_RATE, FLOOD_SECONDS = 50 * MEGABYTE, 10
FLOOD_FILE = 16 * MEGABYTE  # where CM rotates
SLICE_SECONDS = 0.02
SCRAPE_PAUSE = 0.02
LIVE_FILES, ROUNDS, WARM_ROUNDS = 500, 20, 5
FILE_BYTES = 100_000
PATIENCE_SECONDS = 120.0


def rows() -> Iterator[Row]:
    """Flood one exporter, and rotate another one's logs."""
    yield from _flood()
    yield from _rotations()


def _exporter(directory: Path) -> ExporterProcess:
    paths = f'[{{source: cm_agent, paths: ["{directory}/*.log"]}}]'
    return ExporterProcess(f"logs: {{sources: {paths}}}")


def _text(size: int) -> bytes:
    """Repeat what cm_agent wrote, in whole lines."""
    recording = b"".join(path.read_bytes() for path in recorded("cm_agent"))
    text = recording * (size // len(recording) + 1)
    return text[: text.rindex(b"\n", 0, size) + 1]


def _head(number: int) -> bytes:
    """Begin with a line that no other file has: one with the same words would be a copy."""
    return b"2026-11-22 12:00:00.000 tid=%d main LOG: begin\n" % number


def _value(page: str, name: str) -> float:
    families = {family.name: family for family in parse_text(page)}
    samples = families[name].samples
    return next(each.value for each in samples if each.labels["source"] == "cm_agent")


def _wait_until_read(exporter: ExporterProcess, written: int) -> float:
    """Wait until all bytes were read and none is behind; returns the seconds that took."""
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE_SECONDS:
        page = exporter.metrics()
        read, lag = _value(page, "opengauss_log_bytes"), _value(page, "opengauss_log_lag_bytes")
        if (read, lag) == (written, 0):
            return time.monotonic() - began
        time.sleep(SCRAPE_PAUSE)  # the exporter is another process: nothing tells but its page
    raise AssertionError(f"{read:.0f} of {written} bytes were read, {lag:.0f} are behind")


def _flood() -> Iterator[Row]:
    """Write at a steady rate, rotate as CM does, and scrape all the while."""
    with tempfile.TemporaryDirectory() as base, _exporter(Path(base)) as exporter:
        exporter.wait_ready()
        durations = []
        with ThreadPoolExecutor(1) as pool:
            writer = pool.submit(_write_steadily, Path(base))
            while not writer.done():
                durations.append(scrape_ms(exporter))
                time.sleep(SCRAPE_PAUSE)  # so many scrapes a second are enough
            written, seconds = writer.result()
        behind = _wait_until_read(exporter, written)
    rate = written / seconds / MEGABYTE
    p99 = statistics.quantiles(durations, n=100)[98]
    yield unless_busy(at_least(f"a log grows for {FLOOD_SECONDS} s", round(rate), 50, "MB/s"))
    yield unless_busy(at_most("  until the lag is 0 again", behind, 10, "s"))
    yield unless_busy(at_most(f"  p99 of {len(durations)} scrapes meanwhile", p99, 100, "ms"))


def _write_steadily(directory: Path) -> tuple[int, float]:
    """Write at the rate, never ahead of it; returns the bytes and the seconds."""
    text = _text(int(FLOOD_RATE * SLICE_SECONDS))
    live, written = directory / "cm_agent-current.log", 0
    began = time.monotonic()
    while written < FLOOD_RATE * FLOOD_SECONDS:
        with live.open("ab") as file:
            written += file.write(_head(written) + text)
            full = file.tell() > FLOOD_FILE
        if full:
            live.rename(directory / f"cm_agent-{written}.log")
        time.sleep(max(0.0, began + written / FLOOD_RATE - time.monotonic()))  # the rate
    return written, time.monotonic() - began


def _rotations() -> Iterator[Row]:
    """Rotate many files again and again, and compare what the exporter takes."""
    text, written = _text(FILE_BYTES), 0
    with tempfile.TemporaryDirectory() as base, _exporter(Path(base)) as exporter:
        exporter.wait_ready()
        warm = footprint(exporter.pid)
        for number in range(ROUNDS):
            written += _rotate_all(Path(base), number, text)
            _wait_until_read(exporter, written)
            if number + 1 == WARM_ROUNDS:
                warm = footprint(exporter.pid)
        end = footprint(exporter.pid)
    what = f"{ROUNDS * LIVE_FILES} rotations of {LIVE_FILES} files, {written // MEGABYTE} MB"
    yield at_most(f"{what}: memory at the end", end.memory, 55, "MB")
    yield at_most("  memory gained in their last three quarters", end.memory - warm.memory, 1, "MB")
    yield at_most("  file descriptors gained", end.descriptors - warm.descriptors, 0, "")


def _rotate_all(directory: Path, round_number: int, text: bytes) -> int:
    """Fill each live file and rename it over the one that was rotated before; returns the bytes."""
    written = 0
    for number in range(LIVE_FILES):
        live = directory / f"cm_agent-{number}-current.log"
        written += live.write_bytes(_head(round_number * LIVE_FILES + number) + text)
        live.rename(directory / f"cm_agent-{number}.log")
    return written
