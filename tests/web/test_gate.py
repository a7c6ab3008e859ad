"""Nothing is reached past the gate, and each refusal is told and counted."""

from __future__ import annotations

import asyncio
from typing import Optional

import bcrypt
import pytest

from exporter.config.web_facts import RateLimit, WebConfig
from exporter.scrape.facts import Refusal
from exporter.web.gate import Access, Gate, TokenBucket, make_access
from exporter.web.messages import Request, Response, plain
from exporter.web.passwords import BasicAuthentication, PasswordChecker
from exporter.web.refusals import Refusals
from tests.support.web import hello
from tests.web.test_passwords import header

HASH = bcrypt.hashpw(b"right", bcrypt.gensalt(4))


class Entrance:
    """A gate with a configuration and a clock of the test's own."""

    def __init__(self, config: WebConfig) -> None:
        self.now = 0.0
        self.refusals = Refusals(lambda: self.now)
        access = make_access(config, PasswordChecker(lambda _: None), lambda: self.now)
        self._gate = Gate(hello, lambda: access, self.refusals)

    def ask(self, path: str = "/x", authorization: str = "", method: str = "GET") -> Response:
        """Ask for a page."""
        headers = {"authorization": authorization} if authorization else {}
        return asyncio.run(self._answer(Request(method, path, headers)))

    async def _answer(self, request: Request) -> Response:
        return await self._gate(request)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/metrics"),
        ("GET", "/"),
        ("GET", "/-/healthy"),
        ("GET", "/-/ready"),
        ("POST", "/-/reload"),
        ("GET", "/diagnosis"),
        ("GET", "/nowhere"),
    ],
)
def test_every_path_asks_who_is_there(method: str, path: str) -> None:
    """Without a password nobody learns even which pages there are."""
    entrance = Entrance(WebConfig(users={"alice": HASH}))
    refused = entrance.ask(path, method=method)
    assert refused.status == 401
    assert refused.body == b"unauthorized\n"
    assert dict(refused.headers)["WWW-Authenticate"].startswith("Basic realm=")
    assert entrance.refusals.counts[Refusal.UNAUTHORIZED] == 1
    admitted = entrance.ask(path, header("alice", "right"), method)
    assert admitted.body == f"{method} {path}\n".encode()


def test_too_many_password_checks_are_a_503() -> None:
    """A full queue asks the client to come again, and says which limit it was."""

    class Full(BasicAuthentication):
        async def admits(self, authorization: str) -> Optional[bool]:
            del authorization
            return None

    refusals = Refusals(lambda: 0.0)
    door = Access(Full({}, PasswordChecker()), TokenBucket(RateLimit(), lambda: 0.0))
    answer = asyncio.run(_ask(Gate(hello, lambda: door, refusals)))
    assert answer.status == 503
    assert refusals.counts[Refusal.REQUEST_LIMIT] == 1


async def _ask(gate: Gate) -> Response:
    return await gate(Request("GET", "/x"))


def test_configured_headers_are_on_every_answer() -> None:
    """Also on a refusal; one that we set anyway is replaced, not repeated."""
    wanted = (("X-Frame-Options", "sameorigin"), ("Strict-Transport-Security", "max-age=1"))
    entrance = Entrance(WebConfig(users={"alice": HASH}, headers=wanted))
    for answer in (entrance.ask(), entrance.ask(authorization=header("alice", "right"))):
        names = [name.lower() for name, _ in answer.all_headers]
        assert len(set(names)) == len(names)
        assert set(wanted) <= set(answer.all_headers)
        assert ("X-Content-Type-Options", "nosniff") in answer.all_headers


def test_the_rate_limit_is_a_bucket_of_tokens() -> None:
    """A burst passes, the next request is refused, and time fills the bucket again."""
    entrance = Entrance(WebConfig(rate_limit=RateLimit(interval=2.0, burst=2)))
    assert [entrance.ask().status for _ in range(3)] == [200, 200, 429]
    assert entrance.refusals.counts[Refusal.RATE_LIMIT] == 1
    entrance.now = 1.9
    assert entrance.ask().status == 429
    entrance.now = 2.0
    assert entrance.ask().status == 200
    entrance.now = 1000.0
    assert [entrance.ask().status for _ in range(3)] == [200, 200, 429]


def test_no_interval_is_no_limit() -> None:
    """The format's 0 switches the limit off."""
    entrance = Entrance(WebConfig(rate_limit=RateLimit(0.0, 1)))
    assert {entrance.ask().status for _ in range(50)} == {200}


def test_a_pages_own_header_replaces_the_default() -> None:
    """One header of a name, whatever its case."""
    answer = plain(200, "x", ("cache-control", "max-age=1"))
    assert [value for name, value in answer.all_headers if name.lower() == "cache-control"] == [
        "max-age=1"
    ]
