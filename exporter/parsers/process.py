"""The files of ``/proc/PID`` that say what a process is → plain facts.

Layout: proc(5) and the kernel's ``fs/proc/array.c``. Names and paths are bytes that anyone may
choose; they become text that is valid UTF-8 whatever they are, and bounded.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

from exporter.errors import ParseError

NAME_LENGTH = 64  # the kernel keeps 15 bytes, and up to 63 for its own threads
PATH_LENGTH = 1024  # openGauss itself ends at 1023 (MAXPGPATH)
_PARENT, _START_TICKS = 1, 19  # places behind the name: fields 4 and 22 of proc(5)


class ProcessStat(NamedTuple):
    """What ``/proc/PID/stat`` tells; ``start_ticks`` are clock ticks after boot."""

    name: str
    parent_pid: int
    start_ticks: int


def text(data: bytes, length: int) -> str:
    """Decode what a stranger chose: valid UTF-8 of at most so many characters."""
    return data.decode("utf-8", "replace")[:length]


def parse_stat(data: bytes) -> ProcessStat:
    """Read ``/proc/PID/stat``; raises ParseError.

    The name stands in parentheses, unescaped: it may hold parentheses, blanks and newlines, so
    it ends at the last parenthesis.
    """
    start, end = data.find(b"(") + 1, data.rfind(b")")
    fields = data[end + 2 :].split()
    if not 0 < start <= end or len(fields) <= _START_TICKS:
        raise ParseError(f"stat: {data[:100]!r}")
    parent, ticks = fields[_PARENT], fields[_START_TICKS]
    if not (parent.isdigit() and ticks.isdigit()):
        raise ParseError(f"stat: {data[:100]!r}")
    return ProcessStat(text(data[start:end], NAME_LENGTH), int(parent), int(ticks))


def parse_effective_uid(status: bytes) -> int:
    """Read the effective user from ``/proc/PID/status``; raises ParseError."""
    fields = _line(status, b"Uid:").split()
    if len(fields) != 4 or not fields[1].isdigit():  # noqa: PLR2004 -- real, effective, saved, fs
        raise ParseError(f"status: Uid: {fields!r}")
    return int(fields[1])


def parse_effective_capabilities(status: bytes) -> int:
    """Read the bit set of effective capabilities from ``/proc/PID/status``; raises ParseError."""
    value = _line(status, b"CapEff:").strip()
    try:
        return int(value, 16)
    except ValueError as error:
        raise ParseError(f"status: CapEff: {value!r}") from error


def _line(status: bytes, title: bytes) -> bytes:
    for line in status.splitlines():
        if line.startswith(title):
            return line[len(title) :]
    raise ParseError(f"status: no line {title.decode()}")


def parse_boot_time(data: bytes) -> int:
    """Read the moment of boot in seconds since the epoch from ``/proc/stat``; raises ParseError."""
    value = _line(data, b"btime ").strip()
    if not value.isdigit():
        raise ParseError(f"stat: btime {value!r}")
    return int(value)


def data_directory(cmdline: bytes) -> Optional[str]:
    """Find gaussdb's ``-D DIR`` or ``-DDIR`` in ``/proc/PID/cmdline``; the last one counts.

    None without one. The path is as it was given: perhaps relative.
    """
    found = None
    words = cmdline.rstrip(b"\0").split(b"\0")[1:]
    for word, following in zip(words, [*words[1:], b""]):
        if word == b"-D":
            found = following
        elif word.startswith(b"-D"):
            found = word[2:]
    return text(found, PATH_LENGTH) if found else None


def variable(environ: bytes, name: bytes) -> Optional[str]:
    """Find one variable in ``/proc/PID/environ``; None where it is not set or empty."""
    for entry in environ.split(b"\0"):
        if entry.startswith(name + b"="):
            return text(entry[len(name) + 1 :], PATH_LENGTH) or None
    return None


def maps_all_users(uid_map: bytes) -> bool:
    """Tell from ``/proc/self/uid_map`` whether every uid of the host has a number here."""
    rows = [row.split() for row in uid_map.splitlines()]
    return rows == [[b"0", b"0", b"4294967295"]]
