"""The files of ``/proc/PID`` that say what a process is → plain facts.

Layout: proc(5) and the kernel's ``fs/proc/array.c``. Names and paths are bytes that anyone may
choose; they become text that prints whatever they are, and is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, Optional

from exporter.errors import ParseError
from exporter.host.text import visible

NAME_LENGTH = 64  # the kernel keeps 15 bytes, and up to 63 for its own threads
PATH_LENGTH = 1024  # openGauss itself ends at 1023 (MAXPGPATH)
_STATE, _PARENT, _FLAGS, _START_TICKS = 0, 1, 6, 19  # behind the name: fields 3, 4, 9, 22
_DEAD = (b"Z", b"X", b"x")
_PF_KTHREAD = 0x00200000  # kernel include/linux/sched.h


class ProcessStat(NamedTuple):
    """What ``/proc/PID/stat`` tells; ``start_ticks`` are clock ticks after boot.

    ``runs`` is False for what is listed without being a program that runs: a process that ended
    and waits for its parent to take note (a zombie), a thread of the kernel.
    """

    name: str
    runs: bool
    parent_pid: int
    start_ticks: int


def text(data: bytes, length: int) -> str:
    """Decode what a stranger chose: at most so many characters, and all of them print.

    Two names that differ in what does not print become one here, and not on the page, where they
    would be the same series twice.
    """
    return visible(data.decode("utf-8", "replace")[:length])


def parse_stat(data: bytes) -> ProcessStat:
    """Read ``/proc/PID/stat``; raises ParseError.

    The name stands in parentheses, unescaped: it may hold parentheses, blanks and newlines, so
    it ends at the last parenthesis.
    """
    start, end = data.find(b"(") + 1, data.rfind(b")")
    fields = data[end + 2 :].split()
    if not 0 < start <= end or len(fields) <= _START_TICKS:
        raise ParseError(f"stat: {data[:100]!r}")
    parent, flags, ticks = (fields[place] for place in (_PARENT, _FLAGS, _START_TICKS))
    if not (parent.isdigit() and flags.isdigit() and ticks.isdigit()):
        raise ParseError(f"stat: {data[:100]!r}")
    runs = fields[_STATE] not in _DEAD and not int(flags) & _PF_KTHREAD
    return ProcessStat(text(data[start:end], NAME_LENGTH), runs, int(parent), int(ticks))


def parse_effective_capabilities(status: bytes) -> int:
    """Read the bit set of effective capabilities from ``/proc/PID/status``; raises ParseError."""
    for line in status.splitlines():
        title, _, value = line.partition(b":")
        if title == b"CapEff" and re.fullmatch(rb"\s*[0-9a-f]{1,16}\s*", value):
            return int(value, 16)
    raise ParseError("status: no line CapEff")


def own_pid(status: bytes) -> int:
    """Read from ``/proc/PID/status`` which pid a process has to itself; 0 where that is not told.

    In a container it is another one than the host's. Kernels before 4.1 do not tell.
    """
    found = re.search(rb"^NSpid:[\t\d]*\t(\d{1,10})$", status, re.MULTILINE)
    return int(found[1]) if found else 0


def data_directory(words: Sequence[bytes]) -> Optional[str]:
    """Find gaussdb's ``-D DIR`` or ``-DDIR`` in a command line; the last one counts.

    None without one. The path is as it was given: perhaps relative.
    """
    directory = None
    arguments = words[1:]
    for word, following in zip(arguments, [*arguments[1:], b""]):
        if word == b"-D":
            directory = following
        elif word.startswith(b"-D"):
            directory = word[2:]
    return text(directory, PATH_LENGTH) if directory else None


def is_fenced_master(words: Sequence[bytes]) -> bool:
    """Tell gaussdb's helper for fenced functions from gaussdb itself, by its command line.

    cm_agent, or gaussdb, keeps one running beside the database. Soon after its start it writes
    ``gaussdb fenced UDF master process`` over its arguments and its environment
    (openGauss-server fencedudf.cpp FencedUDFMasterMain); so do its workers. psutil gives such a
    title as one word, or as a word for each of its own.
    """
    return b" fenced UDF" in b" ".join(words[:3]) or b"--fenced" in words[1:]


def maps_all_users(uid_map: bytes) -> bool:
    """Tell from ``/proc/self/uid_map`` whether every uid of the host has a number here."""
    rows = [row.split() for row in uid_map.splitlines()]
    return rows == [[b"0", b"0", b"4294967295"]]
