"""Which page answers which request, and the page that a browser shows at ``/``."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from html import escape
from string import Template
from typing import Callable, Optional

from exporter import __version__
from exporter.scrape.exposition import render
from exporter.scrape.metrics import Refusal
from exporter.scrape.registry import Registry, Scrape
from exporter.web.messages import (
    HTML,
    TIMEOUT_HEADER,
    Handler,
    Request,
    Response,
    accepts_gzip,
    choose_format,
    omits_zeros,
    plain,
    scrape_budget,
)
from exporter.web.refusals import Refusals

_GZIP_LEVEL = 5  # a page of 3,000 series: 323 kB to 10 kB in 1 ms; higher levels win nothing
_READ = ("GET", "HEAD")
_WRITE = ("POST", "PUT")
_PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>opengauss-cm-exporter</title>
<style>body { font-family: sans-serif; margin: 3em; line-height: 1.6 }</style>
</head>
<body>
<h1>opengauss-cm-exporter</h1>
<p>Who holds the ports of this node's openGauss cluster. Version $version.</p>
<ul>
$links
</ul>
</body>
</html>
""")


@dataclass(frozen=True)
class SiteSettings:
    """What can be chosen of the pages.

    ``max_requests`` bounds the scrapes in work at once, 0 is no bound. ``reload`` applies the
    configuration anew and returns what is wrong with it, empty when nothing is; None forbids it.
    ``pages`` are further ones to read, by path. ``zero_is_none`` names the metrics of which
    ``zeros=omit`` leaves the samples that are 0 out.
    """

    telemetry_path: str
    max_requests: int
    reload: Optional[Callable[[], Awaitable[str]]] = None
    pages: Mapping[str, Handler] = field(default_factory=dict)
    zero_is_none: frozenset[str] = frozenset()


class Site:
    """Answers requests; ``registry`` is asked at each, so that a reload counts at once.

    The only query that is understood is ``zeros=omit``. There is no ``name[]``: which collectors
    run is not the client's choice.
    """

    def __init__(
        self, registry: Callable[[], Registry], settings: SiteSettings, refusals: Refusals
    ) -> None:
        self._registry = registry
        self._settings = settings
        self._refusals = refusals
        self._scrapes = 0
        self._routes: dict[str, tuple[tuple[str, ...], Handler]] = {
            "/": (_READ, self._landing),
            **{path: (_READ, page) for path, page in settings.pages.items()},
            settings.telemetry_path: (_READ, self._metrics),
            "/-/healthy": (_READ, self._healthy),
            "/-/ready": (_READ, self._ready),
            "/-/reload": (_WRITE, self._reload),
        }

    async def __call__(self, request: Request) -> Response:
        """Find the page and have it answer."""
        if request.path not in self._routes:
            return plain(404, "not found")
        methods, page = self._routes[request.path]
        if request.method not in methods:
            allowed = ", ".join(methods)
            return plain(405, f"this page takes {allowed}", ("Allow", allowed))
        return await page(request)

    async def _landing(self, _: Request) -> Response:
        links = {
            self._settings.telemetry_path: "Metrics",
            **{path: path.strip("/").capitalize() for path in self._settings.pages},
            "/-/healthy": "Healthy",
            "/-/ready": "Ready",
        }
        return Response(200, landing_page(links), HTML)

    async def _healthy(self, _: Request) -> Response:
        return plain(200, "healthy")

    async def _ready(self, _: Request) -> Response:
        waiting = self._registry().not_ready
        if waiting:
            return plain(503, f"not ready, no success yet: {', '.join(waiting)}")
        return plain(200, "ready")

    async def _reload(self, _: Request) -> Response:
        if self._settings.reload is None:
            return plain(403, "not allowed; start with --web.enable-lifecycle")
        problem = await self._settings.reload()
        if problem:
            return plain(500, f"the old configuration stays in force:\n{problem}")
        return plain(200, "reloaded")

    async def _metrics(self, request: Request) -> Response:
        limit = self._settings.max_requests
        if limit and self._scrapes >= limit:
            self._refusals.add(Refusal.REQUEST_LIMIT, request.peer)
            return plain(503, f"limit of concurrent requests reached ({limit}), try again later")
        self._scrapes += 1
        try:
            budget = scrape_budget(request.headers.get(TIMEOUT_HEADER))
            scrape = self._registry().begin(budget)
            await settled(scrape)
        finally:
            self._scrapes -= 1
        return self._page(scrape, request)

    def _page(self, scrape: Scrape, request: Request) -> Response:
        """Write what the collectors gave in the form that the client asked for."""
        style = choose_format(request.headers.get("accept", ""))
        omitted = self._settings.zero_is_none if omits_zeros(request.query) else frozenset()
        body = render(scrape.families(), style, omitted)
        headers = [("Vary", "Accept, Accept-Encoding")]
        if accepts_gzip(request.headers.get("accept-encoding", "")):
            body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
            headers.append(("Content-Encoding", "gzip"))
        return Response(200, body, style.value, tuple(headers))


async def settled(scrape: Scrape) -> None:
    """Wait until all collectors are done or the scrape's time is over.

    The loop is woken once, by the last of them, as long as none is slow.
    """
    done = asyncio.wrap_future(scrape.done)
    try:
        while seconds := scrape.next_wait():
            await asyncio.wait({done}, timeout=seconds)
    finally:
        done.cancel()  # a run that hung may end when this loop is closed


def landing_page(links: Mapping[str, str]) -> bytes:
    """Write the page with a link for each path; paths and texts are escaped."""
    items = (
        f'<li><a href="{escape(path)}">{escape(text)}</a></li>' for path, text in links.items()
    )
    return _PAGE.substitute(version=escape(__version__), links="\n".join(items)).encode()
