"""Prometheus's own check of a page."""

from __future__ import annotations

import shutil
import subprocess

INSTALL = "promtool is missing; install it with: make tools (Debian: apt-get install prometheus)"


def check_metrics(page: bytes) -> None:
    """Fail unless ``promtool check metrics`` reads the page and finds nothing to complain of."""
    promtool = shutil.which("promtool")
    assert promtool, INSTALL
    words = [promtool, "check", "metrics"]
    done = subprocess.run(words, input=page, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr.decode()) == (0, "")
