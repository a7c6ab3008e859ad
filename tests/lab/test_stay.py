"""The simulated cluster that others watch."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.error import URLError

import pytest

from tests.lab.cluster import await_
from tests.lab.fleet import REPOSITORY

WITHIN = 60.0


def conflicts(targets: Path) -> int:
    """Count what the exporters of the file say is in conflict."""
    found = 0
    for group in json.loads(targets.read_text(encoding="utf-8")):
        url = f"http://{group['targets'][0]}{group['labels']['__metrics_path__']}"
        with urllib.request.urlopen(url, timeout=20) as answer:
            lines = answer.read().decode().splitlines()
        found += sum(x.startswith("opengauss_port_conflict{") and x.endswith(" 1.0") for x in lines)
    return found


def test_health_and_a_conflict_take_turns_until_the_end(tmp_path: Path) -> None:
    """Its targets can be scraped, the conflict comes and goes, and SIGTERM ends it all."""
    targets = tmp_path / "targets.json"
    words = [sys.executable, "-m", "tests.lab.stay", str(targets), "1"]
    with subprocess.Popen(words, cwd=REPOSITORY) as program:
        try:
            await_(targets.exists, WITHIN, lambda: "no targets")
            await_(lambda: conflicts(targets) == 1, WITHIN, lambda: "no conflict")
            await_(lambda: conflicts(targets) == 0, WITHIN, lambda: "no end of it")
        finally:
            program.send_signal(signal.SIGTERM)
        assert program.wait(WITHIN) == 0
    with pytest.raises(URLError, match="refused"):
        conflicts(targets)
