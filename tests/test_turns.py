"""One thread at a time, and none that waits for ever."""

from __future__ import annotations

import threading

import pytest

from exporter.turns import Turns

LONG = 60.0


def _in_thread(turns: Turns, entered: threading.Event, leave: threading.Event) -> threading.Thread:
    def work() -> None:
        with turns.take():
            entered.set()
            leave.wait(LONG)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_one_thread_works_at_a_time() -> None:
    """Who comes second begins when the first has ended, and not before."""
    turns = Turns(patience=LONG)
    first, second, end = threading.Event(), threading.Event(), threading.Event()
    threads = [_in_thread(turns, first, end)]
    assert first.wait(LONG)
    threads.append(_in_thread(turns, second, end))
    assert not second.is_set()
    end.set()
    assert second.wait(LONG)
    for thread in threads:
        thread.join(LONG)


def test_a_thread_that_hangs_holds_up_the_others_once() -> None:
    """Everybody gets a turn while one never ends, and they still work one at a time."""
    turns = Turns(patience=0.01)
    hangs, end = threading.Event(), threading.Event()
    thread = _in_thread(turns, hangs, end)
    assert hangs.wait(LONG)
    at_work, most = [0], [0]
    lock = threading.Lock()

    def work() -> None:
        with turns.take():
            with lock:
                at_work[0] += 1
                most[0] = max(most[0], at_work[0])
            with lock:
                at_work[0] -= 1

    others = [threading.Thread(target=work) for _ in range(8)]
    for other in others:
        other.start()
    for other in others:
        other.join(LONG)
    assert not any(other.is_alive() for other in others)
    assert thread.is_alive()
    assert most[0] <= 2
    end.set()
    thread.join(LONG)


def test_a_turn_ends_with_an_error() -> None:
    """Who raises gives the turn back."""
    turns = Turns(patience=LONG)
    with pytest.raises(ZeroDivisionError), turns.take():
        _ = 1 / 0
    with turns.take():
        pass
