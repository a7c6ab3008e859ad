"""Bring log records and tables of the real CM and of the stand-ins into one form, to compare them.

`RULES` is all that is changed: what differs between any two runs of the real programs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

_BEGIN = re.compile(r"(?m)^ ?(?=\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} tid=)")

# pattern, replacement, why
RULES: tuple[tuple[str, str, str], ...] = (
    (r"\d{4}-\d\d-\d\d[ _]\d\d:?\d\d:?\d\d(\.\d{3})?", "TIME", "when it was written or created"),
    (r"tid=\d+ ((AGENT|CTL)_WORKER)?", "tid=N ", "threads; which worker of the pool it was"),
    (r"(pid is |cm_server:|\(cm_server )\d+", r"\1N", "processes"),
    (r"/\S*?(?=/(opt|var|home)/)", "", "the lab's directory, which stands before every path"),
    (r"10\.77\.0\.\d+", "IP", "addresses; the node's number stays where CM prints it"),
    (r"\s*\d+: [0-9A-F]{8}:([0-9A-F]{4}) .*", r"ROW \1", "rows of /proc/net/tcp but the port"),
    (
        r"(finished in |try |Counts=|counts: |fd=|start_count=|start -t |failed in \()\d+",
        r"\1N",
        "counters, durations, and how long cm_ctl was told to wait",
    ),
    (r"(connect_timeout|os error)[=:]\d+", r"\1 N", "what the timing of errors decides"),
    (r"[ ]+", " ", "widths of columns follow the longest path"),
    (r"-{4,}", "----", "and so do the lines below the titles"),
)
# the records that tell of ports, starts, stops and states; the rest of CM's talk nobody imitates
TELLING = re.compile(
    r"already in use|CheckPort:|failed \d+! lsof|(CM_SERVER|DN|FENCED UDF) START"
    r"|StartAndStop LOG: process .* is not running|StartAndStop LOG: datanodeId="
    r"|could not bind|cm server listen failed|no socket created|listen_socket_check"
    r"|Failed to start dcc|success to start dcc|Add listen socket|on offline|restarts counts"
    r"|connect to cm_?server (failed|primary|success)|connect to cm server failed"
    r"|can't connect to cm_server|CMServer State|Datanode State"
    r"|LOG: (checking (cluster|finished)|(start|stop) (cluster|node|the node|instance))"
    r"|LOG: (Paus|Resum|The cluster has been)"
    r"|ERROR: start |FATAL: init|listener type|lsnr failed|mes init failed|MES LSNR"
    r"|have die|cm_agent (start|exited|killed)|startup check|instances have been stopped"
    r"|shutdown requested|datanode (fast shutdown|shutting)|KEY_EVENT_FAILOVER|role to primary"
    r"|res\(\S+\) inst\(\d+\) (has been restart|is offline)|manual stop res|run start script"
)
# What a client meets while servers start or elect is a race in the real cluster, too: such records
# must have been written by the real program in some recording, not in each run of one scenario.
RACY = re.compile(
    r"352: connect to cm_server failed|connect to cm server failed! The|standy successfully"
    r"|cmserver failed: (timeout expired|local cmserver is not the primary)|close connect"
)
# A server that does not listen yet: a slow machine shows it to a client where a fast one did not.
# It may come besides what was recorded; where it was recorded, the stand-in must write it.
EARLY = re.compile(r"connect to cmserver failed: could not connect to server: ")
_COMPILED = tuple((re.compile(pattern), replacement) for pattern, replacement, _ in RULES)


def normal(text: str) -> str:
    """Apply the rules."""
    for pattern, replacement in _COMPILED:
        text = pattern.sub(replacement, text)
    return text.strip()


def records(text: str) -> Iterator[str]:
    """Split a log into records, continuation lines included; words before the first are dropped."""
    starts = [match.start() for match in _BEGIN.finditer(text)]
    for start, end in zip(starts, [*starts[1:], len(text)]):
        yield text[start:end]


def shapes(files: Iterable[Path]) -> set[str]:
    """Return the normalised records of some files."""
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in files)
    return {normal(record) for text in texts for record in records(text)}
