"""What fails is counted, said once, and tried again ever more rarely."""

from __future__ import annotations

import pytest
import structlog

from exporter.logs.facts import LogErrorReason
from exporter.logs.listing import Trouble
from exporter.logs.reading import Activity
from exporter.logs.troubles import Troubles

DENIED = Trouble("cm_agent", "/log", LogErrorReason.PERMISSION_DENIED)
STALE = Trouble("cm_agent", "/log", LogErrorReason.STALE_HANDLE)


@pytest.fixture
def activity() -> dict[str, Activity]:
    """Give the counters of one source."""
    return {"cm_agent": Activity()}


def test_waiting_doubles_up_to_a_minute(activity: dict[str, Activity]) -> None:
    """The next attempt comes after 1, 2, 4 ... 60 seconds."""
    troubles, now, waits = Troubles(activity), 0.0, []
    for _ in range(9):
        troubles.failed("key", DENIED, now)
        wait = next(s for s in range(1, 100) if troubles.may_try("key", now + s))
        waits.append(wait)
        now += wait
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert activity["cm_agent"].errors == {LogErrorReason.PERMISSION_DENIED: 9}


def test_what_never_failed_may_be_tried(activity: dict[str, Activity]) -> None:
    """One failure keeps nothing else waiting."""
    troubles = Troubles(activity)
    troubles.failed("key", DENIED, 0)
    assert troubles.may_try("other", 0)


def test_failure_is_said_when_it_begins_changes_and_ends(activity: dict[str, Activity]) -> None:
    """An hour of failing gives no more than these lines."""
    troubles = Troubles(activity)
    with structlog.testing.capture_logs() as said:
        for trouble in (DENIED, DENIED, STALE, STALE):
            troubles.failed("key", trouble, 0)
        troubles.worked("key", "/log")
        troubles.worked("key", "/log")
    assert [(each["event"], each.get("reason")) for each in said] == [
        ("log cannot be read", "permission_denied"),
        ("log cannot be read", "stale_handle"),
        ("log can be read again", None),
    ]


def test_listings_troubles_are_counted_at_the_same_pace(activity: dict[str, Activity]) -> None:
    """A directory that fails at every look of a minute is counted six times, and said once."""
    troubles = Troubles(activity)
    with structlog.testing.capture_logs() as said:
        for second in range(60):
            troubles.listed([DENIED], second)
        troubles.listed([], 60)
    assert activity["cm_agent"].errors == {LogErrorReason.PERMISSION_DENIED: 6}
    assert [each["event"] for each in said] == ["log cannot be read", "log can be read again"]


def test_files_that_are_no_more_are_forgotten(activity: dict[str, Activity]) -> None:
    """Files that failed and went keep no memory; a directory that fails is no such file."""
    troubles = Troubles(activity)
    troubles.listed([DENIED], 0)
    for key in ("gone", "here"):
        troubles.failed(key, DENIED, 0)
    troubles.forget_unless({"here"}.__contains__)
    with structlog.testing.capture_logs() as said:
        for key in ("gone", "here"):
            troubles.worked(key, "/log")
        troubles.listed([], 1)
    assert len(said) == 2
