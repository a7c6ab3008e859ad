"""The systemd unit: valid, tight, and enough for a whole page and a query of the cluster."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.cluster import Lab
from tests.support.confined import confined, settings
from tests.support.exporter_process import PATIENCE_SECONDS, ExporterProcess
from tests.support.programs import find_program

CONFIG = Path(__file__).resolve().parent.parent / "config"
UNIT = CONFIG / "opengauss-cm-exporter@.service"
DROP_IN = CONFIG / f"{UNIT.name}.d" / "name-foreign-processes.conf"
USER = "daemon"
HIGHEST_EXPOSURE = 3.5
FORM = {"unit": [UNIT], "unit and drop-in": [UNIT, DROP_IN]}


@pytest.fixture(params=sorted(FORM))
def files(request: pytest.FixtureRequest) -> list[Path]:
    """The unit alone, and with the drop-in that grants two capabilities."""
    return FORM[request.param]


@pytest.fixture
def root(tmp_path: Path, files: list[Path]) -> Path:
    """A host's root on which the package is installed."""
    units = tmp_path / "etc/systemd/system"
    units.mkdir(parents=True)
    for file in files:
        target = units / file.relative_to(CONFIG)
        target.parent.mkdir(exist_ok=True)
        shutil.copy(file, target)
    for name in ("sysinit", "basic", "network", "multi-user", "shutdown"):
        (units / f"{name}.target").write_text("[Unit]\nDescription=x\n", encoding="utf-8")
    for program in ("usr/bin/opengauss-cm-exporter", "bin/kill"):
        path = tmp_path / program
        path.parent.mkdir(parents=True)
        path.write_text("#!/bin/sh\n", encoding="utf-8")
        path.chmod(0o755)
    return tmp_path


def analyze(*words: str) -> str:
    """Run systemd-analyze; returns all that it says."""
    program = find_program("systemd-analyze", package="systemd")
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_systemd_has_nothing_to_say(root: Path) -> None:
    """``systemd-analyze verify`` is silent: it ends with 0 for a key that it does not know."""
    instance = UNIT.name.replace("@", "@omm")
    assert analyze("verify", f"--root={root}", instance) == ""


def test_verify_would_have_told(root: Path) -> None:
    """A key with a wrong letter is what that silence is about."""
    unit = root / "etc/systemd/system" / UNIT.name
    unit.write_text(unit.read_text(encoding="utf-8").replace("KeyringMode", "KeyringMod"))
    assert "Unknown key" in analyze("verify", f"--root={root}", unit.name.replace("@", "@omm"))


def test_the_exposure_is_low(root: Path) -> None:
    """Systemd's own score, also with the drop-in."""
    unit = root / "etc/systemd/system" / UNIT.name
    text = analyze("security", "--offline=true", "--no-pager", str(unit))
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", text)
    assert found, text
    assert float(found[1]) <= HIGHEST_EXPOSURE


def test_it_does_not_touch_what_is_the_databases() -> None:
    """No order after, no need of any unit of the database; nothing of its user's is removed."""
    text = UNIT.read_text(encoding="utf-8")
    assert re.findall(
        r"^(?:After|Requires|Wants|BindsTo|PartOf|Before)=(.*)$", text, re.MULTILINE
    ) == ["network.target"]
    assert "RemoveIPC" not in settings([UNIT])
    assert "ReadWritePaths" not in settings([UNIT])
    assert settings([UNIT])["User"] == ["%i"]


def test_only_the_drop_in_grants_capabilities() -> None:
    """The unit has none at all; the drop-in has the two that are needed together."""
    assert settings([UNIT])["CapabilityBoundingSet"] == []
    both = settings([UNIT, DROP_IN])
    assert both["CapabilityBoundingSet"] == both["AmbientCapabilities"]
    assert both["AmbientCapabilities"] == ["CAP_SYS_PTRACE CAP_DAC_READ_SEARCH"]


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory outside /tmp, which the unit hides."""
    with tempfile.TemporaryDirectory(dir="/opt", prefix="exportertest-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def manager(home: Path) -> Iterator[socket.socket]:
    """What listens where systemd would."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(home / "notify"))
        (home / "notify").chmod(0o666)
        server.settimeout(60)
        yield server


def granted(home: Path) -> dict[str, str]:
    """Make the unit's directories; returns what systemd puts into the environment."""
    found = {}
    for name in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY"):
        path = home / name.lower()
        path.mkdir(mode=0o700)
        shutil.chown(path, USER)
        found[name] = str(path)
    watchdog = {"WATCHDOG_USEC": "60000000", "NOTIFY_SOCKET": str(home / "notify")}
    return {**found, **watchdog, "PYTHONDONTWRITEBYTECODE": "1"}


def values(pattern: str, text: str) -> list[str]:
    """Find a pattern that stands for whole lines."""
    return re.findall(pattern, text, re.MULTILINE)


def capabilities(pid: int) -> dict[str, int]:
    """Read the capability sets and the locks of a process."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return {
        key: int(value, 16)
        for key, value in re.findall(r"^(\w+):\t([0-9a-f]+)$", text, re.MULTILINE)
    }


def page_after_a_query(exporter: ExporterProcess) -> str:
    """Scrape until a query of the cluster has come to its end."""
    deadline = time.monotonic() + 2 * PATIENCE_SECONDS
    while "\nopengauss_cm_query_timestamp_seconds 0.0" in (page := exporter.metrics()):
        assert time.monotonic() < deadline, exporter.events
        time.sleep(0.1)  # the pace of looking; the deadline is what is waited for
    return page


@pytest.mark.privileged
def test_a_whole_page_and_a_query_under_the_units_restrictions(
    files: list[Path], home: Path, manager: socket.socket
) -> None:
    """Every collector succeeds, cm_ctl has run, the manager was told, and the state is private."""
    with Lab(nodes=1, user=USER, directory=home) as lab:
        node = lab.node(1)
        lab.await_query(1, "Normal")
        installation = {"env_file": str(node.env_file), "gausshome": str(node.gausshome)}
        config = home / "exporter.yml"
        config.write_text(json.dumps({"installation": installation}), encoding="utf-8")
        environment = granted(home)
        writable = [Path(environment[name]) for name in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY")]
        prefix = confined(files, USER, writable)
        with ExporterProcess(
            None, f"--config.file={config}", prefix=prefix, env=environment
        ) as exporter:
            exporter.wait_ready()
            page = page_after_a_query(exporter)
            sets = capabilities(exporter.pid)
        state = [(path.name, path.stat().st_mode & 0o777) for path in writable[0].iterdir()]
    told = [manager.recv(100) for _ in range(3)]
    assert told == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]
    assert set(
        re.findall(r"^opengauss_exporter_collector_success\S+ (\S+)", page, re.MULTILINE)
    ) == {"1.0"}
    assert values(r'^opengauss_cm_query_outcome{outcome="(\w+)"} 1.0', page) == ["ok"]
    assert 'opengauss_port_source{source="sock_diag"} 1.0' in page
    assert (sets["NoNewPrivs"], sets["Seccomp"]) == (1, 2)
    assert sets["CapBnd"] == sets["CapEff"] == sets["CapAmb"]
    assert bool(sets["CapEff"]) is (DROP_IN in files)
    assert state
    assert {mode for _, mode in state} == {0o600}
    assert os.listdir(writable[1]) == []  # noqa: PTH208 -- the run's private log is gone
