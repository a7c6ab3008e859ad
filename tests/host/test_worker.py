"""One thread as long as nobody is slow, and nobody waits for ever."""

from __future__ import annotations

import math
import threading
from concurrent.futures import Future, wait
from typing import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from exporter.host.worker import Worker

LONG = 60.0
Call = Callable[[], None]


class Times:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


class Threads:
    """Makes threads, and knows how many live and who had them made."""

    def __init__(self) -> None:
        self.all: list[threading.Thread] = []
        self.makers: set[threading.Thread] = set()
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

        self.makers.add(threading.current_thread())
        if self._refused:
            self._refused -= 1
            return Refused(name=name)
        thread = threading.Thread(name=name, daemon=daemon, target=live)
        self.all.append(thread)
        return thread

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


class Stage:
    """A worker whose calls note their order; only the test lets time pass."""

    def __init__(self, slow: float = 60.0) -> None:
        self.times = Times()
        self.threads = Threads()
        self.worker = Worker("worker", slow, self.times, self.threads.make)
        self.order: list[int] = []
        self.names: set[str] = set()

    def submit(self, *numbers: int) -> None:
        """Have one call made for each number."""
        for number in numbers:
            self.worker.submit(self._call(number))

    def hang(self) -> Hanging:
        """Have a call made that hangs."""
        hanging = Hanging()
        self.worker.submit(hanging)
        return hanging

    def finish(self, *numbers: int) -> None:
        """Have these made, and wait for the last one."""
        self.submit(*numbers)
        self.worker.submit(lambda: None).result(LONG)

    def _call(self, number: int) -> Call:
        def call() -> None:
            self.order.append(number)
            self.names.add(threading.current_thread().name)

        return call


@pytest.fixture
def stage() -> Stage:
    """A worker that a test may do with as it likes."""
    return Stage()


def test_calls_are_made_in_their_order(stage: Stage) -> None:
    """What is submitted first begins first."""
    stage.finish(*range(100))
    assert stage.order == list(range(100))


def test_a_call_gives_what_it_returns_or_raises(stage: Stage) -> None:
    """The future has the result, or the error whatever it is."""
    assert stage.worker.submit(lambda: 5).result(LONG) == 5
    assert isinstance(stage.worker.submit(lambda: 1 // 0).exception(LONG), ZeroDivisionError)


def test_one_thread_does_what_is_fast(stage: Stage) -> None:
    """Calls of which none is slow are all made by one thread."""
    stage.finish(*range(50))
    stage.worker.relieve()
    assert stage.names == {"worker"}
    assert len(stage.threads.all) == 1


def test_nothing_is_started_for_nothing(stage: Stage) -> None:
    """Without calls there is no thread, and one call needs no second one, however slow it is."""
    assert stage.worker.relieve() == math.inf
    assert stage.threads.all == []
    hanging = stage.hang()
    assert hanging.entered.wait(LONG)
    stage.times.now += 100.0
    assert stage.worker.relieve() == math.inf
    assert len(stage.threads.all) == 1
    hanging.release.set()


def test_who_is_not_slow_is_waited_for(stage: Stage) -> None:
    """Who waits is told what is left until the call is slow; no call begins before that."""
    hanging = stage.hang()
    stage.submit(1, 2)
    assert hanging.entered.wait(LONG)
    assert stage.worker.relieve() == 60.0
    stage.times.now += 45.0
    assert stage.worker.relieve() == 15.0
    assert len(stage.threads.all) == 1
    assert stage.order == []
    hanging.release.set()
    stage.finish()
    assert stage.order == [1, 2]


def test_a_call_that_hangs_holds_up_the_others_once(stage: Stage) -> None:
    """The calls behind it wait until it is slow, and those that come later for nothing."""
    hanging = stage.hang()
    stage.submit(1, 2, 3)
    assert hanging.entered.wait(LONG)
    stage.times.now += 60.0
    stage.worker.relieve()
    stage.finish()
    for number in (4, 5, 6):
        stage.finish(number)
    assert stage.order == [1, 2, 3, 4, 5, 6]
    assert len(stage.threads.all) == 2
    hanging.release.set()


def test_each_of_several_that_hang_costs_its_time_once(stage: Stage) -> None:
    """However many hang, the others get their turn after as many times what is slow."""
    calls = [stage.hang() for _ in range(5)]
    stage.submit(1, 2)
    for hanging in calls:
        assert hanging.entered.wait(LONG)
        stage.times.now += 60.0
        stage.worker.relieve()
    stage.finish(3)
    assert stage.order == [1, 2, 3]
    assert stage.times.now == 1300.0
    assert stage.threads.most <= len(calls) + 1
    for hanging in calls:
        hanging.release.set()


def test_a_call_that_hangs_is_left_behind_by_the_real_clock() -> None:
    """Whoever waits as long as told and asks again gets past a call that hangs."""
    worker, hanging = Worker("worker", 0.01), Hanging()
    worker.submit(hanging)
    done = worker.submit(lambda: None)
    while not done.done():
        wait([done], min(worker.relieve(), LONG))
    assert not hanging.release.is_set()
    hanging.release.set()
    worker.stop()


def test_threads_of_calls_that_hung_end_with_them(stage: Stage) -> None:
    """When calls that hung have ended, one thread stays, and it does what comes."""
    calls = [stage.hang() for _ in range(5)]
    stage.submit(1)
    for hanging in calls:
        assert hanging.entered.wait(LONG)
        stage.times.now += 60.0
        stage.worker.relieve()
    for hanging in calls:
        hanging.release.set()
    assert stage.threads.wait_until(lambda alive: alive == 1)
    started = len(stage.threads.all)
    stage.finish(2, 3)
    assert stage.order == [1, 2, 3]
    assert len(stage.threads.all) == started


def test_a_thread_is_started_by_who_waits(stage: Stage) -> None:
    """Never by a worker's own thread, which may have put down its privileges at that moment."""
    hanging = stage.hang()
    stage.submit(1)
    assert hanging.entered.wait(LONG)
    stage.times.now += 60.0
    stage.worker.relieve()
    stage.finish()
    assert stage.threads.makers == {threading.current_thread()}
    hanging.release.set()


def test_calls_that_come_meanwhile_wait_behind(stage: Stage) -> None:
    """What is submitted during a call is done in the order of its coming."""
    hanging = stage.hang()
    stage.submit(1, 2)
    assert hanging.entered.wait(LONG)
    stage.submit(3)
    stage.submit(4)
    hanging.release.set()
    stage.finish()
    assert stage.order == [1, 2, 3, 4]


def test_a_call_that_is_cancelled_before_its_turn_is_not_made(stage: Stage) -> None:
    """It costs nothing, and those behind it get their turn."""
    hanging = stage.hang()
    cancelled: Future[None] = stage.worker.submit(lambda: stage.order.append(1))
    assert cancelled.cancel()
    hanging.release.set()
    stage.finish(2)
    assert stage.order == [2]


def test_stop_ends_the_thread(stage: Stage) -> None:
    """Who is idle ends."""
    stage.finish(*range(10))
    stage.worker.stop()
    assert stage.threads.wait_until(lambda alive: alive == 0)


def test_stop_leaves_alone_what_hangs(stage: Stage) -> None:
    """What was submitted before is done, and what hangs keeps its thread but not the process."""
    hanging = stage.hang()
    stage.submit(1, 2)
    assert hanging.entered.wait(LONG)
    stage.worker.stop()
    stage.times.now += 60.0
    stage.worker.relieve()
    assert stage.threads.wait_until(lambda alive: alive == 1)
    assert stage.order == [1, 2]
    assert all(thread.daemon for thread in stage.threads.all)
    hanging.release.set()
    assert stage.threads.wait_until(lambda alive: alive == 0)


def test_what_comes_after_the_stop_is_done(stage: Stage) -> None:
    """Who still holds on to what was replaced gets an answer; then no thread stays."""
    stage.worker.stop()
    hanging = stage.hang()
    stage.submit(1, 2)
    hanging.release.set()
    stage.finish()
    assert stage.threads.wait_until(lambda alive: alive == 0)
    assert stage.order == [1, 2]


@pytest.mark.parametrize("error", [ZeroDivisionError("oops"), SystemExit(3)])
def test_a_call_that_raises_costs_only_itself(stage: Stage, error: BaseException) -> None:
    """The calls behind it get their turn, and the error is there for who asks."""

    def fail() -> None:
        raise error

    failed = stage.worker.submit(fail)
    stage.finish(1)
    assert stage.order == [1]
    assert failed.exception(LONG) is error


def test_where_no_thread_is_to_be_had_calls_wait(stage: Stage) -> None:
    """They are done as soon as there is one, in their order, and the lack is logged once."""
    stage.threads.refuse(2)
    with capture_logs() as logs:
        stage.submit(1, 2)
    assert [entry["event"] for entry in logs] == ["no thread to be had"]
    assert stage.order == []
    stage.finish()
    assert stage.order == [1, 2]


def test_work_goes_on_without_a_second_thread(stage: Stage) -> None:
    """The one at work goes on where the host gives no second thread."""
    hanging = stage.hang()
    stage.submit(1, 2, 3)
    assert hanging.entered.wait(LONG)
    stage.times.now += 60.0
    stage.threads.refuse(1)
    with capture_logs() as logs:
        stage.worker.relieve()
    assert [entry["event"] for entry in logs] == ["no thread to be had"]
    hanging.release.set()
    stage.finish()
    assert stage.order == [1, 2, 3]


class Tally:
    """Counts how often each call is made, and how many at once."""

    def __init__(self) -> None:
        self.made: dict[tuple[int, int], int] = {}
        self.most = 0
        self._at_work = 0
        self._change = threading.Lock()

    def call(self, key: tuple[int, int]) -> Call:
        """Make a call of this key."""

        def call() -> None:
            with self._change:
                self._at_work += 1
                self.most = max(self.most, self._at_work)
            with self._change:
                self._at_work -= 1
                self.made[key] = self.made.get(key, 0) + 1

        return call


SIZES = st.lists(st.integers(0, 40), min_size=1, max_size=6)
"""How many calls each of some threads submits."""


@given(sizes=SIZES, slow=st.sampled_from([0.0, 0.0001, LONG]))
@settings(max_examples=100, deadline=None)
def test_every_call_is_made_once(sizes: list[int], slow: float) -> None:
    """Nothing is lost or made twice, whoever submits and however often a thread is relieved."""
    tally, threads = Tally(), Threads()
    worker = Worker("worker", slow, thread=threads.make)
    futures: list[Future[None]] = []

    def submit(sender: int, size: int) -> None:
        for number in range(size):
            futures.append(worker.submit(tally.call((sender, number))))
            worker.relieve()

    senders = [threading.Thread(target=submit, args=pair) for pair in enumerate(sizes)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(LONG)
    assert not wait(futures, LONG).not_done
    worker.stop()
    assert threads.wait_until(lambda alive: alive == 0)
    assert tally.made == {(sender, n): 1 for sender, size in enumerate(sizes) for n in range(size)}
    assert slow < LONG or tally.most <= 1
