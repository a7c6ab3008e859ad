"""``python -m tests.chaos.shifted_clock FILE PYTHON -m exporter …``: the exporter, wrong in time.

FILE holds by how many seconds the wall clock is put forward; writing it is a jump. The clock is
replaced before the exporter is imported, so that every part of it gets the same one.
"""

from __future__ import annotations

import runpy
import sys
import time
from pathlib import Path
from typing import Callable


def shifted(real: Callable[[], float], file: Path) -> Callable[[], float]:
    """Make a clock that is wrong by what the file says at each look."""
    return lambda: real() + float(file.read_text(encoding="ascii"))


if __name__ == "__main__":
    time.time = shifted(time.time, Path(sys.argv[1]))
    sys.argv = sys.argv[4:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
