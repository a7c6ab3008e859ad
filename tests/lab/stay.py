"""A simulated cluster that stays: health and a conflict take turns, for others to watch.

As a program: `python -m tests.lab.stay TARGETS [SECONDS]`. It writes the exporters' addresses to
TARGETS, as a file for file_sd_configs, and stays SECONDS in each phase until SIGTERM or Ctrl-C.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.lab.cluster import Lab
from tests.lab.fleet import Fleet
from tests.lab.guardian import guarded
from tests.lab.runner import Runner
from tests.lab.scenario import Phase, load_all
from tests.support.monitoring import Target

SCENARIO = "demonstration"
SECONDS = 180.0


def write_targets(path: Path, targets: Iterable[Target]) -> None:
    """Write the file at once, for Prometheus may read it at any moment."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps([target.file_sd() for target in targets]), encoding="utf-8")
    new.chmod(0o644)  # Prometheus is another user
    new.replace(path)


def take_turns(runner: Runner, phases: Iterable[Phase], rest: Callable[[], None]) -> None:
    """Rest, then do a phase's steps, for each phase."""
    for phase in phases:
        rest()
        for step in phase.steps:
            runner.do(step)


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Stay until told to end."""
    targets, *seconds = sys.argv[1:]
    pause = float(seconds[0]) if seconds else SECONDS
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    scenario = load_all()[SCENARIO]
    try:
        with guarded(os.environ), Lab(scenario.nodes, scenario.style) as lab, Fleet(lab) as fleet:
            write_targets(Path(targets), fleet.targets(SCENARIO))
            runner = Runner(lab)
            while True:
                take_turns(runner, scenario.phases, lambda: time.sleep(pause))
    except KeyboardInterrupt:
        return os.EX_OK


if __name__ == "__main__":
    sys.exit(main())
