"""The lines of the output without what CM's logger wove into them.

When cm_ctl cannot write its log it prints the records instead (CM cm_elog.cpp write_log_file):
a line that says why, then ``write_log_file,log file is null now:`` with the record and an empty
line. Records stand before, between and inside rows: a datanode's is printed right behind its HA
state, so that the row goes on after the record's empty line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_RECORD = "write_log_file,log file is null now:"
_NOISE = re.compile(
    re.escape(_RECORD)
    + r"|cm_ctl: opendir |\(null\): opendir "
    + r"|logfile_open could not open log file:"
    + r"|write_log_file could not open log file"
    + r"|could not write to log file:"
    + r"|fcntl [gs]et flags failed\."
)
# The one error that cm_ctl goes on after and ends without a newline: what it knows of the cluster
# is older than what it is told (CM ctl_query.cpp PrintSimpleResult). A row may follow at once.
_UNKNOWN_NODE = re.compile(r"cm_ctl: can't find the node\(\d{1,10}\)\.")
# A record of several lines goes on with a tab (the reasons of libpq), a lone dot (its end), or:
_CONTINUED = ("\t", "Maybe cm_server", "[ERR")


class Line(NamedTuple):
    """One line without blanks around it; ``cut``: the output ended within it."""

    text: str
    cut: bool


def lines(text: str) -> Iterator[Line]:
    """Give the lines that are cm_ctl's answer, rows put together again; empty lines stay."""
    *whole, last = text.split("\n")
    begun = ""
    in_record = False
    for number, raw in enumerate((*whole, last)):
        noise = _NOISE.search(raw)
        if noise:
            begun = _joined(begun, raw[: noise.start()])
            in_record = noise.group() == _RECORD
        elif in_record and not raw.strip():
            in_record = False
        elif not (in_record and _goes_on(raw, begun)):
            in_record = False
            yield Line(_bare(_joined(begun, raw)), cut=number == len(whole))
            begun = ""
    if begun:
        yield Line(_bare(begun), cut=True)


def _goes_on(raw: str, begun: str) -> bool:
    """Tell whether a line is the record's next one.

    Inside a row every line is, until the empty one: all those records end with a newline of
    their own. Elsewhere a record without one is possible, and a row may follow at once.
    """
    return bool(begun) or raw.startswith(_CONTINUED) or raw.strip() == "."


def _joined(begun: str, rest: str) -> str:
    """Put a row together; CM writes no record within a word, so anything else stays apart."""
    goes_on = not begun or begun.endswith(" ") or rest.startswith((" ", "("))
    return begun + rest if goes_on else f"{begun} {rest}"


def _bare(raw: str) -> str:
    """Take away blanks, the dots that cm_ctl prints while it waits, and an error within a row."""
    return _UNKNOWN_NODE.sub("", raw).strip(" \t\r").lstrip(".").lstrip(" ")
