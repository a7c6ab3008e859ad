"""What fails is counted, said once, and tried again ever more rarely."""

from __future__ import annotations

import pytest
import structlog

from exporter.logs.facts import LogErrorReason, SourceActivity
from exporter.logs.listing import Trouble
from exporter.logs.reading import RetryBackoff

Activity = dict[str, SourceActivity]

DENIED = Trouble("cm_agent", "/log", LogErrorReason.PERMISSION_DENIED)
STALE = Trouble("cm_agent", "/log", LogErrorReason.STALE_HANDLE)


@pytest.fixture
def activity() -> Activity:
    """Give the counters of one source."""
    return {"cm_agent": SourceActivity()}


def test_waiting_doubles_up_to_a_minute(activity: Activity) -> None:
    """The next attempt comes after 1, 2, 4 ... 60 seconds."""
    backoff, now, waits = RetryBackoff(activity), 0.0, []
    for _ in range(9):
        backoff.failed("key", DENIED, now)
        wait = next(s for s in range(1, 100) if backoff.may_try("key", now + s))
        waits.append(wait)
        now += wait
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert activity["cm_agent"].errors == {LogErrorReason.PERMISSION_DENIED: 9}


def test_what_never_failed_may_be_tried(activity: Activity) -> None:
    """One failure keeps nothing else waiting."""
    backoff = RetryBackoff(activity)
    backoff.failed("key", DENIED, 0)
    assert backoff.may_try("other", 0)


def test_failure_is_said_when_it_begins_changes_and_ends(
    activity: Activity,
) -> None:
    """An hour of failing gives no more than these lines."""
    backoff = RetryBackoff(activity)
    with structlog.testing.capture_logs() as said:
        for trouble in (DENIED, DENIED, STALE, STALE):
            backoff.failed("key", trouble, 0)
        backoff.worked("key", "/log")
        backoff.worked("key", "/log")
    assert [(each["event"], each.get("reason")) for each in said] == [
        ("log cannot be read", "permission_denied"),
        ("log cannot be read", "stale_handle"),
        ("log can be read again", None),
    ]


def test_listings_troubles_are_counted_at_the_same_pace(
    activity: Activity,
) -> None:
    """A directory that fails at every look of a minute is counted six times, and said once."""
    backoff = RetryBackoff(activity)
    with structlog.testing.capture_logs() as said:
        for second in range(60):
            backoff.listed([DENIED], second)
        backoff.listed([], 60)
    assert activity["cm_agent"].errors == {LogErrorReason.PERMISSION_DENIED: 6}
    assert [each["event"] for each in said] == ["log cannot be read", "log can be read again"]


def test_files_that_are_no_more_are_forgotten(activity: Activity) -> None:
    """Files that failed and went keep no memory; a directory that fails is no such file."""
    backoff = RetryBackoff(activity)
    backoff.listed([DENIED], 0)
    for key in ("gone", "here"):
        backoff.failed(key, DENIED, 0)
    backoff.forget_unless({"here"}.__contains__)
    with structlog.testing.capture_logs() as said:
        for key in ("gone", "here"):
            backoff.worked(key, "/log")
        backoff.listed([], 1)
    assert len(said) == 2
