"""A service in the background goes on whatever a step does, and ends when it is told to."""

from __future__ import annotations

import threading

import pytest

from exporter.host.background import Background, in_thread

PATIENCE_SECONDS = 10.0


def test_steps_follow_each_other_until_the_end() -> None:
    """Every step waits as long as the last one said, and the end comes once, in the same thread."""
    steps: list[int] = []
    ends: list[int] = []
    enough = threading.Event()

    def step() -> float:
        steps.append(threading.get_ident())
        if len(steps) == 3:
            enough.set()
            return PATIENCE_SECONDS * 10
        return 0.0

    service = Background("test", step, finish=lambda: ends.append(threading.get_ident()))
    service.start()
    assert enough.wait(PATIENCE_SECONDS)
    service.stop()
    assert len(steps) == 3
    assert ends == steps[:1]


def test_a_step_that_raises_is_not_the_last() -> None:
    """A failure is counted, and the next step comes all the same."""
    failures: list[int] = []
    done = threading.Event()

    def step() -> float:
        if not failures:
            raise ValueError("nobody thought of this")
        done.set()
        return PATIENCE_SECONDS * 10

    service = Background("test", step, failed=lambda: failures.append(1))
    service.start()
    assert done.wait(PATIENCE_SECONDS)
    service.stop()
    assert failures == [1]


def test_what_waits_for_the_first_result_is_told() -> None:
    """Whoever waits goes on when the step says that there is something to show."""
    service = Background("test", lambda: PATIENCE_SECONDS)
    assert not service.wait_for_first(0.0)
    service.ready.set()
    assert service.wait_for_first(0.0)


def test_a_step_in_flight_is_cancelled() -> None:
    """The end does not wait for a program that a step waits for."""
    program = threading.Event()
    begun = threading.Event()

    def step() -> float:
        begun.set()
        program.wait(PATIENCE_SECONDS)
        return 0.0

    service = Background("test", step, cancel=program.set)
    service.start()
    assert begun.wait(PATIENCE_SECONDS)
    service.stop()
    assert program.is_set()


def test_what_a_thread_of_its_own_gives_comes_back() -> None:
    """The caller gets the result, or the error, as if it had done it itself."""
    assert in_thread("test", threading.get_ident) != threading.get_ident()
    with pytest.raises(ValueError, match="not like this"):
        in_thread("test", lambda: int("not like this"))
