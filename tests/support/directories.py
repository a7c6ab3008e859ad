"""A directory that every user may enter, while other test runs close pytest's own to them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def open_directory() -> Iterator[Path]:
    """Make it directly below the directory of temporary files; remove it at the end."""
    path = Path(tempfile.mkdtemp(prefix="ogcm-test-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path)
