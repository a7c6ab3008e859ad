"""Whatever bytes come in, the server answers in HTTP or hangs up, and lives."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.web import ServedSite, read_all

GOOD = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"
METHODS = st.sampled_from([b"GET", b"HEAD", b"POST", b"CONNECT", b"get", b""])
TARGETS = st.sampled_from([b"/x", b"*", b"http://[::1]/", b"http://", b"/?", b"", b"/\xff"])
VERSIONS = st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b""])
HEADERS = st.sampled_from(
    [
        b"Host: h",
        b"Host: h",
        b"Content-Length: 5",
        b"Content-Length: -1",
        b"Content-Length: 99999999999999999999",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: chunked, gzip",
        b"Expect: 100-continue",
        b"Upgrade: h2c",
        b"Connection: upgrade",
        b"Connection: close",
        b" folded",
        b"X: \x00",
    ]
)
BODIES = st.sampled_from(
    [b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"ffffffffffffffff\r\n", b"5;x=y\r\nhell"]
)
END = b"\r\n"


def written(head: tuple[bytes, bytes, bytes], headers: list[bytes], body: bytes) -> bytes:
    """Write something like a request."""
    return END.join([b" ".join(head), *headers, b"", body])


REQUESTS = st.builds(
    written,
    st.tuples(METHODS, TARGETS, VERSIONS),
    st.lists(HEADERS, max_size=4).map(lambda headers: [b"Host: h", *headers]),
    BODIES,
)
RUBBISH = st.lists(st.one_of(REQUESTS, st.just(GOOD), st.binary(max_size=40)), max_size=5).map(
    b"".join
)


@pytest.fixture(scope="module")
def site() -> Iterator[ServedSite]:
    """One server for all of it."""
    with ServedSite() as served:
        yield served


def answer_to(site: ServedSite, data: bytes) -> bytes:
    """Send bytes and the end of them; returns all that comes back."""
    with site.connect() as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return read_all(client)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RUBBISH)
def test_rubbish_is_answered_in_http_or_not_at_all(site: ServedSite, data: bytes) -> None:
    """No bytes bring anything but an HTTP answer, and the next client is served."""
    answer = answer_to(site, data)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 ")
    assert b"HTTP/1.1 500" not in answer
    assert answer_to(site, GOOD).startswith(b"HTTP/1.1 200 OK\r\n")
