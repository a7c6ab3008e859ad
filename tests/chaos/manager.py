"""The unit under a real systemd: a hung exporter, a killed one, one with a wrong flag."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from packages.layout import NAME
from tests.bench.table import Row
from tests.chaos.looks import as_expected, wait_until
from tests.support.booted import Booted

TEMPLATE = Path(__file__).resolve().parents[2] / "config" / f"{NAME}@.service"
UNITS = "/etc/systemd/system"
UNIT = f"{NAME}@daemon.service"
ENVIRONMENT = f"/etc/{NAME}/daemon.env"
SOONER = """\
[Service]
WatchdogSec=10s
RestartSec=100ms
"""


def rows() -> Iterator[Row]:
    """Let systemd's watchdog see it hang; its times are shorter than the unit's own."""
    files = {
        f"{UNITS}/{TEMPLATE.name}": TEMPLATE.read_text(encoding="utf-8"),
        f"{UNITS}/{TEMPLATE.name}.d/sooner.conf": SOONER,
        ENVIRONMENT: "",
    }
    with Booted(files) as host:
        host.ask("start", UNIT)
        yield as_expected("started: READY=1 was told", host.show(UNIT, "ActiveState"), "active")
        yield from _watched(host)
        yield from _mended(host, "hung (SIGSTOP): systemd restarts it", "STOP", 1)
        yield from _mended(host, "killed (SIGKILL): systemd restarts it", "KILL", 2)
        yield from _not_mended(host)


def _watched(host: Booted) -> Iterator[Row]:
    first = host.show(UNIT, "WatchdogTimestampMonotonic")
    fed = wait_until(lambda: host.show(UNIT, "WatchdogTimestampMonotonic") != first)
    yield as_expected("the watchdog is fed", fed, expected=True)
    yield as_expected("... and has nothing to do", host.show(UNIT, "NRestarts"), "0")


def _mended(host: Booted, what: str, signal: str, times: int) -> Iterator[Row]:
    """End it, or worse, and wait for the next one's page."""
    host.ask("kill", f"--signal={signal}", UNIT)
    again = wait_until(lambda: int(host.show(UNIT, "NRestarts")) >= times, 120)
    serves = wait_until(lambda: _status(host) == "200")
    yield as_expected(what, (again, serves), (True, True))


def _status(host: Booted) -> str:
    page = "http://127.0.0.1:19836/-/healthy"
    return host.run(
        "curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", page
    ).stdout


def _not_mended(host: Booted) -> Iterator[Row]:
    """A wrong flag is a wrong flag the next time, too."""
    host.ask("stop", UNIT)
    host.path(ENVIRONMENT).write_text("FLAGS=--no-such-flag\n", encoding="utf-8")
    host.ask("start", UNIT)
    wait_until(lambda: host.show(UNIT, "ActiveState") == "failed")
    seen = [host.show(UNIT, name) for name in ("ActiveState", "ExecMainStatus", "NRestarts")]
    yield as_expected("a wrong flag: not tried again", seen, ["failed", "64", "0"])
