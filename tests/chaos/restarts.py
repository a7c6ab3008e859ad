"""Killed and started again, with a clock that jumps, on a disk that is full."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.table import Row
from tests.chaos.growing_log import Log, counted
from tests.chaos.looks import as_expected, bad_pages, failed_collectors, nothing, wait_until
from tests.support.exporter_process import ExporterProcess

RESTARTS = 100
JUMPS = {"a day on": 86_400, "a day back": -86_400, "ten years on": 315_360_000, "1970": -1.79e9}
DISK_BYTES = 128 * 1024


def kill_and_restart(times: int = RESTARTS) -> Iterator[Row]:
    """Kill it at any moment, again and again, while a log goes on growing."""
    with tempfile.TemporaryDirectory() as name:
        log = Log(Path(name))
        complaints: list[str] = []
        for number in range(times):
            with _life(log) as exporter:
                exporter.wait_for("listening")
                # what stood in a log before there was any state is looked at, and not counted
                wait_until(log.state.exists)
                log.write(3)
                if number % 4:
                    complaints += failed_collectors(exporter.metrics())
                complaints += [e["msg"] for e in exporter.events if e["level"] == "error"]
                exporter.signal(signal.SIGKILL)
                exporter.wait()
        with _life(log) as exporter:
            exporter.wait_ready()
            wait_until(lambda: counted(exporter.metrics()) >= log.written)
            seen = counted(exporter.metrics())
            state = json.loads(log.state.read_text(encoding="utf-8"))
    what = f"kill -9 and restart, {times} times"
    yield as_expected(f"{what}: records counted", seen, log.written)
    yield nothing(f"{what}: errors, failed collectors", complaints, "none")
    yield as_expected(f"{what}: the state is whole", state["version"], 1)


@contextmanager
def _life(log: Log) -> Iterator[ExporterProcess]:
    with ExporterProcess(log.config, "--no-collector.cluster") as exporter:
        yield exporter


def clock_jumps() -> Iterator[Row]:
    """Put the wall clock forward and back under a running exporter, with a log that grows."""
    with tempfile.TemporaryDirectory() as name:
        log, shift = Log(Path(name)), Path(name, "shift")
        shift.write_text("0", encoding="ascii")
        prefix = (sys.executable, "-m", "tests.chaos.shifted_clock", str(shift))
        with ExporterProcess(log.config, "--no-collector.cluster", prefix=prefix) as exporter:
            exporter.wait_ready()
            for jump, seconds in JUMPS.items():
                shift.write_text(str(seconds), encoding="ascii")
                bad = bad_pages(exporter, 5)
                log.write(5)
                whole = wait_until(lambda: counted(exporter.metrics()) >= log.written)
                yield nothing(f"clock jumps ({jump}): failed collectors", bad, "none")
                what = f"clock jumps ({jump}): records of a log are all counted once"
                yield as_expected(what, whole and counted(exporter.metrics()), log.written)


def full_disk() -> Iterator[Row]:
    """No room for the state, none for a private log, none for our own log on stderr; then room."""
    with tempfile.TemporaryDirectory() as name, _small_disk() as disk:
        log = Log(Path(name), disk)
        ballast = disk / "ballast"
        _fill(ballast)
        environment = {"RUNTIME_DIRECTORY": str(disk), "TMPDIR": str(disk)}
        with ExporterProcess(log.config, env=environment) as exporter:
            exporter.wait_ready()
            log.write(10)
            counts = wait_until(lambda: counted(exporter.metrics()) >= log.written)
            bad = [each for each in bad_pages(exporter, 10) if each != "cluster"]
            yield as_expected("full disk: records are counted all the same", counts, expected=True)
            yield nothing("full disk: failed collectors", bad, "none")
            ballast.unlink()
            saved = wait_until(log.state.exists)
            yield as_expected(
                "full disk: the state is saved once there is room", saved, expected=True
            )


@contextmanager
def _small_disk() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="chaos-") as name:
        size = f"size={DISK_BYTES}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "chaos", name], check=True)
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", "-l", name], check=True)


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return
