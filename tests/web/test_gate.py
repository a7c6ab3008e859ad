"""Nothing is reached past the gate, and each refusal is told and counted."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, Optional, TypeVar, Union

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.web import RateLimit, WebConfig
from exporter.scrape.metrics import Refusal
from exporter.web.gate import (
    MOST_WAITING,
    REST,
    Access,
    BasicAuthentication,
    Gate,
    PasswordChecker,
    TokenBucket,
    basic_credentials,
    make_access,
)
from exporter.web.messages import Request, Response, plain
from exporter.web.refusals import Refusals
from tests.support.web import hello

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
    door = Access(Full({}, PasswordChecker()), TokenBucket(RateLimit(0.0, 0), lambda: 0.0))
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


T = TypeVar("T")


def header(user: str, password: Union[str, bytes]) -> str:
    """Write the header that a client sends."""
    secret = password.encode() if isinstance(password, str) else password
    return "Basic " + base64.b64encode(user.encode() + b":" + secret).decode()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end."""
    return asyncio.run(work)


class Counted(PasswordChecker):
    """A checker that notes what it was asked to compare, and with ``held`` answers nothing."""

    def __init__(self, *, held: bool = False) -> None:
        super().__init__(rest=lambda _: None)
        self.hashes: list[bytes] = []
        self._held = held

    def check(self, password: bytes, hashed: bytes) -> Future[bool]:
        """Note it."""
        self.hashes.append(hashed)
        return Future() if self._held else super().check(password, hashed)


def test_the_right_password_opens_the_door() -> None:
    """And no other, nor that of another user, nor none."""
    users = {"alice": HASH, "bob": bcrypt.hashpw(b"other", bcrypt.gensalt(4))}

    async def work() -> list[Optional[bool]]:
        door = BasicAuthentication(users, Counted())
        tries = [("alice", "right"), ("alice", "wrong"), ("bob", "right"), ("alice", "")]
        return [await door.admits(header(*each)) for each in tries] + [await door.admits("")]

    assert run(work()) == [True, False, False, False, False]


def test_without_users_nobody_is_asked() -> None:
    """No users in the configuration: the door is open, at no cost."""
    checker = Counted()
    assert run(BasicAuthentication({}, checker).admits("")) is True
    assert checker.hashes == []


def test_a_password_that_was_right_is_not_checked_again() -> None:
    """A scraper costs one check, whatever wrong passwords come between its scrapes."""
    checker = Counted()

    async def work() -> list[Optional[bool]]:
        door = BasicAuthentication({"alice": HASH}, checker)
        words = ["right", "wrong", "right", "right"]
        return [await door.admits(header("alice", word)) for word in words]

    assert run(work()) == [True, False, True, True]
    assert len(checker.hashes) == 2


def test_nothing_remembered_holds_the_password() -> None:
    """What is kept of a right password cannot be read back."""

    async def work() -> BasicAuthentication:
        door = BasicAuthentication({"alice": HASH}, Counted())
        await door.admits(header("alice", "right"))
        return door

    assert run(work())._right["alice"] != b"right"
    assert b"right" not in run(work())._right["alice"]


def test_a_user_who_is_not_there_costs_what_one_who_is_does() -> None:
    """The check runs with the dearest cost in use, and no password opens it."""
    checker = Counted()
    dear = bcrypt.hashpw(b"x", bcrypt.gensalt(5))

    async def work() -> Optional[bool]:
        door = BasicAuthentication({"alice": HASH, "bob": dear}, checker)
        return await door.admits(header("mallory", "right"))

    assert run(work()) is False
    assert [hashed[:7] for hashed in checker.hashes] == [b"$2b$05$"]


def test_many_with_the_same_password_cost_one_check() -> None:
    """Fifty scrapers that come at once after a restart share one check."""
    checker = Counted()

    async def work() -> list[Optional[bool]]:
        door = BasicAuthentication({"alice": HASH}, checker)
        right = header("alice", "right")
        return await asyncio.gather(*(door.admits(right) for _ in range(50)))

    assert set(run(work())) == {True}
    assert len(checker.hashes) == 1


def test_few_checks_wait_at_once() -> None:
    """Whoever comes when the queue is full is told so at once, and has cost nothing."""
    checker = Counted(held=True)

    async def work() -> Optional[bool]:
        door = BasicAuthentication({"alice": HASH}, checker)
        tries = [asyncio.ensure_future(door.admits(header("a", str(n)))) for n in range(40)]
        done, waiting = await asyncio.wait(tries, return_when=asyncio.FIRST_COMPLETED)
        assert (len(done), len(waiting)) == (40 - MOST_WAITING, MOST_WAITING)
        for task in (*waiting, *door._running.values()):
            task.cancel()
        return done.pop().result()

    assert run(work()) is None
    assert len(checker.hashes) == MOST_WAITING


def test_a_wrong_password_is_followed_by_a_rest() -> None:
    """Who guesses gets a quarter of one core; who is right makes nobody wait."""
    rests: list[float] = []
    rested: Future[None] = Future()

    def rest(seconds: float) -> None:
        rests.append(seconds)
        rested.set_result(None)

    checker = PasswordChecker(rest)
    assert checker.check(b"right", HASH).result(30) is True
    assert rests == []
    assert checker.check(b"wrong", HASH).result(30) is False
    rested.result(30)
    assert rests[0] > 0
    assert REST / (REST + 1) == 0.75


def test_what_is_cancelled_before_its_turn_is_not_checked() -> None:
    """A client that went away costs no bcrypt."""
    gate: Future[None] = Future()
    checker = PasswordChecker(lambda _: gate.result(30))
    assert checker.check(b"wrong", HASH).result(30) is False  # the thread now rests at the gate
    second = checker.check(b"right", HASH)
    assert second.cancel()
    gate.set_result(None)
    assert checker.check(b"right", HASH).result(30) is True


def test_only_the_first_72_bytes_of_a_password_count() -> None:
    """As in every bcrypt; a longer one is no error."""
    long = b"x" * 72
    users = {"alice": bcrypt.hashpw(long, bcrypt.gensalt(4))}

    async def work() -> Optional[bool]:
        return await BasicAuthentication(users, Counted()).admits(header("alice", long + b"more"))

    assert run(work()) is True


@pytest.mark.parametrize(
    ("text", "credentials"),
    [
        (header("alice", "a:b"), ("alice", b"a:b")),
        ("basic " + header("alice", "x")[6:], ("alice", b"x")),
        ("Bearer abc", None),
        ("Basic", None),
        ("Basic !!!", None),
        ("Basic " + base64.b64encode(b"nocolon").decode(), None),
        ("Basic " + base64.b64encode(b"\xff:x").decode(), None),
        (header("x" * 257, "y"), None),
    ],
)
def test_headers_of_clients(text: str, credentials: Optional[tuple[str, bytes]]) -> None:
    """The scheme in any case, the first colon parts, and anything else is no credential."""
    assert basic_credentials(text) == credentials


@given(st.one_of(st.text(), st.binary().map(lambda raw: "Basic " + raw.decode("latin-1"))))
def test_no_header_is_an_error(text: str) -> None:
    """Whatever a client sends is read as credentials or as none."""
    assert basic_credentials(text) is None or text.lower().startswith("basic")
