"""What is read from logs: signatures, records, and what is known from them."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class RecordPrefix(NamedTuple):
    """What stands before the text of a record, as it is written there.

    ``start`` and ``text`` are offsets in the line. Empty is what the record does not tell.
    """

    start: int
    text: int
    time: bytes
    zone: bytes = b""
    level: bytes = b""
    thread: bytes = b""


class LogErrorReason(str, enum.Enum):
    """Why something of a log could not be read, or is not what its name promises."""

    PERMISSION_DENIED = "permission_denied"
    STALE_HANDLE = "stale_handle"
    FD_EXHAUSTED = "fd_exhausted"
    IO_ERROR = "io_error"
    NOT_A_FILE = "not_a_file"
    BAD_ARCHIVE = "bad_archive"
    LONG_LINE = "long_line"
    FUTURE_TIME = "future_time"
    STATE_FILE = "state_file"
    INTERNAL = "internal"


class StopOrigin(str, enum.Enum):
    """Who made a marker by which a stop is requested."""

    OPERATOR = "operator"
    RESTART_LIMIT = "restart_limit"
    UNKNOWN = "unknown"
    NONE = "none"


class PortReport(NamedTuple):
    """The youngest record of a signature that reports a port as taken.

    ``address``, ``uid`` and ``inode`` are what the record itself says of the socket, empty where
    it says nothing. ``time`` is in seconds since the epoch.
    """

    signature: str
    port: int
    time: float
    address: str = ""
    uid: str = ""
    inode: str = ""


class StartStatus(NamedTuple):
    """The four numbers of cm_ctl's record ``starting exceeds 2 mins`` (CM ctl_start.cpp).

    -1: no primary cm_server could be reached; 5: unknown, which is also what cm_ctl starts with.
    """

    cluster: int = 5
    az: int = 5
    node: int = 5
    instance: int = 5


@dataclass
class SourceActivity:
    """What was read of one source since the exporter started.

    ``files`` are those that are there, ``lag`` is how many of their bytes are not read yet.
    """

    files: int = 0
    lag: int = 0
    lines: int = 0
    bytes: int = 0
    rotations: int = 0
    truncations: int = 0
    errors: Counter[LogErrorReason] = field(default_factory=Counter)


@dataclass(frozen=True)
class LogSnapshot:
    """All that is known from the logs at one moment; times are in seconds since the epoch.

    ``matches`` and ``last_match`` are by (signature, source). ``restart_limit_times`` are the
    times of CM's records that it stopped a resource itself. ``covered_since`` says from when on
    the records of a source have been seen without a gap. ``service_errors`` belong to no source.
    """

    matches: Mapping[tuple[str, str], int] = field(default_factory=dict)
    last_match: Mapping[tuple[str, str], float] = field(default_factory=dict)
    port_reports: tuple[PortReport, ...] = ()
    start_status: StartStatus = field(default_factory=StartStatus)
    start_failed_after: int = 0
    restart_limit_times: tuple[float, ...] = ()
    covered_since: Mapping[str, float] = field(default_factory=dict)
    activity: Mapping[str, SourceActivity] = field(default_factory=dict)
    service_errors: Mapping[LogErrorReason, int] = field(default_factory=dict)
