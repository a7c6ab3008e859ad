"""Logs on stderr, one record a line, logfmt or JSON, as Prometheus' programs write them.

Values may come from strangers (process names, paths, log lines): they are bounded, and what does
not print is escaped, so that no value can forge a record or move a terminal's cursor.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, Callable, TextIO

import structlog

from exporter.host.text import escaped

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
_WORDS = {"warning": "warn", "critical": "error"}
_LONGEST_VALUE = 2000
_LONGEST_TRACEBACK = 20_000

Event = MutableMapping[str, Any]


def configure(
    level: str, form: str, stream: TextIO, clock: Callable[[], float] = time.time
) -> None:
    """Send this package's records and those of the standard library to ``stream``.

    ``level`` is a key of LEVELS, ``form`` is ``logfmt`` or ``json``; ``clock`` tells seconds
    since the epoch. This is the process's one logging configuration; a second call replaces it.
    """
    logfmt = structlog.processors.LogfmtRenderer(
        key_order=["ts", "level", "msg"], drop_missing=True, bool_as_flag=False
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("msg"),
            _stamp(clock),
            _tame,
            structlog.processors.JSONRenderer() if form == "json" else logfmt,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=_Unfailing(stream)),  # type: ignore[arg-type]  # write and flush are all that is used
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=LEVELS[level], handlers=[_Bridge()], force=True)
    logging.captureWarnings(capture=True)


def _stamp(clock: Callable[[], float]) -> Callable[[Any, str, Event], Event]:
    def stamp(_logger: object, _method: str, event: Event) -> Event:
        moment = dt.datetime.fromtimestamp(clock(), dt.timezone.utc)
        now = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        level = event["level"]
        rest = {key: value for key, value in event.items() if key not in {"level", "msg"}}
        return {"ts": now, "level": _WORDS.get(level, level), "msg": event["msg"], **rest}

    return stamp


def _tame(_logger: object, _method: str, event: Event) -> Event:
    for key, value in event.items():
        if value is not None and not isinstance(value, (bool, int, float)):
            longest = _LONGEST_TRACEBACK if key == "exception" else _LONGEST_VALUE
            event[key] = escaped(str(value), longest)
    return event


class _Unfailing:
    """A stream whose failures are swallowed: a log that cannot be written has nobody to tell."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # ValueError: closed, or not in the stream's encoding
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


class _Bridge(logging.Handler):
    """Hands the standard library's records on."""

    def emit(self, record: logging.LogRecord) -> None:
        lower = (level for level in LEVELS.values() if level <= record.levelno)
        log = structlog.get_logger()
        log.log(
            max(lower, default=logging.DEBUG),
            _message(record),
            logger=record.name,
            exc_info=record.exc_info,
        )


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # arguments that do not fit their format
        return str(record.msg)
