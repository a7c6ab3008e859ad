"""Where every stand-in starts: which program and which node am I, then be it.

Each shows the real program's command line and environment, and ends when its lab is gone: the lab
holds a lock, and one that can be taken means that nobody is left to clean up.
"""

from __future__ import annotations

import fcntl
import importlib
import os
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = "lab.lock"


def main() -> int:
    """Run the program whose name this interpreter bears, or that the first argument says."""
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    plan_module = importlib.import_module("tests.lab.standins.plan")
    title = importlib.import_module("tests.lab.standins.title")
    program = Path(sys.executable).name
    plan = plan_module.read_plan(ROOT)
    number = Path(sys.executable).relative_to(ROOT).parts[0].removeprefix("node")
    title.show_as([sys.executable, *sys.argv[1:]], os.environ)
    threading.Thread(target=_end_with_lab, daemon=True).start()
    node = plan.node(int(number))
    name = "gaussdb" if program == node.server else program
    module = importlib.import_module(f"tests.lab.standins.{name}")
    return int(module.main(plan, node, sys.argv[1:]))


def _end_with_lab() -> None:
    while not lab_is_gone(ROOT):
        time.sleep(1)
    os._exit(0)


def lab_is_gone(root: Path) -> bool:
    """Whether nobody holds a lab's lock any more."""
    try:
        with (root / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except FileNotFoundError:
        return True
    return True


if __name__ == "__main__":
    sys.exit(main())
