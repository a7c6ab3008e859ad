"""Following and matching logs beside mtail, with the same patterns on the same files.

The files are the recorded logs of the real CM, repeated. Ours is all the work: finding the files,
reading, matching, times, port reports, and the state file. mtail gets for each source just its
patterns, and has only to count.
"""

from __future__ import annotations

import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from exporter.config.schema import Logs, LogSource
from exporter.installation.facts import Installation
from exporter.parts import LogParts, LogSurroundings, log_parts, shipped
from tests.bench.table import Row, at_least, at_most
from tests.support.programs import find_program
from tests.support.recorded_logs import CM_SOURCES, recorded

MEGABYTE = 1_000_000
OURS_BYTES, MTAILS_BYTES = 100 * MEGABYTE, 15 * MEGABYTE
RUNS = 3
IDLE_POLLS = 200


def rows() -> Iterator[Row]:
    """Measure."""
    with tempfile.TemporaryDirectory() as directory:
        rate = max(_ours(Path(directory, f"ours-{run}")) for run in range(RUNS))
        mtails = _mtails(Path(directory, "mtail"))
        yield at_least(
            "logs followed and matched, all shipped signatures, 100 MB", rate, 150, "MB/s"
        )
        yield at_least("  times faster than mtail -one_shot", rate / mtails, 15, "x")
        yield Row("  peer: mtail -one_shot, the same patterns, 15 MB", f"{mtails:.1f} MB/s")
        yield at_most("logs, one look at idle files, CPU", _idle(Path(directory, "idle")), 2, "ms")


def _write(base: Path, most: int) -> dict[str, Path]:
    """Write the recordings, repeated, one file a source, in the share that each has of them."""
    texts = {s: b"".join(path.read_bytes() for path in recorded(s)) for s in CM_SOURCES}
    times = -(-most // sum(map(len, texts.values())))
    files = {}
    for source, text in texts.items():
        files[source] = base / source / f"{source}-current.log"
        files[source].parent.mkdir(parents=True)
        files[source].write_bytes(text * times)
    return files


def _parts(base: Path) -> LogParts:
    sources = tuple(LogSource(s, (str(base / s / "*.log"),)) for s in CM_SOURCES)
    config = Logs(sources=sources, state_file=str(base / "state.json"))
    installation = Installation("omm", 1000, "node1")
    return log_parts(config, LogSurroundings(lambda: installation, tuple, tuple), environ={})


def _ours(base: Path) -> float:
    """Follow from the beginning, as if all had been written since the last look."""
    parts = _parts(base)
    parts.service.open()
    parts.service.step()
    files = _write(base, OURS_BYTES)
    size = sum(path.stat().st_size for path in files.values())
    start = time.perf_counter()
    while parts.service.step():
        pass
    took = time.perf_counter() - start
    read = sum(done.bytes for done in parts.service.snapshot.activity.values())
    parts.service.close()
    if read != size:
        raise AssertionError(f"{read} bytes of {size} were read")
    return size / took / MEGABYTE


def _mtails(base: Path) -> float:
    """Run mtail for each source; the patterns are taken as they are."""
    files = _write(base, MTAILS_BYTES)
    size = sum(path.stat().st_size for path in files.values())
    took = 0.0
    for source, path in files.items():
        wanted = [each for each in shipped() if source in each.sources]
        program = [f"counter {each.id}" for each in wanted]
        program += [
            f"/{each.pattern.replace('/', chr(92) + '/')}/ {{\n  {each.id}++\n}}" for each in wanted
        ]
        progs = base / f"{source}.mtail"
        progs.write_text("\n".join(program) + "\n")
        words = [
            find_program("mtail", package="mtail"),
            "--one_shot",
            "--progs",
            str(progs),
            "--logs",
            str(path),
        ]
        start = time.perf_counter()
        subprocess.run([*words, "--address", "127.0.0.1"], check=True, capture_output=True)
        took += time.perf_counter() - start
    return size / took / MEGABYTE


def _idle(base: Path) -> float:
    """Return the CPU time of a look when nothing has changed, in milliseconds."""
    files = _write(base, MEGABYTE)
    parts = _parts(base)
    parts.service.open()
    while parts.service.step():
        pass
    start = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(IDLE_POLLS):
        parts.service.step()
    end = resource.getrusage(resource.RUSAGE_SELF)
    parts.service.close()
    if not files:
        raise AssertionError("there was nothing to look at")
    used = (end.ru_utime - start.ru_utime) + (end.ru_stime - start.ru_stime)
    return used / IDLE_POLLS * 1000
