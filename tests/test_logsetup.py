"""What a record looks like on stderr."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.logsetup import configure

_MOMENT = 1_795_400_000.25
_TS = "2026-11-23T02:13:20.250Z"


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    """Give the process its logging back."""
    root = logging.getLogger()
    before = root.level, root.handlers[:]
    yield
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.level, root.handlers[:] = before


def _configured(level: str = "info", form: str = "logfmt") -> io.StringIO:
    stream = io.StringIO()
    configure(level, form, stream, clock=lambda: _MOMENT)
    return stream


def test_a_record_is_one_line_of_logfmt() -> None:
    """Time, level and message come first, in this order, then what else is known."""
    stream = _configured()
    structlog.get_logger().warning("port taken", port=15300, known=True, user=None)
    assert stream.getvalue() == (
        f'ts={_TS} level=warn msg="port taken" port=15300 known=true user=\n'
    )


def test_a_record_is_one_line_of_json() -> None:
    """The same record as JSON has the same keys, in the same order."""
    stream = _configured(form="json")
    structlog.get_logger().info("port taken", port=15300)
    assert stream.getvalue() == (
        f'{{"ts": "{_TS}", "level": "info", "msg": "port taken", "port": 15300}}\n'
    )


@pytest.mark.parametrize(
    ("level", "shown"),
    [("debug", "dbg inf wrn err"), ("info", "inf wrn err"), ("warn", "wrn err"), ("error", "err")],
)
def test_what_is_less_severe_than_the_level_is_not_logged(level: str, shown: str) -> None:
    """The level holds for this package's records and for the standard library's."""
    stream = _configured(level, "json")
    for log in (structlog.get_logger(), logging.getLogger("library")):
        log.debug("dbg")
        log.info("inf")
        log.warning("wrn")
        log.error("err")
    records = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert " ".join(record["msg"] for record in records) == f"{shown} {shown}"


def test_records_of_libraries_name_their_logger() -> None:
    """A library's record, with arguments, goes the same way; odd levels are rounded down."""
    stream = _configured()
    logging.getLogger("urllib").log(35, "a %s", "b")
    logging.getLogger("urllib").error("100% %d", "no number")
    assert stream.getvalue() == (
        f'ts={_TS} level=warn msg="a b" logger=urllib\n'
        f'ts={_TS} level=error msg="100% %d" logger=urllib\n'
    )


def test_warnings_are_records() -> None:
    """Python's own warnings do not write lines of their own form to stderr."""
    stream = _configured()
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert "logger=py.warnings" in stream.getvalue()


def test_a_traceback_stays_inside_its_record() -> None:
    """An exception is a value of its record, not lines behind it."""
    stream = _configured()
    try:
        int("broken\nlevel=info msg=forged")
    except ValueError:
        structlog.get_logger().exception("collector failed")
    (line,) = stream.getvalue().splitlines()
    assert line.startswith(f'ts={_TS} level=error msg="collector failed" exception="Traceback')


@pytest.mark.parametrize("form", ["logfmt", "json"])
@given(text=st.text(), name=st.text(st.characters()))
@example(text="\ud800\u202e\x1b[2J", name="\n")
def test_no_value_can_forge_a_record(form: str, text: str, name: str) -> None:
    """Whatever a stranger's name holds, the record is one printable line."""
    stream = _configured(form=form)
    structlog.get_logger().info(text, process=name, raw=text.encode(errors="replace"))
    (line,) = stream.getvalue().split("\n")[:-1]
    assert line.isprintable()
    if form == "json":
        assert json.loads(line)["level"] == "info"


def test_a_huge_value_is_cut() -> None:
    """A megabyte in a value makes a line of a few thousand characters."""
    stream = _configured()
    structlog.get_logger().info("x" * 1_000_000, y="y" * 1_000_000)
    assert len(stream.getvalue()) < 4200


class _Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(text)


def test_a_log_that_cannot_be_written_stops_nobody() -> None:
    """A closed or broken stderr is no reason to fail."""
    for stream in (_Broken(), io.StringIO()):
        configure("info", "logfmt", stream)
        stream.close()
        structlog.get_logger().error("nobody reads this")
        logging.getLogger("library").error("nor this")
