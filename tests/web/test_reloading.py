"""A new configuration takes over whole, or not at all."""

from __future__ import annotations

from typing import Optional

import pytest
from structlog.testing import capture_logs

from exporter.errors import ConfigError
from exporter.scrape.facts import ReloadStatus
from exporter.scrape.registry import Registry
from exporter.web.reloading import Reloader, ReloadRecord


class Work:
    """An application that notes what is done with it, and fails where told."""

    def __init__(self, name: str, diary: list[str], broken: str = "") -> None:
        self.name = name
        self.registry = Registry([], [])
        self._diary = diary
        self._broken = broken

    def start(self) -> None:
        """Note it."""
        self._note("start")

    def stop(self) -> None:
        """Note it."""
        self._note("stop")

    def _note(self, what: str) -> None:
        self._diary.append(f"{what} {self.name}")
        if what == self._broken:
            raise ZeroDivisionError(what)


class Stage:
    """A reloader over applications of the test, with a clock that goes on by one a look."""

    def __init__(self, fresh: Optional[Work] = None, error: Optional[Exception] = None) -> None:
        self.diary: list[str] = []
        self.fresh = fresh or Work("new", self.diary)
        self.fresh._diary = self.diary
        self.error = error
        self._now = 0.0
        self.record = ReloadRecord(self._wall)
        self.old = Work("old", self.diary)
        self.reloader = Reloader(self.old, self._rebuild, self.record)

    def _wall(self) -> float:
        self._now += 1.0
        return self._now

    def _rebuild(self) -> Work:
        self.diary.append("rebuild")
        if self.error is not None:
            raise self.error
        return self.fresh


def test_the_old_one_ends_before_the_new_one_starts() -> None:
    """Both want the same files: never are two at work."""
    stage = Stage()
    assert stage.reloader.reload() == ""
    assert stage.diary == ["rebuild", "stop old", "start new"]
    assert stage.reloader.current is stage.fresh
    assert stage.record.status() == ReloadStatus(loaded_at=2.0)


@pytest.mark.parametrize(
    ("error", "problem", "traceback"),
    [
        (
            ConfigError("x.yml", ("line 1: a", "line 2: b")),
            "x.yml: line 1: a\nx.yml: line 2: b",
            False,
        ),
        (ZeroDivisionError("oops"), "ZeroDivisionError: oops", True),
    ],
)
def test_what_cannot_be_built_changes_nothing(
    error: Exception, problem: str, *, traceback: bool
) -> None:
    """The old one is not touched; the reason is returned, logged once, and kept for the metric."""
    stage = Stage(error=error)
    with capture_logs() as logs:
        assert stage.reloader.reload() == problem
    assert stage.diary == ["rebuild"]
    assert stage.reloader.current is stage.old
    assert stage.record.status() == ReloadStatus(loaded_at=1.0, problem=problem)
    assert [(entry["log_level"], bool(entry["exc_info"])) for entry in logs] == [
        ("error", traceback)
    ]


def test_a_good_one_heals_a_failed_reload() -> None:
    """The problem goes with the next configuration that holds."""
    stage = Stage(error=ZeroDivisionError())
    stage.reloader.reload()
    stage.error = None
    assert stage.reloader.reload() == ""
    assert stage.record.status() == ReloadStatus(loaded_at=2.0)


@pytest.mark.parametrize(("who", "what"), [("old", "stop"), ("new", "start")])
def test_background_work_that_fails_does_not_end_the_exporter(who: str, what: str) -> None:
    """A bug at this point is logged, and the new configuration is in force all the same."""
    stage = Stage()
    (stage.old if who == "old" else stage.fresh)._broken = what
    with capture_logs() as logs:
        assert stage.reloader.reload() == ""
    assert stage.reloader.current is stage.fresh
    assert stage.diary == ["rebuild", "stop old", "start new"]
    assert logs[0]["event"] == f"background work did not {what}"


def test_the_others_are_read_with_it() -> None:
    """What is wrong with another file is told, and keeps no new configuration back."""
    stage = Stage()
    answers = ["web.yml: line 1: bad", ""]
    stage.reloader = Reloader(
        stage.old, stage._rebuild, stage.record, (lambda: answers[0], lambda: answers[1])
    )
    assert stage.reloader.reload() == "web.yml: line 1: bad"
    assert stage.reloader.current is stage.fresh
    assert stage.reloader.look() == "web.yml: line 1: bad"


def test_one_bad_file_is_a_problem_until_it_is_good() -> None:
    """Each file has its own problem; the time is that of the last one that was put in force."""
    times = iter((1.0, 2.0, 3.0))
    record = ReloadRecord(lambda: next(times))
    record.note("web", "bad")
    record.note("own", "")
    assert record.status() == ReloadStatus(2.0, "bad")
    record.note("web", "")
    assert record.status() == ReloadStatus(3.0)
