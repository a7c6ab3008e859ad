"""The web server against clients that are slow, rude or many. Real sockets on the loopback."""

from __future__ import annotations

import contextlib
import http.client
import select
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from structlog.testing import capture_logs

from exporter.errors import ListenError
from exporter.scrape.metrics import Refusal
from exporter.web.connection import Limits
from exporter.web.messages import Request, Response, plain
from exporter.web.server import open_listeners
from tests.support.web import PATIENCE_SECONDS, Gated, ServedSite, read_all, read_head

GET = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"
LAST = b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
QUICK = Limits(header=0.4, idle=0.4, write=0.4, linger=0.4)


@pytest.fixture
def site() -> Iterator[ServedSite]:
    """A server with the limits of production."""
    with ServedSite() as served:
        yield served


@pytest.fixture
def impatient() -> Iterator[ServedSite]:
    """A server that waits for less than half a second."""
    with ServedSite(limits=QUICK) as served:
        yield served


def status(answer: bytes) -> int:
    """Read the status of an answer, 0 for none."""
    return int(answer.split(b" ", 2)[1]) if answer else 0


def test_an_answer_has_its_length_its_type_and_the_security_headers(site: ServedSite) -> None:
    """Every page says what it is, and tells browsers to do nothing clever with it."""
    head, _, body = site.exchange(LAST).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
    assert {
        "Content-Type: text/plain; charset=utf-8",
        "Content-Length: 7",
        "X-Content-Type-Options: nosniff",
        "X-Frame-Options: DENY",
        "Cache-Control: no-store",
        "Connection: close",
    } <= set(lines)
    assert body == b"GET /x\n"


def test_head_is_get_without_the_body(site: ServedSite) -> None:
    """HEAD gives the same headers, Content-Length included, and no byte more."""
    answer = site.exchange(LAST.replace(b"GET", b"HEAD"))
    assert b"Content-Length: 8\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_a_connection_serves_many_requests(site: ServedSite) -> None:
    """Prometheus keeps its connection from scrape to scrape."""
    connection = http.client.HTTPConnection(*site.address, timeout=PATIENCE_SECONDS)
    for number in range(5):
        connection.request("GET", f"/{number}")
        assert connection.getresponse().read() == b"GET /%d\n" % number
    connection.close()


def test_pipelined_requests_are_answered_in_order(site: ServedSite) -> None:
    """Requests sent in one go get their answers one after the other."""
    many = b"".join(GET.replace(b"/x", b"/%d" % number) for number in range(20))
    answer = site.exchange(many + LAST.replace(b"/x", b"/last"))
    bodies = [part.split(b"\n")[0] for part in answer.split(b"\r\n\r\n")[1:]]
    assert bodies == [*(b"GET /%d" % number for number in range(20)), b"GET /last"]


def test_http_1_0_is_answered_and_closed(site: ServedSite) -> None:
    """The oldest of scripts and health checks work."""
    assert site.exchange(b"GET /x HTTP/1.0\r\n\r\n").endswith(b"GET /x\n")


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/x?name[]=up&name[]=down", b"/x"),
        (b"http://host:1/x", b"/x"),
        (b"http://host", b"/"),
        (b"/%2e%2e/x", b"/%2e%2e/x"),
        (b"*", b"*"),
    ],
)
def test_the_path_is_what_is_asked_for(site: ServedSite, target: bytes, path: bytes) -> None:
    """Queries are no part of it, the absolute form is taken, and nothing is decoded."""
    assert site.exchange(LAST.replace(b"/x", target)).endswith(b"GET " + path + b"\n")


def test_a_query_reaches_the_page_as_it_came() -> None:
    """What stands behind the question mark is the page's to read, of both forms of a target."""

    async def query(request: Request) -> Response:
        return plain(200, request.query)

    with ServedSite(query) as site:
        for target in (b"/x?zeros=omit&a=%20?", b"http://host:1/x?zeros=omit&a=%20?"):
            answer = site.exchange(LAST.replace(b"/x", target))
            assert answer.endswith(b"\r\n\r\nzeros=omit&a=%20?\n")


def test_a_body_is_read_and_thrown_away(site: ServedSite) -> None:
    """A body does not confuse the requests behind it."""
    post = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
    answer = site.exchange(post + LAST)
    assert answer.count(b"HTTP/1.1 200") == 2


def test_a_client_that_asks_before_it_sends_is_told_to_go_on(site: ServedSite) -> None:
    """``Expect: 100-continue`` does not make curl wait."""
    with site.connect() as client:
        client.sendall(
            b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n"
            b"Expect: 100-continue\r\nConnection: close\r\n\r\n"
        )
        assert status(read_head(client)) == 100
        client.sendall(b"hello")
        assert status(read_all(client)) == 200


@pytest.mark.parametrize(
    ("sent", "answer", "reason"),
    [
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000, 431, Refusal.HEADER_TOO_LARGE),
        (b"GET /" + b"a" * 100_000, 431, Refusal.HEADER_TOO_LARGE),
        (b"X" * 100_000, 431, Refusal.HEADER_TOO_LARGE),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, Refusal.MALFORMED),
        (b"\x00\xff rubbish \r\n\r\n", 400, Refusal.MALFORMED),
        (b"GET / HTTP/1.1\r\n\r\n", 400, Refusal.MALFORMED),  # no Host
        (b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", 405, Refusal.MALFORMED),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX Y: z\r\n\r\n", 400, Refusal.MALFORMED),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            400,
            Refusal.MALFORMED,
        ),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"0\r\n\r\n" + GET,
            400,
            Refusal.MALFORMED,
        ),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: rubbish\r\n\r\n",
            501,
            Refusal.MALFORMED,
        ),
        (
            b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n" + b"a" * 200_000,
            413,
            Refusal.BODY_TOO_LARGE,
        ),
    ],
    ids=lambda value: value[:20] if isinstance(value, bytes) else None,
)
def test_what_is_no_request_is_refused_and_counted(
    site: ServedSite, sent: bytes, answer: int, reason: Refusal
) -> None:
    """The client is told what is wrong, the reason is counted, and the next client is served."""
    assert status(site.exchange(sent)) == answer
    assert site.refusals.counts[reason] == 1
    assert sum(site.refusals.counts.values()) == 1
    assert status(site.exchange(LAST)) == 200


def test_ten_megabytes_of_header_are_refused(site: ServedSite) -> None:
    """A huge header is refused long before it is read, and the client still gets to know."""
    with site.connect() as client, ThreadPoolExecutor(1) as pool:
        received = pool.submit(read_all, client)
        with contextlib.suppress(OSError):  # it may hang up in the middle
            client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 10_000_000)
        assert status(received.result(PATIENCE_SECONDS)) == 431


def test_rubbish_behind_a_good_request_costs_the_connection_only(site: ServedSite) -> None:
    """The good request is answered, the rubbish refused."""
    answer = site.exchange(GET + b"\x00rubbish\r\n\r\n")
    assert (answer.count(b"HTTP/1.1 200"), answer.count(b"HTTP/1.1 400")) == (1, 1)


def test_a_client_that_leaves_in_the_middle_does_no_harm(site: ServedSite) -> None:
    """Half a request and a hang-up, or a reset, are not worth a word beyond the counter."""
    for half in (b"", b"GET", b"GET / HTTP/1.1\r\nHost: h\r\n"):
        with site.connect() as client:
            client.sendall(half)
    with site.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.sendall(GET)
    assert status(site.exchange(LAST)) == 200


def test_who_says_nothing_is_left(impatient: ServedSite) -> None:
    """A connection without a request ends at the header's time limit, and is counted."""
    assert impatient.exchange(b"") == b""
    assert impatient.refusals.counts[Refusal.TIMEOUT] == 1


def test_who_dribbles_is_told_and_left(impatient: ServedSite) -> None:
    """Bytes do not extend the time for a header: one limit holds for all of it."""
    with impatient.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        stop = threading.Event()

        def dribble() -> None:
            try:
                while not stop.wait(0.02):
                    client.sendall(b"X: y\r\n")
            except OSError:
                pass

        dribbler = threading.Thread(target=dribble)
        dribbler.start()
        assert status(read_all(client)) == 408
        stop.set()
        dribbler.join()
    assert impatient.refusals.counts[Refusal.TIMEOUT] == 1


def test_a_pause_between_requests_is_no_offence(impatient: ServedSite) -> None:
    """An idle connection is closed quietly."""
    answer = impatient.exchange(GET)
    assert status(answer) == 200
    assert sum(impatient.refusals.counts.values()) == 0


def test_who_does_not_read_its_answer_is_left() -> None:
    """An answer that is not taken ends with the connection at the time limit."""

    async def huge(_: Request) -> Response:
        return Response(200, b"x" * 50_000_000)

    with ServedSite(huge, QUICK) as site, site.connect() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(GET)
        poll = select.poll()
        poll.register(client, 0)  # only that the connection was reset
        assert poll.poll(PATIENCE_SECONDS * 1000) == [
            (client.fileno(), select.POLLERR | select.POLLHUP)
        ]
        assert site.refusals.counts[Refusal.TIMEOUT] == 1


def test_a_page_that_fails_is_an_error_of_its_request() -> None:
    """The client learns nothing of the failure, the log everything, and the next is served."""

    async def broken(request: Request) -> Response:
        if request.path == "/broken":
            raise ZeroDivisionError("secret")
        return plain(200, "fine")

    with ServedSite(broken) as site, capture_logs() as logs:
        answer = site.exchange(LAST.replace(b"/x", b"/broken"))
        assert status(site.exchange(LAST)) == 200
    assert status(answer) == 500
    assert b"secret" not in answer
    assert [(entry["event"], entry["path"]) for entry in logs] == [("request failed", "/broken")]


def test_a_hundred_slow_clients_do_not_hold_up_a_scrape() -> None:
    """Whoever sends a whole request is served at once, however many others dribble."""
    with ServedSite() as site:
        slow = [site.connect() for _ in range(100)]
        for client in slow:
            client.sendall(b"GET / HTTP/1.1\r\nHost: h\r\n")
        assert [status(site.exchange(LAST)) for _ in range(20)] == [200] * 20
        for client in slow:
            client.close()


def test_when_all_places_are_taken_the_slowest_makes_room() -> None:
    """A new client gets the place of the oldest that never sent a whole request."""
    with ServedSite(limits=Limits(connections=3)) as site:
        scraper, first, second = site.connect(), site.connect(), site.connect()
        scraper.sendall(GET)
        assert status(read_head(scraper)) == 200
        with scraper, first, second, site.connect() as newcomer:
            newcomer.sendall(GET)
            assert status(read_head(newcomer)) == 200
            assert read_all(first) == b""  # the oldest of the two that never asked
            second.sendall(GET)
            assert status(read_head(second)) == 200
            scraper.sendall(GET)
            assert status(read_head(scraper)) == 200
        assert site.refusals.counts[Refusal.CONNECTION_LIMIT] == 1


def test_when_all_places_are_at_work_the_newcomer_is_refused() -> None:
    """A request in work is never sacrificed."""
    page = Gated()
    with ServedSite(page, Limits(connections=2)) as site, site.connect() as one:
        with site.connect() as two:
            one.sendall(LAST)
            two.sendall(LAST)
            page.wait_for(2)
            assert site.exchange(b"") == b""
            page.open()
            assert [status(read_all(one)), status(read_all(two))] == [200, 200]
        assert site.refusals.counts[Refusal.CONNECTION_LIMIT] == 1


def test_closing_finishes_what_is_in_work() -> None:
    """A scrape in work gets its page, an idle connection ends, a new one is not accepted."""
    page = Gated()
    with ServedSite(page) as site, site.connect() as idle, site.connect() as working:
        working.sendall(GET)
        page.wait_for(1)
        closing = site.begin_close(PATIENCE_SECONDS)
        assert read_all(idle) == b""
        with pytest.raises(ConnectionRefusedError):
            site.connect()
        page.open()
        answer = read_all(working)
        closing.result(PATIENCE_SECONDS)
    assert status(answer) == 200
    assert b"Connection: close\r\n" in answer


def test_closing_does_not_wait_for_ever() -> None:
    """An answer that never comes is given up at the end of the grace."""
    page = Gated()
    with ServedSite(page) as site, site.connect() as client:
        client.sendall(GET)
        page.wait_for(1)
        site.close(0.05)
        assert read_all(client) == b""


def reachable(host: str, port: int) -> bool:
    """Tell whether a connection to this address is taken."""
    try:
        socket.create_connection((host, port), 5).close()
    except OSError:
        return False
    return True


def test_no_host_is_every_address_of_both_families() -> None:
    """``:PORT`` answers on IPv4 and IPv6 alike."""
    (listener,) = open_listeners([("", 0)])
    port = listener.getsockname()[1]
    assert [reachable(host, port) for host in ("127.0.0.1", "::1")] == [True, True]
    listener.close()


@pytest.mark.parametrize(
    ("host", "other"), [("127.0.0.1", "::1"), ("::1", "127.0.0.1"), ("::", "127.0.0.1")]
)
def test_a_host_is_that_address_only(host: str, other: str) -> None:
    """An address of one family is not answered on the other; ``[::]`` is IPv6 alone."""
    (listener,) = open_listeners([(host, 0)])
    port = listener.getsockname()[1]
    assert reachable("::1" if host == "::" else host, port)
    assert not reachable(other, port)
    listener.close()


def test_a_port_in_use_is_an_error_that_leaves_nothing_open() -> None:
    """The error names the address, and the addresses before it are free again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        probe = socket.create_server(("127.0.0.1", 0))
        free = probe.getsockname()[1]
        probe.close()
        address = taken.getsockname()
        with pytest.raises(ListenError, match=rf"127.0.0.1:{address[1]}: Address already in use"):
            open_listeners([("127.0.0.1", free), address])
    assert not reachable("127.0.0.1", free)


def test_a_name_that_does_not_resolve_is_an_error() -> None:
    """A wrong host name ends the start with its name."""
    with pytest.raises(ListenError, match=r"no\.such\.host\.invalid:1"):
        open_listeners([("no.such.host.invalid", 1)])
