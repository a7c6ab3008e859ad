"""`make demo`: a simulated cluster, a port conflict, the page that names it, and the way back.

Needs no root, no openGauss and no network. `SCENARIO=name` plays a file of tests/scenarios in place
of the default; `KEEP=1` keeps everything running behind the conflict and prints where it listens.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from textwrap import indent
from types import FrameType

from tests.lab import expectations
from tests.lab.cluster import Lab
from tests.lab.fleet import Fleet, Sample
from tests.lab.guardian import guarded
from tests.lab.runner import Runner
from tests.lab.scenario import Phase, Scenario, load_all
from tests.support.monitoring import FAST, Monitoring
from tests.support.webhook import Notification

DEFAULT = "demonstration"
SHOWN = ("opengauss_port_conflict", "opengauss_port_holder_pid")
WAIT_SECONDS = 60.0


class Narrator:
    """Tells on the terminal what happens, with the seconds since the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        """Print one line, or several behind one time."""
        elapsed = time.monotonic() - self._began
        first, *rest = text.splitlines() or [""]
        lines = [f"[{elapsed:5.1f} s] {first}", *(f"          {line}" for line in rest)]
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()

    def wait(self, what: str, look: Callable[[], bool], seconds: float = WAIT_SECONDS) -> bool:
        """Wait with a dot a second; False when it did not come about."""
        sys.stdout.write(f"          waiting for {what} ")
        deadline = time.monotonic() + seconds
        dots = time.monotonic()
        while not (seen := look()) and time.monotonic() < deadline:
            if time.monotonic() - dots >= 1:
                dots += 1
                sys.stdout.write(".")
                sys.stdout.flush()
            time.sleep(0.1)
        sys.stdout.write(" here it is\n" if seen else " it did not come\n")
        return seen


class Demonstration:
    """One scenario, told."""

    def __init__(self, scenario: Scenario, narrator: Narrator, lab: Lab) -> None:
        self._scenario = scenario
        self._narrator = narrator
        self._lab = lab
        self._runner = Runner(lab)
        self._fleet = Fleet(lab)
        self._monitoring: Monitoring | None = None
        self.failed = False

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start cluster, exporters and monitoring; end them behind the block."""
        with ExitStack() as stack:
            self._start_cluster()
            stack.callback(self._lab.stop)
            stack.enter_context(self._fleet)
            self._narrator.say("One exporter runs beside each node:")
            for node in self._lab.plan.nodes:
                self._tell(f"  {node.name}: http://{self._fleet.address(node.node_id)}/metrics")
            self._start_monitoring(stack)
            yield

    def play(self, *, keep: bool) -> None:
        """Play the phases; with `keep` only the first, then wait for Ctrl-C."""
        for phase in self._scenario.phases[:1] if keep else self._scenario.phases:
            self._play(phase)
        if keep:
            self._narrator.say("Everything keeps running; end it with Ctrl-C.")
            if self._monitoring is not None:
                self._tell(f"  Prometheus: {self._monitoring.prometheus.url}/alerts")
                self._tell(f"  Alertmanager: {self._monitoring.alertmanager.url}")
            signal.pause()

    def _start_cluster(self) -> None:
        nodes = self._scenario.nodes
        self._narrator.say(f"Making a cluster of {nodes} nodes out of stand-ins, without root.")
        self._lab.prepare()
        self._tell(f"Its files are below {self._lab.root}.")
        for node in self._lab.plan.nodes:
            ports = f"CM port {node.cm_port}, database port {node.db_port}"
            self._tell(f"  {node.name}: {node.address}, {ports}")
        if self._scenario.started:
            self._lab.start()
            self._narrator.wait(
                "cluster_state Normal",
                lambda: "cluster_state   : Normal" in self._lab.query(1),
            )

    def _start_monitoring(self, stack: ExitStack) -> None:
        alertmanager = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
        if not shutil.which("prometheus") or not alertmanager:
            self._narrator.say(
                "Prometheus or Alertmanager is not on PATH (packages prometheus and"
                " prometheus-alertmanager): the pages are shown without alerts."
            )
            return
        self._monitoring = stack.enter_context(
            Monitoring(
                self._lab.root / "monitoring", self._fleet.targets("demonstration"), pace=FAST
            )
        )
        self._narrator.say("Prometheus and Alertmanager run with the shipped rules and routes.")

    def _play(self, phase: Phase) -> None:
        self._narrator.say(f"— {phase.name} —")
        for step in phase.steps:
            words = ", ".join(f"{key} {value}" for key, value in step.arguments.items())
            self._tell(f"{step.action}: {words}")
            self._runner.do(step)
        for label, occupier in self._runner.occupiers.items():
            held = f"port {occupier.port} of node{occupier.node_id}"
            self._tell(f"{label}: process {occupier.name}, pid {occupier.pid}, holds {held}")

        def problems() -> list[str]:
            return expectations.problems(phase.expect, self._runner, self._fleet)

        if not self._narrator.wait("the pages to say so", lambda: not problems()):
            self.failed = True
            self._tell("\n".join(problems()))
        self._show_pages()
        if phase.expect.alerts and self._monitoring is not None:
            self._show_notification(self._monitoring)

    def _show_pages(self) -> None:
        for node in self._lab.plan.nodes:
            page = self._fleet.page(node.node_id)
            stuck = expectations.reasons(page, "opengauss_port_conflict")
            rows = [line(s) for s in page if s.labels.get("endpoint") in stuck and _telling(s)]
            self._tell("\n".join(rows) if rows else f"{node.name}: no port is in conflict")

    def _show_notification(self, monitoring: Monitoring) -> None:
        known: list[Notification] = []

        def arrived() -> bool:
            known[:] = [n for n in monitoring.webhook.received() if n.alerts()]
            return bool(known)

        if self._narrator.wait("the notification", arrived):
            for alert in known[-1].alerts():
                self._narrator.say(f"The webhook received {alert['labels']['alertname']}:")
                for name, text in sorted(alert["annotations"].items()):
                    self._tell(f"  {name}:\n{indent(text.strip(), '    ')}")
        else:
            self.failed = True

    def _tell(self, text: str) -> None:
        sys.stdout.write("".join(f"          {line}\n" for line in text.splitlines()))
        sys.stdout.flush()


def line(sample: Sample) -> str:
    """Return a sample as its page shows it."""
    labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
    return f"{sample.name}{{{labels}}} {sample.value:g}"


def _telling(sample: Sample) -> bool:
    if sample.name not in SHOWN or not sample.value:
        return False
    return sample.labels.get("relation") != "own"


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


def main() -> int:
    """Play the scenario that the environment names; 1 when it did not go as it says."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)  # also where a shell started us with it ignored
    name = os.environ.get("SCENARIO") or DEFAULT
    scenario = load_all().get(name)
    if scenario is None or scenario.not_shown is not None or scenario.where != "any":
        sys.stderr.write(f"no scenario {name!r} that can be shown; there are:\n  ")
        shown = [s.name for s in load_all().values() if s.not_shown is None and s.where == "any"]
        sys.stderr.write("\n  ".join(shown) + "\n")
        return 64
    narrator = Narrator()
    lab = Lab(scenario.nodes, scenario.style, "loopback", variant=scenario.variant)
    demonstration = Demonstration(scenario, narrator, lab)
    try:
        with guarded(os.environ), demonstration.running():
            demonstration.play(keep=bool(os.environ.get("KEEP")))
            narrator.say("Ending everything that was started.")
    except KeyboardInterrupt:
        narrator.say("Interrupted; nothing is left behind.")
        return 130
    finally:
        lab.stop()
    narrator.say("Done: no process and no file is left.")
    return 1 if demonstration.failed else os.EX_OK


if __name__ == "__main__":
    sys.exit(main())
