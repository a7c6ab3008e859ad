"""What every request passes before it reaches a page: the rate limit, then who asks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Callable, Optional

from exporter.config.web_facts import RateLimit, WebConfig
from exporter.scrape.facts import Refusal
from exporter.web.connection import Handler
from exporter.web.messages import Request, Response, plain
from exporter.web.passwords import BasicAuthentication, PasswordChecker
from exporter.web.refusals import Refusals
from exporter.web.tls import Tls, make_tls

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
    """Answers in the place of ``pages`` whoever may not reach them.

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
