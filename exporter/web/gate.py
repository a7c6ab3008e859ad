"""What every request passes before it reaches a page: the rate limit, then who asks.

Users are known by HTTP's basic authentication against bcrypt hashes. bcrypt is slow on purpose, so
strangers could keep a database host busy with wrong passwords. Therefore one thread does all
checks, it rests after a wrong one, few checks may wait for it, and a password that was right is
remembered (as a keyed digest, never itself). A user who is not there costs as much as one who is.
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
from dataclasses import dataclass, replace
from typing import Callable, Optional

import bcrypt

from exporter.config.web import RateLimit, WebConfig
from exporter.host.worker import Worker
from exporter.scrape.metrics import Refusal
from exporter.web.messages import Handler, Request, Response, plain
from exporter.web.refusals import Refusals
from exporter.web.tls import Tls, make_tls

MOST_WAITING = 16
REST = 3.0
"""Rest after a wrong password, as a multiple of what its check took: a quarter of one core."""

_LONGEST_PASSWORD = 72  # bytes; bcrypt has never looked at more, and refuses more today
_LONGEST_NAME = 256
_CHALLENGE = ("WWW-Authenticate", 'Basic realm="opengauss-cm-exporter", charset="UTF-8"')


class TokenBucket:
    """Lets a burst through, then one request each interval; an interval of 0 is no limit."""

    def __init__(self, limit: RateLimit, monotonic: Callable[[], float]) -> None:
        self._limit = limit
        self._monotonic = monotonic
        self._tokens = float(limit.burst)
        self._filled_at = monotonic()

    def take(self) -> bool:
        """Take one token; False when there is none."""
        if not self._limit.interval:
            return True
        now = self._monotonic()
        gained = (now - self._filled_at) / self._limit.interval
        self._tokens = min(float(self._limit.burst), self._tokens + gained)
        self._filled_at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class PasswordChecker:
    """Compares passwords with hashes, one after the other, in a thread of its own."""

    def __init__(self, rest: Callable[[float], None] = time.sleep) -> None:
        self._rest = rest
        self._owed = 0.0  # seconds of rest
        self._worker = Worker("passwords")

    def check(self, password: bytes, hashed: bytes) -> Future[bool]:
        """Begin to compare; what is cancelled before its turn costs nothing."""
        result = self._worker.submit(lambda: self._compare(password, hashed))
        self._worker.submit(self._rest_if_wrong)
        return result

    def _compare(self, password: bytes, hashed: bytes) -> bool:
        began = time.thread_time()
        matches = _matches(password, hashed)
        self._owed = 0.0 if matches else REST * (time.thread_time() - began)
        return matches

    def _rest_if_wrong(self) -> None:
        owed, self._owed = self._owed, 0.0
        if owed:
            self._rest(owed)


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
        """Tell whether this ``Authorization`` header is right; None when too many are checked."""
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
        hashed = self._users.get(user, self._nobodys)
        matches = await asyncio.wrap_future(self._checker.check(password, hashed))
        if not matches or user not in self._users:
            return False
        self._right[user] = digest
        return True


@dataclass(frozen=True)
class Access:
    """One web configuration at work."""

    authentication: BasicAuthentication
    bucket: TokenBucket
    headers: tuple[tuple[str, str], ...] = ()
    tls: Optional[Tls] = None


def make_access(
    config: WebConfig, checker: PasswordChecker, monotonic: Callable[[], float]
) -> Access:
    """Put a configuration to work; raises OSError or ValueError when TLS files are bad."""
    return Access(
        BasicAuthentication(config.users, checker),
        TokenBucket(config.rate_limit, monotonic),
        config.headers,
        make_tls(config.tls) if config.tls else None,
    )


class Gate:
    """Passes on to ``pages`` the requests that may reach them, and answers the others itself.

    ``access`` is asked at each request, so that a change counts from the next one.
    """

    def __init__(self, pages: Handler, access: Callable[[], Access], refusals: Refusals) -> None:
        self._pages = pages
        self._access = access
        self._refusals = refusals

    async def __call__(self, request: Request) -> Response:
        """Answer; the configured headers are on every answer."""
        access = self._access()
        response = await self._refusal(access, request) or await self._pages(request)
        return replace(response, headers=(*access.headers, *response.headers))

    async def _refusal(self, access: Access, request: Request) -> Optional[Response]:
        if not access.bucket.take():
            self._refusals.add(Refusal.RATE_LIMIT, request.peer)
            return plain(429, "too many requests")
        admitted = await access.authentication.admits(request.headers.get("authorization", ""))
        if admitted is None:
            self._refusals.add(Refusal.REQUEST_LIMIT, request.peer, "passwords to check")
            return plain(503, "too many passwords to check, try again later")
        if not admitted:
            self._refusals.add(Refusal.UNAUTHORIZED, request.peer)
            return plain(401, "unauthorized", _CHALLENGE)
        return None


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
