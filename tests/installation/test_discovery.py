"""What is known of the installation, kept current in the background."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Union

import pytest
from structlog.testing import capture_logs

from exporter.installation.discovery import Discovery, Pace
from exporter.installation.endpoints import discovered_endpoints
from exporter.installation.facts import FactState, Installation, Lookup
from exporter.ports.facts import Endpoint
from tests.support.installations import installation

NOTHING = Installation("omm", -1, "host")
KNOWN = installation()
PROBLEM = Lookup("static_config", "/x", FactState.MISSING, "/x: No such file")


class Host:
    """Gives what it is told to give, one after the other; can be held up."""

    def __init__(self, *answers: Union[Installation, Exception]) -> None:
        self.answers = list(answers)
        self.last_was_taken = threading.Event()
        self._gave_last = False
        self.go_on = threading.Event()
        self.go_on.set()

    def refresh(self) -> Installation:
        """Look; the last answer is given again and again.

        Whoever comes back for it a second time has done with it what there was to do.
        """
        self.go_on.wait(10)
        if self._gave_last:
            self.last_was_taken.set()
        self._gave_last = len(self.answers) == 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def _discovery(host: Host, interval: float = 0.001, first_look: float = 10) -> Discovery:
    pace = Pace(interval, interval, first_look)
    return Discovery(host.refresh, discovered_endpoints, NOTHING, host.go_on.set, pace)


def test_a_host_without_an_installation_is_searched_less_often() -> None:
    """Looking at every process of the host costs more than looking whether files have changed."""
    assert Pace().after(NOTHING) == 15.0
    assert Pace().after(KNOWN) == 10.0


@pytest.fixture
def started() -> Iterator[list[Discovery]]:
    """Whatever a test starts is stopped."""
    discoveries: list[Discovery] = []
    yield discoveries
    for each in discoveries:
        each.stop()


def test_whoever_asks_first_waits_until_something_is_known(started: list[Discovery]) -> None:
    """The first scrape has the endpoints already."""
    discovery = _discovery(Host(KNOWN))
    started.append(discovery)
    discovery.start()
    assert discovery.endpoints() == discovered_endpoints(KNOWN)
    assert discovery.installation() is KNOWN
    assert discovery.wait_for_first(0)


def test_nobody_waits_longer_than_promised(started: list[Discovery]) -> None:
    """An environment file that sleeps delays the facts, not the page."""
    host = Host(KNOWN)
    host.go_on.clear()
    discovery = _discovery(host, first_look=0.01)
    started.append(discovery)
    discovery.start()
    assert not discovery.wait_for_first(0.01)
    assert discovery.installation() is NOTHING
    assert discovery.endpoints() == ()


def test_what_changes_is_taken_up(started: list[Discovery]) -> None:
    """A later look replaces facts and endpoints at once."""
    host = Host(NOTHING, NOTHING, KNOWN)
    discovery = _discovery(host)
    started.append(discovery)
    discovery.start()
    assert host.last_was_taken.wait(30)
    assert discovery.endpoints() == discovered_endpoints(KNOWN)


def test_a_look_that_fails_is_not_the_last_one(started: list[Discovery]) -> None:
    """Even an error of our own leaves what was known, and the next look comes."""
    host = Host(RuntimeError("a bug"), KNOWN)
    discovery = _discovery(host)
    started.append(discovery)
    with capture_logs() as logs:
        discovery.start()
        assert host.last_was_taken.wait(30)
        discovery.stop()
    assert discovery.installation() is KNOWN
    assert logs[0]["event"] == "a step failed"
    assert logs[0]["service"] == "discovery"


def test_stopping_ends_a_look_in_flight() -> None:
    """It is cancelled, and its thread ends."""
    host = Host(KNOWN)
    host.go_on.clear()
    discovery = _discovery(host)
    discovery.start()
    discovery.stop()
    assert host.go_on.is_set()
    assert "discovery" not in {thread.name for thread in threading.enumerate()}


def test_endpoints_are_derived_only_from_new_facts() -> None:
    """A look without changes costs nothing more."""
    derived: list[Installation] = []

    def derive(found: Installation) -> tuple[Endpoint, ...]:
        derived.append(found)
        return ()

    discovery = Discovery(lambda: KNOWN, derive, NOTHING)
    discovery.look()
    discovery.look()
    assert derived == [NOTHING, KNOWN]


def test_a_problem_is_told_once_and_its_end_once() -> None:
    """The log does not fill while something stays broken."""
    broken = [installation(lookups=(PROBLEM,)) for _ in range(3)]
    answers = iter([*broken, KNOWN, installation()])
    discovery = Discovery(lambda: next(answers), discovered_endpoints, NOTHING)
    with capture_logs() as logs:
        for _ in range(5):
            discovery.look()
    assert [(log["log_level"], log["event"]) for log in logs] == [
        ("warning", "not found"),
        ("info", "installation known"),
        ("info", "installation known"),
    ]
    assert logs[0]["fact"] == "static_config"
    assert logs[0]["problem"] == "/x: No such file"
