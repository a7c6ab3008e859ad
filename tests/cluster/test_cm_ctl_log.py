"""What cm_ctl's log tells of each cm_server; the texts are the records of real clusters."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cluster.cm_ctl_log import by_node, parse
from exporter.cluster.facts import Answer, CmServer, CmServerState, Place, ServerAnswer

_BEGIN = '2026-11-22 12:14:42.812 tid=413  DEBUG1: ip: "10.77.0.1", cmd: "cm_ctl query -Cvipd". \n'
_FIRST = (
    "2026-11-22 12:14:43.013 tid=413  DEBUG1: connect to cmserver success, remotehost is"
    " 10.77.0.1:15300.\n"
)
_END = (
    "2026-11-22 12:14:43.015 tid=413  DEBUG1: query_kerberos: MPPDB_KRB5_FILE_PATH get fail.\n"
    f"{_FIRST}2026-11-22 12:14:43.217 tid=413  DEBUG1: [InitResStat] no custom resource config.\n"
)
_REASONS = {
    "server closed the connection unexpectedly\n"
    "\tThis probably means the server terminated abnormally\n"
    "\tbefore or while processing the request.\n": Answer.CLOSED,
    "could not connect to server: \n"
    '\tIs the server running on host "10.77.0.2" and accepting\n'
    "\tTCP/IP connections on port 15300?\n": Answer.REFUSED,
    "could not connect to server: No route to host\n"
    '\tIs the server running on host "10.77.0.2" and accepting\n'
    "\tTCP/IP connections on port 15300?\n": Answer.TIMEOUT,
    "timeout expired\n": Answer.TIMEOUT,
    "expected authentication request from server, but received H\n": Answer.NOT_CM_SERVER,
    "could not receive data from server: Connection reset by peer\n": Answer.CLOSED,
    "invalid connection": Answer.CONNECTED,
}


def _failed(reason: str) -> str:
    return f"2026-11-22 12:14:43.0 tid=413  DEBUG1: 461 : connect to cmserver failed: {reason}.\n"


def _given_up(node: int) -> str:
    return (
        f"2026-11-22 12:14:43.0 tid=413  DEBUG1: can't connect to cm_server node {node}"
        f" node_name node{node}\n"
    )


def _servers(*states: CmServerState) -> list[CmServer]:
    return [
        CmServer(Place(str(i), f"node{i}", f"10.77.0.{i}"), str(i), state)
        for i, state in enumerate(states, 1)
    ]


_DOWN = _servers(CmServerState.PRIMARY, CmServerState.DOWN)


@pytest.mark.parametrize(("reason", "answer"), _REASONS.items())
def test_each_reason_is_an_answer_of_the_node_it_was_about(reason: str, answer: Answer) -> None:
    """A failure belongs to the node that the following record names."""
    answers = parse(_BEGIN + _FIRST + _failed(reason) + _given_up(2) + _END)
    assert by_node(_DOWN, answers) == (("1", Answer.CONNECTED), ("2", answer))


def test_a_failed_handshake_is_told_from_a_failed_connection() -> None:
    """TLS trouble is an answer of its own, although it goes before a plain failure."""
    text = (
        _BEGIN
        + "2026-11-22 12:14:43.0 tid=413  DEBUG1: begin to create ssl connection\n"
        + _FIRST
        + "2026-11-22 12:14:43.0 tid=413  ERROR: socket is [5], 402 : create ssl failed: x\n"
        + _given_up(2)
        + _END
    )
    assert dict(by_node(_DOWN, parse(text))) == {"1": Answer.CONNECTED, "2": Answer.SSL_FAILED}


def test_of_several_addresses_the_most_telling_failure_counts() -> None:
    """A stranger on one address of a cm_server is not hidden by silence on another."""
    stranger = "expected authentication request from server, but received S\n"
    text = _BEGIN + _failed(stranger) + _failed("timeout expired\n") + _given_up(2)
    assert parse(text) == (ServerAnswer(Answer.NOT_CM_SERVER, "2"),)


def test_a_failure_before_a_success_is_of_the_same_server_and_forgotten() -> None:
    """A second address that answers makes the server connected, and the next node starts anew."""
    text = _BEGIN + _failed("timeout expired\n") + _FIRST + _given_up(2)
    assert [answer.answer for answer in parse(text)] == [Answer.CONNECTED]


def test_ipv6_addresses_are_read_without_brackets() -> None:
    """The port is what stands behind the last colon."""
    record = "2026-11-22 12:14:43 tid=413  DEBUG1: connect to cmserver success, remotehost is "
    assert parse(f"{record}2407:c080::11:15300.\n") == (
        ServerAnswer(Answer.CONNECTED, ip="2407:c080::11", port=15300),
    )


def test_a_refused_address_is_known_without_a_node() -> None:
    """The summary alone asks no cm_server by node; the reason names the address all the same."""
    (reason,) = [text for text, answer in _REASONS.items() if answer is Answer.REFUSED]
    assert parse(_BEGIN + _failed(reason)) == (
        ServerAnswer(Answer.REFUSED, ip="10.77.0.2", port=15300),
    )


def test_records_of_other_threads_are_not_the_query_s() -> None:
    """A second cm_ctl that writes to the same file adds nothing."""
    other = _FIRST.replace("tid=413", "tid=999").replace("10.77.0.1", "10.9.9.9")
    assert parse(other + _BEGIN + _FIRST) == parse(_BEGIN + _FIRST)


def test_a_server_that_said_its_role_was_connected_to() -> None:
    """Without a log a Primary is connected to, and of a Down nothing is known."""
    assert by_node(_DOWN, ()) == (("1", Answer.CONNECTED),)


def test_the_search_for_a_primary_does_not_spoil_what_was_found() -> None:
    """A standby that refuses to be the primary is connected."""
    servers = _servers(CmServerState.STANDBY, CmServerState.STANDBY)
    text = _BEGIN + _failed("local cmserver is not the primary") * 2
    assert dict(by_node(servers, parse(text))) == {"1": Answer.CONNECTED, "2": Answer.CONNECTED}


@pytest.mark.parametrize("text", ["", "\n", "no record\n", _BEGIN, "\x00" * 100])
def test_a_log_that_tells_nothing_is_no_error(text: str) -> None:
    """The log is a supplement: without it the query is as good as before."""
    assert parse(text) == ()


@pytest.mark.parametrize(
    "piece",
    [
        '\tIs the server running on host "h" and accepting\n',
        "connect to cmserver failed: ",
        "connect to cmserver success, remotehost is ",
        "2026-11-22 12:14:43 tid=1 ",
        "can't connect to cm_server node 1",
    ],
)
def test_a_full_log_is_read_at_once(piece: str) -> None:
    """What a stranger's answer repeats for all that is read costs milliseconds, not minutes."""
    text = (_BEGIN + piece * 65536)[:65536]
    cost = []
    for _ in range(3):
        start = time.thread_time()
        parse(text)
        cost.append(time.thread_time() - start)
    assert min(cost) < 0.2


@given(st.text(alphabet="\n\t.:\"'?= 0123456789adefilmnorstu"))
def test_no_log_is_an_error(text: str) -> None:
    """Whatever stands there, the query it belongs to is judged without it."""
    parse(_BEGIN + text)
    parse(text)
