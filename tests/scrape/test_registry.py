"""One failing collector costs only itself, however it fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.errors import SourceError
from exporter.host.clock import Clock
from exporter.scrape.base import Family
from exporter.scrape.registry import Registry, Scrape
from tests.support.collectors import Fixed, Hanging, catalogue, gauge

CATALOGUE = catalogue("a", "b")
BUDGET = 20.0


def values(page: tuple[Family, ...]) -> dict[str, float]:
    """Flatten a page: the collector's label, or the bare name, to the value."""
    return {
        ".".join([sample.name.replace("opengauss_exporter_", ""), *sample.labels.values()]): value
        for family in page
        for sample in family.samples
        for value in [sample.value]
    }


class Times:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def clock(self) -> Clock:
        """Return the clock; the wall is a day ahead."""
        return Clock(lambda: self.now, lambda: self.now + 86_400)


def wait_for(scrape: Scrape, name: str) -> None:
    """Wait, as whoever asked does, until this collector has given its metrics."""
    while not values(scrape.families())[f"collector_success.{name}"]:
        wait([scrape.done], timeout=scrape.next_wait())


def failures(logs: list[Any]) -> list[tuple[str, Any]]:
    """Return what the guard logged, event and reason."""
    return [(entry["event"], entry.get("reason")) for entry in logs]


def test_success_is_told_with_duration_and_time() -> None:
    """A run that gives its metrics reads as success 1, with its end as the last success."""
    times = Times()
    page = values(Registry([Fixed("one", gauge("a", 5))], CATALOGUE, times.clock()).scrape(BUDGET))
    assert page == {
        "a": 5,
        "collector_success.one": 1,
        "collector_duration_seconds.one": 0,
        "collector_last_success_timestamp_seconds.one": 87_400,
    }


def test_duration_is_that_of_the_run() -> None:
    """The duration is measured around the run, by the monotonic clock."""
    times = Times()

    class Slow(Fixed):
        def collect(self) -> tuple[Family, ...]:
            times.now += 2.5
            return ()

    page = values(Registry([Slow("slow")], CATALOGUE, times.clock()).scrape(BUDGET))
    assert page["collector_duration_seconds.slow"] == 2.5


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SourceError("no /proc"), "unreadable"),
        (ZeroDivisionError("oops"), "ZeroDivisionError"),
        (SystemExit(3), "SystemExit"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_a_collector_that_raises_costs_only_itself(error: BaseException, reason: str) -> None:
    """Whatever a collector raises, the others' metrics are served and its failure is told."""
    registry = Registry([Fixed("bad", error=error), Fixed("good", gauge("a"))], CATALOGUE)
    with capture_logs() as logs:
        page = values(registry.scrape(BUDGET))
    assert page["a"] == 1
    assert page["collector_success.bad"] == 0
    assert page["collector_success.good"] == 1
    assert page["collector_last_success_timestamp_seconds.bad"] == 0
    assert failures(logs) == [("collector failed", reason)]


def test_a_generator_that_raises_halfway_yields_nothing() -> None:
    """Half of a collector's families is none of them: no reader may take it for the whole."""

    class Half(Fixed):
        def collect(self) -> Iterator[Family]:
            yield gauge("a")
            raise SourceError("gone")

    page = values(Registry([Half("half")], CATALOGUE).scrape(BUDGET))
    assert "a" not in page
    assert page["collector_success.half"] == 0


def test_a_failure_is_logged_once_a_change() -> None:
    """A log line stands for a change: failed, failed otherwise, recovered; never for a scrape."""
    collector = Fixed("one", gauge("a"), error=SourceError("no"))
    registry = Registry([collector], CATALOGUE)
    with capture_logs() as logs:
        for error in [SourceError("no"), SourceError("no"), OSError("x"), OSError("x"), None, None]:
            collector.error = error
            registry.scrape(BUDGET)
    assert failures(logs) == [
        ("collector failed", "unreadable"),
        ("collector failed", "OSError"),
        ("collector recovered", None),
    ]
    assert [bool(entry.get("exc_info")) for entry in logs] == [False, True, False]


@pytest.mark.parametrize(
    ("families", "text"),
    [
        ((gauge("undeclared"),), "undeclared is not in the catalogue"),
        ((gauge("a"), gauge("a")), "a comes twice"),
    ],
)
def test_what_the_catalogue_does_not_know_is_a_failure(
    families: tuple[Family, ...], text: str
) -> None:
    """An undeclared name or a family given twice never reaches a page."""
    with capture_logs() as logs:
        page = values(Registry([Fixed("one", *families)], CATALOGUE).scrape(BUDGET))
    assert page["collector_success.one"] == 0
    assert not {"a", "undeclared"} & set(page)
    assert [(entry["reason"], entry["error"]) for entry in logs] == [("catalogue", text)]


def test_a_family_of_two_collectors_is_shown_once() -> None:
    """The first collector keeps a family's name; the second one fails and says why."""
    registry = Registry([Fixed("one", gauge("a", 1)), Fixed("two", gauge("a", 2))], CATALOGUE)
    with capture_logs() as logs:
        page = registry.scrape(BUDGET)
    assert [family.name for family in page].count("a") == 1
    assert values(page)["a"] == 1
    assert values(page)["collector_success.two"] == 0
    assert failures(logs) == [("collector failed", "catalogue")]


def test_two_collectors_of_one_name_are_refused() -> None:
    """A name is a label's value: it stands for one collector."""
    with pytest.raises(ValueError, match="one name"):
        Registry([Fixed("one"), Fixed("one")], CATALOGUE)


def test_a_hanging_collector_is_left_out_at_the_deadline() -> None:
    """The rest is served when the time is over, and the hung collector reads as failed."""
    hung = Hanging("hung", gauge("b"))
    registry = Registry([hung, Fixed("good", gauge("a"))], CATALOGUE)
    with capture_logs() as logs:
        page = values(registry.scrape(0.3))
    assert page["a"] == 1
    assert "b" not in page
    assert (page["collector_success.hung"], page["collector_success.good"]) == (0, 1)
    assert failures(logs) == [("collector failed", "timeout")]
    hung.release.set()


def test_a_hung_run_keeps_its_place() -> None:
    """No second run is started, and nobody waits again for a run that is overdue."""
    times = Times()
    hung = Hanging("hung", gauge("b"))
    registry = Registry([hung], CATALOGUE, times.clock(), patience=9.5)
    first = registry.begin(1.0)
    assert not first.done.done()
    times.now += 9.4
    assert not registry.begin(BUDGET).done.done()
    times.now += 0.2
    assert registry.begin(BUDGET).done.done()
    assert values(registry.scrape(BUDGET))["collector_success.hung"] == 0
    assert hung.runs == 0  # still in the first one
    hung.release.set()
    first.done.result(BUDGET)
    assert first.families()[0] is hung.families[0]
    assert values(registry.scrape(BUDGET))["collector_success.hung"] == 1
    assert hung.runs == 2


def test_a_patient_scrape_makes_its_run_overdue_later() -> None:
    """Who starts a run with a long timeout has others wait for it as long."""
    times = Times()
    hung = Hanging("hung", gauge("b"))
    registry = Registry([hung], CATALOGUE, times.clock(), patience=9.5)
    registry.begin(29.5)
    times.now += 29.0
    assert not registry.begin(BUDGET).done.done()
    hung.release.set()


def test_scrapes_at_the_same_time_join_one_run() -> None:
    """Ten scrapes during a run see the very objects of that run, and start no other."""
    hung = Hanging("hung", gauge("b"))
    registry = Registry([hung], CATALOGUE)
    scrapes = [registry.begin(BUDGET) for _ in range(10)]
    assert hung.entered.wait(BUDGET)
    hung.release.set()
    for scrape in scrapes:
        scrape.done.result(BUDGET)
    assert {id(scrape.families()[0]) for scrape in scrapes} == {id(hung.families[0])}
    assert hung.runs == 1


def test_scrapes_from_many_threads_all_get_a_page() -> None:
    """Two Prometheus servers, or fifty, never block each other."""
    registry = Registry([Fixed("one", gauge("a")), Fixed("two", gauge("b"))], CATALOGUE)
    barrier = threading.Barrier(50)

    def scrape() -> float:
        barrier.wait(BUDGET)
        return values(registry.scrape(BUDGET))["collector_success.one"]

    with ThreadPoolExecutor(50) as pool:
        assert sum(pool.map(lambda _: scrape(), range(50))) == 50


def test_ready_needs_one_success_of_each() -> None:
    """A collector that fails later does not take readiness back; one that never worked does."""
    late = Fixed("late", gauge("b"), error=SourceError("not yet"))
    registry = Registry([Fixed("one", gauge("a")), late], CATALOGUE)
    assert registry.not_ready == ("one", "late")
    registry.scrape(BUDGET)
    assert registry.not_ready == ("late",)
    late.error = None
    registry.scrape(BUDGET)
    late.error = SourceError("again")
    registry.scrape(BUDGET)
    assert registry.not_ready == ()


def test_a_watchdog_sees_that_nothing_moves() -> None:
    """Stalled time grows while every run hangs, is cut by any run's end, and is 0 at rest."""
    times = Times()
    hung, good = Hanging("hung"), Fixed("good")
    registry = Registry([hung, good], CATALOGUE, times.clock())
    assert registry.stalled_for() == 0
    scrape = registry.begin(BUDGET)
    wait_for(scrape, good.name)
    times.now += 30
    assert registry.stalled_for() == 30
    wait_for(registry.begin(BUDGET), good.name)
    assert registry.stalled_for() == 0
    hung.release.set()
    scrape.done.result(BUDGET)
    times.now += 30
    assert registry.stalled_for() == 0


def test_close_ends_the_threads() -> None:
    """A registry that a reload replaced leaves no thread behind."""
    before = set(threading.enumerate())
    registry = Registry([Fixed("one", gauge("a")), Fixed("two", gauge("b"))], CATALOGUE)
    registry.scrape(BUDGET)
    ours = [each for each in threading.enumerate() if each not in before]
    assert [each.name for each in ours] == ["collectors"]
    registry.close()
    for worker in ours:
        worker.join(BUDGET)
    assert not any(worker.is_alive() for worker in ours)


def test_a_closed_registry_still_answers() -> None:
    """Who asked for it just before a reload replaced it gets a page."""
    registry = Registry([Fixed("one", gauge("a"))], CATALOGUE)
    registry.close()
    assert values(registry.scrape(BUDGET))["collector_success.one"] == 1
