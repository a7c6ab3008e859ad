"""Basic authentication: who is admitted, what it costs, and what strangers can learn."""

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

from exporter.web.passwords import (
    MOST_WAITING,
    REST,
    BasicAuthentication,
    PasswordChecker,
    basic_credentials,
)

T = TypeVar("T")
CHEAP = bcrypt.hashpw(b"right", bcrypt.gensalt(4))


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
    users = {"alice": CHEAP, "bob": bcrypt.hashpw(b"other", bcrypt.gensalt(4))}

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
        door = BasicAuthentication({"alice": CHEAP}, checker)
        words = ["right", "wrong", "right", "right"]
        return [await door.admits(header("alice", word)) for word in words]

    assert run(work()) == [True, False, True, True]
    assert len(checker.hashes) == 2


def test_nothing_remembered_holds_the_password() -> None:
    """What is kept of a right password cannot be read back."""

    async def work() -> BasicAuthentication:
        door = BasicAuthentication({"alice": CHEAP}, Counted())
        await door.admits(header("alice", "right"))
        return door

    assert run(work())._right["alice"] != b"right"
    assert b"right" not in run(work())._right["alice"]


def test_a_user_who_is_not_there_costs_what_one_who_is_does() -> None:
    """The check runs with the dearest cost in use, and no password opens it."""
    checker = Counted()
    dear = bcrypt.hashpw(b"x", bcrypt.gensalt(5))

    async def work() -> Optional[bool]:
        door = BasicAuthentication({"alice": CHEAP, "bob": dear}, checker)
        return await door.admits(header("mallory", "right"))

    assert run(work()) is False
    assert [hashed[:7] for hashed in checker.hashes] == [b"$2b$05$"]


def test_many_with_the_same_password_cost_one_check() -> None:
    """Fifty scrapers that come at once after a restart share one check."""
    checker = Counted()

    async def work() -> list[Optional[bool]]:
        door = BasicAuthentication({"alice": CHEAP}, checker)
        right = header("alice", "right")
        return await asyncio.gather(*(door.admits(right) for _ in range(50)))

    assert set(run(work())) == {True}
    assert len(checker.hashes) == 1


def test_few_checks_wait_at_once() -> None:
    """Whoever comes when the queue is full is told so at once, and has cost nothing."""
    checker = Counted(held=True)

    async def work() -> Optional[bool]:
        door = BasicAuthentication({"alice": CHEAP}, checker)
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
    assert checker.check(b"right", CHEAP).result(30) is True
    assert rests == []
    assert checker.check(b"wrong", CHEAP).result(30) is False
    rested.result(30)
    assert rests[0] > 0
    assert REST / (REST + 1) == 0.75


def test_what_is_cancelled_before_its_turn_is_not_checked() -> None:
    """A client that went away costs no bcrypt."""
    gate: Future[None] = Future()
    checker = PasswordChecker(lambda _: gate.result(30))
    assert checker.check(b"wrong", CHEAP).result(30) is False  # the thread now rests at the gate
    second = checker.check(b"right", CHEAP)
    assert second.cancel()
    gate.set_result(None)
    assert checker.check(b"right", CHEAP).result(30) is True


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
