"""One thread as long as nobody is slow, and nobody waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Callable, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from exporter.scrape.turns import Call, Turns

LONG = 60.0


class Times(threading.Condition):
    """A clock that a test sets, and the waiting for it: only the test ends a limit."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.limits: list[Optional[float]] = []
        self.watched = threading.Event()

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Note the limit and wait without one."""
        self.limits.append(timeout)
        if timeout is not None:
            self.watched.set()
        return super().wait()

    def go_on(self, seconds: float) -> None:
        """Let this time pass."""
        with self:
            self.now += seconds
            self.notify_all()


class Rests(threading.Condition):
    """Tells with ``two`` that two threads wait without a limit."""

    def __init__(self) -> None:
        super().__init__()
        self.two = threading.Event()
        self._resting = 0

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Count who waits without a limit."""
        if timeout is not None:
            return super().wait(timeout)
        self._resting += 1
        if self._resting == 2:
            self.two.set()
        ended = super().wait()
        self._resting -= 1
        return ended


class Threads:
    """Makes threads, and knows how many live."""

    def __init__(self) -> None:
        self.all: list[threading.Thread] = []
        self.most = 0
        self._alive = 0
        self._refused = 0
        self._change = threading.Condition()

    def make(self, target: Call, name: str, *, daemon: bool) -> threading.Thread:
        """Make one whose life is counted, or one that does not start."""

        def live() -> None:
            self._count(1)
            target()
            self._count(-1)

        if self._refused:
            self._refused -= 1
            return Refused(name=name)
        self.all.append(threading.Thread(target=live, name=name, daemon=daemon))
        return self.all[-1]

    def refuse(self, count: int) -> None:
        """Have the next ones not start."""
        self._refused = count

    def wait_until(self, fits: Callable[[int], bool]) -> bool:
        """Wait until the number of living threads fits."""
        with self._change:
            return self._change.wait_for(lambda: fits(self._alive), LONG)

    def _count(self, change: int) -> None:
        with self._change:
            self._alive += change
            self.most = max(self.most, self._alive)
            self._change.notify_all()


class Refused(threading.Thread):
    """A thread that the host does not give."""

    def start(self) -> None:
        """Fail as Python does."""
        raise RuntimeError("can't start new thread")


class Hanging:
    """A call that says when it began, and ends when told."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.release = threading.Event()

    def __call__(self) -> None:
        """Wait for the test."""
        self.entered.set()
        assert self.release.wait(LONG)


class Noted:
    """Calls that note the order in which they are made, and the threads."""

    def __init__(self) -> None:
        self.order: list[int] = []
        self.threads: set[str] = set()

    def calls(self, *numbers: int) -> list[Call]:
        """Make one for each number."""
        return [self._call(number) for number in numbers]

    def _call(self, number: int) -> Call:
        def call() -> None:
            self.order.append(number)
            self.threads.add(threading.current_thread().name)

        return call


def run(turns: Turns, calls: Sequence[Call]) -> None:
    """Submit, and wait for the last one."""
    done = threading.Event()
    turns.submit([*calls, done.set])
    assert done.wait(LONG)


def test_calls_are_made_in_their_order() -> None:
    """What is submitted first begins first, within a batch and from one to the next."""
    turns, noted = Turns("turns", LONG), Noted()
    for first in range(0, 100, 10):
        turns.submit(noted.calls(*range(first, first + 10)))
    run(turns, ())
    assert noted.order == list(range(100))
    turns.stop()


def test_one_thread_does_what_is_fast() -> None:
    """Calls of which none is slow are all made by one thread; one more watches it."""
    threads, noted = Threads(), Noted()
    turns = Turns("turns", LONG, thread=threads.make)
    run(turns, noted.calls(*range(50)))
    assert len(noted.threads) == 1
    assert noted.threads <= {"turns-1", "turns-2"}
    assert threads.most <= 2
    turns.stop()


def test_nothing_is_started_for_nothing() -> None:
    """Without calls there is no thread, and one call needs no second one."""
    threads, hanging = Threads(), Hanging()
    turns = Turns("turns", LONG, thread=threads.make)
    turns.submit(())
    assert threads.all == []
    turns.submit([hanging])
    assert hanging.entered.wait(LONG)
    assert len(threads.all) == 1
    hanging.release.set()
    turns.stop()


def test_who_is_not_overdue_is_waited_for() -> None:
    """The deputy waits once, for what is left of the patience; no call begins before that."""
    times, hanging, noted = Times(), Hanging(), Noted()
    turns = Turns("turns", 60.0, lambda: times.now, lambda: times)
    turns.submit([hanging])
    assert hanging.entered.wait(LONG)
    times.go_on(45.0)
    turns.submit(noted.calls(1))
    assert times.watched.wait(LONG)
    turns.submit(noted.calls(2))
    assert noted.order == []
    hanging.release.set()
    run(turns, ())
    assert noted.order == [1, 2]
    assert [limit for limit in times.limits if limit is not None] == [15.0]
    turns.stop()


def test_a_call_that_hangs_holds_up_the_others_once() -> None:
    """The calls behind it wait for one patience, and those that come later for nothing."""
    times, hanging, noted = Times(), Hanging(), Noted()
    turns = Turns("turns", 60.0, lambda: times.now, lambda: times)
    turns.submit([hanging, *noted.calls(1, 2, 3)])
    assert hanging.entered.wait(LONG)
    times.go_on(60.0)
    run(turns, ())
    for number in (4, 5, 6):
        run(turns, noted.calls(number))
    assert noted.order == [1, 2, 3, 4, 5, 6]
    assert times.now == 1060.0
    hanging.release.set()
    turns.stop()


def test_each_of_several_that_hang_costs_one_patience() -> None:
    """However many hang, the others get their turn after as many times the patience."""
    times, noted, threads = Times(), Noted(), Threads()
    hanging = [Hanging() for _ in range(5)]
    turns = Turns("turns", 60.0, lambda: times.now, lambda: times, threads.make)
    turns.submit([*hanging, *noted.calls(1, 2)])
    for each in hanging:
        assert each.entered.wait(LONG)
        times.go_on(60.0)
    run(turns, noted.calls(3))
    assert noted.order == [1, 2, 3]
    assert times.now == 1300.0
    assert threads.most <= len(hanging) + 2
    for each in hanging:
        each.release.set()
    turns.stop()


def test_a_call_that_hangs_is_left_behind_by_the_real_clock() -> None:
    """The deputy's own time limit is what takes the duty from a call that hangs."""
    hanging = Hanging()
    turns = Turns("turns", 0.01)
    run(turns, [hanging])
    hanging.release.set()
    turns.stop()


def test_threads_that_are_too_many_end() -> None:
    """When calls that hung have ended, two threads stay, and they do what comes."""
    times, noted, threads = Times(), Noted(), Threads()
    hanging = [Hanging() for _ in range(5)]
    turns = Turns("turns", 60.0, lambda: times.now, lambda: times, threads.make)
    turns.submit(hanging)
    for each in hanging:
        assert each.entered.wait(LONG)
        times.go_on(60.0)
    for each in hanging:
        each.release.set()
    assert threads.wait_until(lambda alive: alive == 2)
    started = len(threads.all)
    run(turns, noted.calls(1, 2, 3))
    assert noted.order == [1, 2, 3]
    assert len(threads.all) == started
    turns.stop()


def test_calls_that_come_meanwhile_wait_behind() -> None:
    """What is submitted during a call, or by it, is done in the order of its coming."""
    hanging, noted = Hanging(), Noted()
    turns = Turns("turns", LONG)
    turns.submit([hanging, lambda: turns.submit(noted.calls(5)), *noted.calls(1, 2)])
    assert hanging.entered.wait(LONG)
    turns.submit(noted.calls(3))
    turns.submit(noted.calls(4))
    hanging.release.set()
    run(turns, ())
    run(turns, ())  # the first of these may have come before number 5
    assert noted.order == [1, 2, 3, 4, 5]
    turns.stop()


def test_no_thread_wakes_when_all_is_done() -> None:
    """Once nothing waits for its turn, worker and deputy sleep without a time limit."""
    rests, hanging = Rests(), Hanging()
    turns = Turns("turns", 0.01, condition=lambda: rests)
    run(turns, [hanging])  # what is behind it is made by a second thread
    hanging.release.set()
    assert rests.two.wait(LONG)
    turns.stop()


def test_stop_ends_the_threads() -> None:
    """Who is idle ends, the deputy in the middle of its watch included."""
    threads, noted = Threads(), Noted()
    turns = Turns("turns", LONG, thread=threads.make)
    run(turns, noted.calls(*range(10)))
    turns.stop()
    assert threads.wait_until(lambda alive: alive == 0)


def test_stop_leaves_alone_what_hangs() -> None:
    """What was submitted before is done, and what hangs keeps its thread but not the process."""
    times, hanging, noted, threads = Times(), Hanging(), Noted(), Threads()
    turns = Turns("turns", 60.0, lambda: times.now, lambda: times, threads.make)
    turns.submit([hanging, *noted.calls(1, 2)])
    assert times.watched.wait(LONG)
    turns.stop()
    times.go_on(60.0)
    assert threads.wait_until(lambda alive: alive == 1)
    assert noted.order == [1, 2]
    assert all(thread.daemon for thread in threads.all)
    hanging.release.set()
    assert threads.wait_until(lambda alive: alive == 0)


def test_what_comes_after_the_stop_is_done() -> None:
    """Who still holds on to what was replaced gets an answer; then no thread stays to watch."""
    times, hanging, noted, threads = Times(), Hanging(), Noted(), Threads()
    turns = Turns("turns", 60.0, lambda: times.now, lambda: times, threads.make)
    turns.stop()
    turns.submit([hanging, *noted.calls(1, 2)])
    assert times.watched.wait(LONG)
    hanging.release.set()
    assert threads.wait_until(lambda alive: alive == 0)
    assert noted.order == [1, 2]


@pytest.mark.parametrize("error", [ZeroDivisionError("oops"), SystemExit(3)])
def test_a_call_that_raises_costs_only_itself(error: BaseException) -> None:
    """The calls behind it get their turn, and the error is logged."""

    def fail() -> None:
        raise error

    noted = Noted()
    turns = Turns("turns", LONG)
    with capture_logs() as logs:
        run(turns, [fail, *noted.calls(1)])
    assert noted.order == [1]
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("a call raised", "error")]
    turns.stop()


def test_where_no_thread_is_to_be_had_calls_wait() -> None:
    """They are done as soon as there is one, in their order, and the lack is logged once."""
    noted, threads = Noted(), Threads()
    threads.refuse(2)
    turns = Turns("turns", LONG, thread=threads.make)
    with capture_logs() as logs:
        turns.submit(noted.calls(1))
        turns.submit(noted.calls(2))
    assert [entry["event"] for entry in logs] == ["no thread to be had"]
    assert noted.order == []
    run(turns, ())
    assert noted.order == [1, 2]
    turns.stop()


def test_work_goes_on_without_a_deputy() -> None:
    """Whoever is on duty goes on where the host gives no second thread."""
    noted, hanging, threads = Noted(), Hanging(), Threads()
    turns = Turns("turns", LONG, thread=threads.make)
    turns.submit([hanging])
    assert hanging.entered.wait(LONG)
    threads.refuse(1)
    with capture_logs() as logs:
        turns.submit(noted.calls(1, 2, 3))
    assert [entry["event"] for entry in logs] == ["no thread to be had"]
    hanging.release.set()
    run(turns, ())
    assert noted.order == [1, 2, 3]
    turns.stop()


class Tally:
    """Counts how often each call is made, and how many at once."""

    def __init__(self) -> None:
        self.made: dict[tuple[int, int], int] = {}
        self.most = 0
        self._at_work = 0
        self._change = threading.Condition()

    def call(self, key: tuple[int, int]) -> Call:
        """Make a call of this key."""

        def call() -> None:
            with self._change:
                self._at_work += 1
                self.most = max(self.most, self._at_work)
            with self._change:
                self._at_work -= 1
                self.made[key] = self.made.get(key, 0) + 1
                self._change.notify_all()

        return call

    def wait_for(self, count: int) -> bool:
        """Wait until this many different calls were made."""
        with self._change:
            return self._change.wait_for(lambda: len(self.made) >= count, LONG)


BATCHES = st.lists(st.lists(st.integers(0, 8), max_size=6), min_size=1, max_size=6)
"""The sizes of the batches that each of some threads submits."""


@given(batches=BATCHES, patience=st.sampled_from([0.0, 0.0001, LONG]))
@settings(max_examples=100, deadline=None)
def test_every_call_is_made_once(batches: list[list[int]], patience: float) -> None:
    """Nothing is lost or made twice, whoever submits and however the duty moves."""
    tally, threads = Tally(), Threads()
    turns = Turns("turns", patience, thread=threads.make)

    def submit(sender: int, sizes: list[int]) -> None:
        number = 0
        for size in sizes:
            turns.submit([tally.call((sender, number + i)) for i in range(size)])
            number += size

    senders = [
        threading.Thread(target=submit, args=(sender, sizes))
        for sender, sizes in enumerate(batches)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(LONG)
    assert tally.wait_for(sum(map(sum, batches)))
    turns.stop()
    assert threads.wait_until(lambda alive: alive == 0)
    assert set(tally.made.values()) <= {1}
    assert patience < LONG or tally.most <= 1
