"""The poller: when it asks, what it keeps, and how it ends. Time is the test's own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from exporter.cluster.facts import (
    Answer,
    ClusterState,
    ClusterView,
    CmServer,
    CmServerState,
    Datanode,
    DatanodeRole,
    DatanodeState,
    Field,
    Place,
    QueryOutcome,
    QueryReport,
    UnknownToken,
)
from exporter.cluster.poller import WHILE_NOT_ASKING_SECONDS, Cadence, QueryPoller, is_stopped
from exporter.errors import SourceError
from exporter.host.clock import Clock
from exporter.installation.facts import StopMarker

NORMAL = ClusterView(cluster_state=ClusterState.NORMAL)
OK = QueryReport(QueryOutcome.OK, NORMAL, duration=0.5)
NOBODY = QueryReport(QueryOutcome.NO_PRIMARY, ClusterView())
TIMEOUT = QueryReport(QueryOutcome.TIMEOUT, duration=16.0)
EPOCH = 1_000_000_010.0  # five seconds after a multiple of 15


@dataclass
class Bench:
    """A poller on a clock that only moves when told to, or while a query is asked."""

    reports: Iterator[QueryReport]
    cadence: Cadence = field(default_factory=Cadence)
    max_age: float = 62.0
    now: float = 0.0
    asked: list[float] = field(default_factory=list)
    suspended: bool = False

    def __post_init__(self) -> None:
        clock = Clock(lambda: self.now, lambda: EPOCH + self.now)
        self.poller = QueryPoller(
            self._query,
            lambda: self.cadence,
            lambda: self.max_age,
            lambda: self.suspended,
            clock=clock,
        )

    def _query(self) -> QueryReport:
        self.asked.append(self.now)
        report = next(self.reports)
        self.now += report.duration
        return report

    def run(self, queries: int) -> list[float]:
        """Let time pass until so many more queries were asked; gives when each began."""
        before = len(self.asked)
        while len(self.asked) < before + queries:
            self.now += self.poller.step()
        return self.asked[before:]


def _always(*reports: QueryReport) -> Iterator[QueryReport]:
    yield from reports
    while True:
        yield reports[-1]


def _view(state: ClusterState, progress: int = 0) -> ClusterView:
    node = Datanode(
        Place("1", "n1"), "6001", DatanodeRole.STANDBY, DatanodeState.BUILDING, progress=progress
    )
    server = CmServer(Place("1", "n1"), "1", CmServerState.PRIMARY)
    return ClusterView(cluster_state=state, cm_servers=(server,), datanodes=(node,))


def test_the_first_query_is_asked_at_once_and_the_next_ones_at_the_node_s_turn() -> None:
    """After the first one every query begins on the node's phase of the interval."""
    bench = Bench(_always(OK), Cadence(15.0, phase=4.0))
    # The epoch is 5 s behind the turn at 0, so the phase comes round at 14, 29, 44.
    assert bench.run(4) == [0.0, 14.0, 29.0, 44.0]


def test_the_nodes_of_a_cluster_do_not_ask_at_the_same_time() -> None:
    """Nine nodes' phases lie a fair share of the interval apart from each other."""
    phases = sorted(Cadence.of_node(15.0, node).phase for node in range(1, 10))
    gaps = [later - earlier for earlier, later in zip(phases, [*phases[1:], phases[0] + 15.0])]
    assert min(gaps) > 0.5
    assert all(0 <= phase < 15.0 for phase in phases)


def test_a_turn_that_comes_too_soon_after_the_last_query_is_passed_over() -> None:
    """Two queries never begin less than half an interval apart at the usual cadence."""
    bench = Bench(_always(OK), Cadence(15.0, phase=6.0))
    assert bench.run(2) == [0.0, 16.0]


def test_a_query_longer_than_the_interval_delays_the_next_one_to_the_turn_after_it() -> None:
    """Queries never overlap and never queue up."""
    slow = QueryReport(QueryOutcome.OK, NORMAL, duration=20.0)
    bench = Bench(_always(slow), Cadence(15.0, phase=5.0))
    assert bench.run(3) == [0.0, 30.0, 60.0]


@pytest.mark.parametrize("failure", [TIMEOUT, NOBODY])
def test_after_three_failures_it_asks_once_a_minute(failure: QueryReport) -> None:
    """Two failures are retried at the usual pace, from the third on it is 60 s."""
    bench = Bench(_always(failure), Cadence(15.0, phase=5.0))
    times = bench.run(5)
    pauses = [round(b - a - failure.duration) for a, b in zip(times, times[1:])]
    assert pauses[2:] == [60, 60]
    assert max(pauses[:2]) <= 30


def test_what_cannot_be_asked_is_looked_for_every_few_seconds() -> None:
    """An installation that appears is asked at once, however long there was none."""
    nothing = QueryReport(QueryOutcome.NO_ENVIRONMENT, asked=False)
    bench = Bench(_always(*[nothing] * 5, OK), Cadence(15.0, phase=5.0))
    assert bench.run(6) == [0.0, 5.0, 10.0, 15.0, 20.0, 25.0]
    assert bench.poller.snapshot().outcome is QueryOutcome.OK


def test_one_success_ends_the_slow_pace() -> None:
    """The first answer after an outage brings the usual cadence back."""
    bench = Bench(_always(NOBODY, NOBODY, NOBODY, NOBODY, OK), Cadence(15.0, phase=5.0))
    times = bench.run(7)
    assert times[4] - times[3] == 60.0
    assert times[6] - times[4] <= 30.0


def test_a_change_of_state_is_looked_at_again_after_three_seconds() -> None:
    """Transients are seen to pass; the same state again returns to the usual pace."""
    changed = QueryReport(QueryOutcome.OK, _view(ClusterState.DEGRADED))
    bench = Bench(_always(OK, changed, changed), Cadence(15.0, phase=5.0))
    assert bench.run(4) == [0.0, 15.0, 18.0, 30.0]


def test_the_first_answer_is_no_change() -> None:
    """There was nothing before it that could have changed."""
    assert Bench(_always(OK), Cadence(15.0, phase=5.0)).run(2) == [0.0, 15.0]


def test_a_change_of_the_outcome_is_a_change_of_state() -> None:
    """A primary that is gone is looked for again soon: a failover takes a few seconds."""
    assert Bench(_always(OK, NOBODY, OK), Cadence(15.0, phase=5.0)).run(4) == [0, 15, 18, 21.5]


def test_a_build_s_progress_is_no_change_of_state() -> None:
    """A percentage that moves does not make it ask faster."""
    building = (
        QueryReport(QueryOutcome.OK, _view(ClusterState.DEGRADED, percent))
        for percent in range(100)
    )
    assert Bench(building, Cadence(15.0, phase=5.0)).run(4) == [0, 15, 30, 45]


def test_a_cluster_that_never_settles_is_not_asked_every_three_seconds() -> None:
    """After three early looks in a row the usual cadence holds until it settles."""
    flapping = (
        QueryReport(QueryOutcome.OK, _view(state))
        for _ in range(9)
        for state in (ClusterState.NORMAL, ClusterState.DEGRADED)
    )
    assert Bench(flapping, Cadence(15.0, phase=5.0)).run(6) == [0, 15, 18, 21, 24, 45]


def test_nothing_is_asked_while_not_asking_and_at_once_afterwards() -> None:
    """A stopped cluster is left alone, and its start is seen within seconds."""
    bench = Bench(_always(OK), suspended=True)
    for _ in range(20):
        bench.now += bench.poller.step()
    assert bench.asked == []
    assert bench.poller.snapshot().outcome is None
    assert bench.poller.background.wait_for_first(0)
    bench.suspended = False
    assert bench.run(1)[0] - bench.now <= WHILE_NOT_ASKING_SECONDS


def test_before_the_first_query_nothing_is_known() -> None:
    """The snapshot is stale, without an outcome, and without a time."""
    snapshot = Bench(_always(OK)).poller.snapshot()
    assert (snapshot.stale, snapshot.outcome, snapshot.finished_at) == (True, None, 0.0)


def test_a_finished_query_replaces_the_whole_snapshot() -> None:
    """Rows that the last answer does not have are gone with it, and its time is its end."""
    answered = QueryReport(
        QueryOutcome.OK, _view(ClusterState.NORMAL), (("1", Answer.CONNECTED),), duration=0.5
    )
    bench = Bench(_always(answered, NOBODY))
    bench.run(1)
    first = bench.poller.snapshot()
    assert (first.stale, first.finished_at, first.duration) == (False, EPOCH + 0.5, 0.5)
    assert first.answers == (("1", Answer.CONNECTED),)
    bench.run(1)
    second = bench.poller.snapshot()
    assert (second.view, second.answers) == (ClusterView(), ())
    assert (second.outcome, second.stale) == (QueryOutcome.NO_PRIMARY, False)


def test_a_query_that_did_not_finish_leaves_the_states_until_they_are_too_old() -> None:
    """A timeout shows in the outcome at once, and in the states after the longest age."""
    bench = Bench(_always(OK, TIMEOUT), max_age=40.0)
    bench.run(2)
    snapshot = bench.poller.snapshot()
    assert (snapshot.outcome, snapshot.duration) == (QueryOutcome.TIMEOUT, 16.0)
    assert (snapshot.view, snapshot.stale) == (NORMAL, False)
    bench.now = 0.5 + 40.0
    assert not bench.poller.snapshot().stale
    bench.now += 0.1
    stale = bench.poller.snapshot()
    assert (stale.stale, stale.view, stale.finished_at) == (True, NORMAL, EPOCH + 0.5)


def test_the_slow_pace_alone_makes_nothing_stale() -> None:
    """An outage that every query confirms stays known, although it asks once a minute."""
    bench = Bench(_always(NOBODY), Cadence(15.0, phase=5.0), max_age=54.0)
    bench.run(5)
    for _ in range(3):
        due = bench.now + bench.poller.step()
        bench.now = due - 0.001
        assert not bench.poller.snapshot().stale
        bench.now = due


def test_unknown_words_add_up() -> None:
    """The counters never fall, whatever later answers hold."""
    odd = ClusterView(
        unknown=(UnknownToken(Field.ROW, "a"), UnknownToken(Field.ROW, "b")),
    )
    bench = Bench(_always(QueryReport(QueryOutcome.OK, odd), QueryReport(QueryOutcome.OK, odd), OK))
    bench.run(3)
    assert bench.poller.snapshot().unknown_tokens == ((Field.ROW, 4),)


def test_changes_are_logged_and_sameness_is_not() -> None:
    """One line when the outcome changes, one for new unknown words, none while all stays."""
    odd = ClusterView(unknown=(UnknownToken(Field.DATANODE_STATE, "Melting"),))
    bench = Bench(
        _always(
            OK, OK, QueryReport(QueryOutcome.OK, odd), QueryReport(QueryOutcome.OK, odd), NOBODY
        )
    )
    with capture_logs() as lines:
        bench.run(6)
    assert [line["log_level"] for line in lines] == ["info", "warning", "warning"]
    assert [line.get("outcome") for line in lines] == ["ok", None, "no_primary"]
    assert lines[1]["words"] == ["datanode_state: Melting"]


def test_a_query_that_raises_ends_nothing() -> None:
    """An error of our own is logged, shows as an outcome, and the next query is asked."""

    def broken() -> Iterator[QueryReport]:
        raise RuntimeError("boom")
        yield OK

    bench = Bench(broken())
    with capture_logs() as lines:
        bench.poller.step()
    assert lines[0]["log_level"] == "error"
    assert bench.poller.snapshot().outcome is QueryOutcome.NOT_UNDERSTOOD
    assert bench.poller.step() > 0


def _threaded(query: Callable[[], QueryReport], cancel: Callable[[], None]) -> QueryPoller:
    return QueryPoller(query, Cadence, lambda: 60.0, cancel=cancel)


def test_stop_cancels_the_query_in_flight() -> None:
    """A thread that is in the middle of a query ends when it is told to."""
    begun, cancelled = threading.Event(), threading.Event()

    def hanging() -> QueryReport:
        begun.set()
        cancelled.wait(10)
        return TIMEOUT

    poller = _threaded(hanging, cancelled.set)
    poller.background.start()
    assert begun.wait(5)
    poller.background.stop()
    assert not any(thread.name == "cm-query" for thread in threading.enumerate())


def test_whoever_needs_an_answer_can_wait_for_the_first() -> None:
    """Waiting ends with the first query, and at its own limit when there is none."""
    release = threading.Event()

    def held() -> QueryReport:
        release.wait(10)
        return OK

    poller = _threaded(held, release.set)
    assert not poller.background.wait_for_first(0)
    poller.background.start()
    assert not poller.background.wait_for_first(0.01)
    release.set()
    assert poller.background.wait_for_first(5)
    assert poller.snapshot().outcome is QueryOutcome.OK
    poller.background.stop()


@pytest.mark.parametrize(
    ("marker", "stopped"),
    [
        ("cluster_manual_start", True),
        ("cluster_manual_pause", False),
        ("instance_manual_start", False),
    ],
)
def test_only_the_marker_of_the_whole_node_says_that_it_is_stopped(
    marker: str, *, stopped: bool
) -> None:
    """A pause and one instance's stop leave a cluster that can be asked."""
    assert is_stopped(lambda: [StopMarker(marker, "", 0.0)]) is stopped


def test_markers_that_cannot_be_read_say_nothing_of_a_stop() -> None:
    """Whoever may not look is not kept from asking."""

    def unreadable() -> list[StopMarker]:
        raise SourceError("no")

    assert not is_stopped(unreadable)
