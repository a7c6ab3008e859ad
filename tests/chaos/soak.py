"""A long life: holders of the port come, stay and go, and a gigabyte of logs is read meanwhile."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.table import Row, at_most
from tests.chaos.looks import as_expected, value, wait_until
from tests.chaos.web import footprint
from tests.support.exporter_process import ExporterProcess
from tests.support.holders import Holder
from tests.support.programs import lasting_port
from tests.support.recorded_logs import recorded
from tests.support.truth import seen

ROUNDS, WARM_ROUNDS = 50, 5
SCRAPES = 100  # with a holder, and as many without, in each round
LOG_BYTES = 20_000_000  # in each round
PATIENCE_SECONDS = 600.0
STRANGER = ("--uid", "65534")
HERE = "127.0.0.1"
READ = 'opengauss_log_bytes_total{source="cm_agent"}'


def rows(rounds: int = ROUNDS) -> Iterator[Row]:
    """Compare what the exporter takes after a tenth of its life with what it takes at the end."""
    with tempfile.TemporaryDirectory() as name:
        life = Life(Path(name, "cm_agent-current.log"))
        with ExporterProcess(life.config) as exporter:
            exporter.wait_ready()
            wrong = sum(life.round(exporter) for _ in range(WARM_ROUNDS))
            warm = footprint(exporter.pid)
            wrong += sum(life.round(exporter) for _ in range(rounds - WARM_ROUNDS))
            # a rotated file stays open for a moment
            wait_until(lambda: footprint(exporter.pid).descriptors <= warm.descriptors)
            end = footprint(exporter.pid)
    what = f"{2 * SCRAPES * rounds:,} scrapes, {life.written / 1e9:.2f} GB of logs"
    yield as_expected(f"{what}: pages that tell another holder than there is", wrong, 0)
    yield at_most(f"{what}: memory", end.memory, 55, "MB")
    yield at_most("memory gained in the last nine tenths", end.memory - warm.memory, 1.5, "MB")
    yield at_most("threads gained", end.threads - warm.threads, 0, "")
    yield at_most("file descriptors gained", end.descriptors - warm.descriptors, 0, "")


class Life:
    """What happens around an exporter: a port that strangers take and leave, a log that grows."""

    def __init__(self, log: Path) -> None:
        self.written = 0
        self._log, self._port, self._rounds = log, lasting_port(), 0
        text = b"".join(path.read_bytes() for path in recorded("cm_agent"))
        self._text = text * (LOG_BYTES // len(text) + 1)
        log.touch()

    @property
    def config(self) -> str:
        """The exporter's configuration."""
        endpoint = {"endpoint": "cm_server", "instance_id": "1", "port": self._port}
        source = {"source": "cm_agent", "paths": [str(self._log)]}
        return json.dumps({"endpoints": [endpoint], "logs": {"sources": [source]}})

    def round(self, exporter: ExporterProcess) -> int:
        """Rotate and fill the log; scrape with a holder and without; returns the wrong pages.

        It ends when the log is read, so that a round of a slow machine is as long as it takes.
        """
        self._rotate()
        with Holder(f"listen,{HERE},{self._port}", options=STRANGER) as holder:
            wrong = self._wrong(exporter, ("foreign_listener", str(holder.pid)))
        wrong += self._wrong(exporter, (None,))
        if not wait_until(
            lambda: value(exporter.metrics(), READ) >= self.written, PATIENCE_SECONDS
        ):
            raise AssertionError(f"of {self.written} bytes not all were read")
        return wrong

    def _rotate(self) -> None:
        """Rename as CM does; the new file begins with a line that no other has."""
        self._log.rename(self._log.with_name("cm_agent-old.log"))
        self._rounds += 1
        head = b"2026-11-22 12:00:00.000 tid=%d main LOG: begin\n" % self._rounds
        self.written += self._log.write_bytes(head + self._text)

    def _wrong(self, exporter: ExporterProcess, expected: tuple[object, ...]) -> int:
        return sum(_holder(exporter.metrics()) != expected for _ in range(SCRAPES))


def _holder(page: str) -> tuple[object, ...]:
    """Tell the reason of the conflict, and the holders' pids."""
    ports = "".join(f"{line}\n" for line in page.splitlines() if line.startswith("opengauss_port_"))
    found = seen(ports, endpoint="cm_server", instance_id="1")
    return (found.conflict, *(holder["pid"] for holder in found.holders))
