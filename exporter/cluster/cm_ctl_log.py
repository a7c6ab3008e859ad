"""cm_ctl's own log of one query: what it says of each cm_server, and how it is kept apart.

cm_ctl prints ``Down`` for every cm_server that it did not reach and never says why; its log does
(level DEBUG1, CM ctl_common.cpp DoConnCmserver): a success with the address, or failures without
one, followed by the node that they were about. What comes after, the search for the primary, has
no node's name and is only used where it adds something.

When cm_ctl cannot write its log it prints the records instead (CM cm_elog.cpp write_log_file):
a line that says why, then ``write_log_file,log file is null now:`` with the record and an empty
line. Records stand before, between and inside rows: a datanode's is printed right behind its HA
state, so that the row goes on after the record's empty line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Optional

from exporter.cluster.facts import Answer, CmServer, ServerAnswer

# A record of another thread may leave a dot in front: its message ended without a newline.
_RECORD = re.compile(r"\.?\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S* tid=(\d+) (.*)")
_SUCCESS = re.compile(r"connect to cmserver success, remotehost is (\S+):(\d{1,5})\.")
_FAILURE = re.compile(r"connect to cmserver failed: (.*)", re.DOTALL)
_GIVEN_UP = re.compile(r"can't connect to cm_server node (\d{1,9}) node_name ")
_SSL = re.compile(r"create ssl (?:connection )?failed|can't establish an SSL connection")
_REFUSED = re.compile(
    r'Is the server running on host "([^"\s]{1,64})" and accepting\s{1,4}'
    r"TCP/IP connections on port (\d{1,5})\?"
)

# The first that fits counts. The reasons are libpq's (CM fe-connect.cpp, fe-misc.cpp).
_REASONS: tuple[tuple[Answer, re.Pattern[str]], ...] = (
    (Answer.NOT_CM_SERVER, re.compile(r"expected authentication request|lost synchronization")),
    (Answer.SSL_FAILED, re.compile(r"\bSSL\b|\bssl\b")),
    # Both are a cm_server's own words: it does not lead, or it does not serve our OS user.
    (Answer.CONNECTED, re.compile(r"local cmserver is not the primary|invalid connection")),
    (Answer.CLOSED, re.compile(r"closed the connection|reset by peer|Broken pipe")),
    (Answer.TIMEOUT, re.compile(r"timeout expired|timed out|unreachable|No route to host")),
    (Answer.REFUSED, re.compile(r"could not connect to server|Connection refused")),
)
# Of several addresses of one cm_server the one that tells most about who is there counts.
_TELLING = (
    Answer.NOT_CM_SERVER,
    Answer.SSL_FAILED,
    Answer.CLOSED,
    Answer.TIMEOUT,
    Answer.REFUSED,
    Answer.CONNECTED,
)


_WOVEN_RECORD = "write_log_file,log file is null now:"
_NOISE = re.compile(
    re.escape(_WOVEN_RECORD)
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


class _Record(NamedTuple):
    tid: str
    message: str


def parse(text: str) -> tuple[ServerAnswer, ...]:
    """Read the log of one query; empty when it tells nothing of any cm_server."""
    return tuple(_answers(_of_the_query(list(_records(text)))))


def by_node(
    servers: Iterable[CmServer], answers: Iterable[ServerAnswer]
) -> tuple[tuple[str, Answer], ...]:
    """Give each cm_server of which something is known its answer, by node id.

    By node where the log names it, else by address, else by state: a cm_server that said which
    role it has was connected to.
    """
    logged = list(answers)
    by_id = ((server.place.node_id, _answer_of(server, logged)) for server in servers)
    return tuple((node_id, answer) for node_id, answer in by_id if answer)


def _answer_of(server: CmServer, answers: list[ServerAnswer]) -> Optional[Answer]:
    node_id, ip = server.place.node_id, server.place.ip
    for answer in answers:
        if answer.node_id == node_id:
            return answer.answer
    for answer in answers:
        if ip and answer.ip == ip:
            return answer.answer
    return Answer.CONNECTED if server.state.is_answer else None


def _records(text: str) -> Iterator[_Record]:
    current: Optional[_Record] = None
    for line in text.split("\n"):
        begun = _RECORD.match(line)
        if begun:
            if current:
                yield current
            current = _Record(begun.group(1), begun.group(2))
        elif current:
            current = current._replace(message=f"{current.message}\n{line}")
    if current:
        yield current


def _of_the_query(records: list[_Record]) -> list[_Record]:
    """Keep the records of the thread that ran the query, if one says that it did."""
    for record in records:
        if 'cmd: "cm_ctl query' in record.message:
            return [other for other in records if other.tid == record.tid]
    return records


def _answers(records: Iterable[_Record]) -> Iterator[ServerAnswer]:
    failures: list[Answer] = []
    for _, message in records:
        success = _SUCCESS.search(message)
        given_up = _GIVEN_UP.search(message)
        if success:
            yield ServerAnswer(Answer.CONNECTED, ip=success[1], port=int(success[2]))
        elif given_up and failures:
            yield ServerAnswer(min(failures, key=_TELLING.index), given_up[1])
        else:
            failures += _failure(message)
            yield from _refused(message)
            continue
        failures = []


def _failure(message: str) -> list[Answer]:
    if _SSL.search(message):
        return [Answer.SSL_FAILED]
    failure = _FAILURE.search(message)
    if not failure:
        return []
    return [answer for answer, reason in _REASONS if reason.search(failure[1])][:1]


def _refused(message: str) -> Iterator[ServerAnswer]:
    """Read the one failure that names the address."""
    address = _REFUSED.search(message)
    if address and _failure(message) == [Answer.REFUSED]:
        yield ServerAnswer(Answer.REFUSED, ip=address[1], port=int(address[2]))


class Line(NamedTuple):
    """One line without blanks around it; ``cut``: the output ended within it."""

    text: str
    cut: bool


def without_records(text: str) -> Iterator[Line]:
    """Give the lines that are cm_ctl's answer, rows put together again; empty lines stay."""
    *whole, last = text.split("\n")
    begun = ""
    in_record = False
    for number, raw in enumerate((*whole, last)):
        noise = _NOISE.search(raw)
        if noise:
            begun = _joined(begun, raw[: noise.start()])
            in_record = noise.group() == _WOVEN_RECORD
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
