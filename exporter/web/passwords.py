"""HTTP's basic authentication against bcrypt hashes.

bcrypt is slow on purpose, so strangers could keep a database host busy with wrong passwords.
Therefore: one thread does all checks, it rests after a wrong one, few checks may wait for it, and
a password that was right is remembered (as a keyed digest, never itself). A user who is not there
costs as much as one who is.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import secrets
import time
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Callable, Optional

import bcrypt

from exporter.host.worker import Worker

MOST_WAITING = 16
REST = 3.0
"""Rest after a wrong password, as a multiple of what its check took: a quarter of one core."""

_LONGEST_PASSWORD = 72  # bytes; bcrypt has never looked at more, and refuses more today
_LONGEST_NAME = 256


class PasswordChecker:
    """Compares passwords with hashes, one after the other, in a thread of its own."""

    def __init__(self, rest: Callable[[float], None] = time.sleep) -> None:
        self._rest = rest
        self._worker = Worker("passwords")

    def check(self, password: bytes, hashed: bytes) -> Future[bool]:
        """Begin to compare; what is cancelled before its turn costs nothing."""
        result: Future[bool] = Future()
        self._worker.submit(lambda: self._compare(password, hashed, result))
        return result

    def _compare(self, password: bytes, hashed: bytes, result: Future[bool]) -> None:
        if not result.set_running_or_notify_cancel():
            return
        began = time.thread_time()
        matches = _matches(password, hashed)
        result.set_result(matches)
        if not matches:
            self._rest(REST * (time.thread_time() - began))


class BasicAuthentication:
    """Knows the users; for the server's loop only. Without users everybody is admitted."""

    def __init__(self, users: Mapping[str, bytes], checker: PasswordChecker) -> None:
        self._users = dict(users)
        self._checker = checker
        self._secret = secrets.token_bytes(32)
        self._right: dict[str, bytes] = {}
        self._running: dict[bytes, asyncio.Task[bool]] = {}
        costs = [hashed[4:6] for hashed in self._users.values()]
        self._nobodys = b"$2b$" + max(costs, default=b"10") + b"$" + b"." * 53

    async def admits(self, authorization: str) -> Optional[bool]:
        """Tell whether this ``Authorization`` header opens the door; None: too many ask at once."""
        if not self._users:
            return True
        given = basic_credentials(authorization)
        if given is None:
            return False
        user, password = given
        digest = hmac.digest(self._secret, f"{len(user)}:{user}".encode() + password, "sha256")
        if hmac.compare_digest(self._right.get(user, b""), digest):
            return True
        running = self._running.get(digest)
        if running is None:
            if len(self._running) >= MOST_WAITING:
                return None
            running = asyncio.ensure_future(self._check(user, password, digest))
            self._running[digest] = running
            running.add_done_callback(lambda _: self._running.pop(digest))
        return await asyncio.shield(running)  # others may wait for the same check

    async def _check(self, user: str, password: bytes, digest: bytes) -> bool:
        known = user in self._users
        hashed = self._users.get(user, self._nobodys)
        matches = await asyncio.wrap_future(self._checker.check(password, hashed))
        if not (matches and known):
            return False
        self._right[user] = digest
        return True


def basic_credentials(authorization: str) -> Optional[tuple[str, bytes]]:
    """Read name and password; None when the header has another form."""
    scheme, _, encoded = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True)
        name, colon, password = decoded.partition(b":")
        user = name.decode()
    except (binascii.Error, ValueError):
        return None
    if not colon or len(user) > _LONGEST_NAME:
        return None
    return user, password[:_LONGEST_PASSWORD]


def _matches(password: bytes, hashed: bytes) -> bool:
    try:
        return bcrypt.checkpw(password, hashed)
    except ValueError:  # a NUL, in some versions
        return False
