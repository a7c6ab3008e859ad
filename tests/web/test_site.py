"""Which page answers what, and how a scrape is cut to the client's measure."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Optional

import pytest

from exporter.build import ZERO_IS_NONE
from exporter.cluster.metrics import CLUSTER_PAUSED, CLUSTER_STATE
from exporter.host.clock import Clock
from exporter.scrape.metrics import Refusal
from exporter.scrape.registry import Registry
from exporter.web.messages import Request, Response, plain
from exporter.web.refusals import Refusals
from exporter.web.site import Site, SiteSettings
from tests.support.collectors import PATIENCE_SECONDS, Fixed, Hanging, catalogue, gauge
from tests.support.exposition import parse_openmetrics
from tests.support.promtool import check_metrics

STATES_AND_FLAG = (
    CLUSTER_STATE.family([(("Normal",), 1.0), (("Degraded",), 0.0)]),
    CLUSTER_PAUSED.single(0.0),
)
SETTINGS = SiteSettings("/metrics", max_requests=40)
READ_ONLY = ("/", "/metrics", "/-/healthy", "/-/ready")


class Harness:
    """A site over collectors of the test; ``ask`` runs one request to its answer."""

    def __init__(
        self,
        *collectors: Fixed,
        settings: SiteSettings = SETTINGS,
        names: Sequence[str] = ("a", "b"),
    ) -> None:
        self.registry = Registry(collectors, catalogue(*names))
        self.refusals = Refusals(time.monotonic)
        self.site = Site(lambda: self.registry, settings, self.refusals)

    def ask(
        self,
        path: str,
        method: str = "GET",
        headers: Optional[Mapping[str, str]] = None,
        query: str = "",
    ) -> Response:
        """Run one request."""
        return asyncio.run(self._ask(Request(method, path, headers or {}, "peer", query)))

    async def _ask(self, request: Request) -> Response:
        return await asyncio.wait_for(self.site(request), PATIENCE_SECONDS)


@pytest.fixture
def harness() -> Harness:
    """A site with one collector that works."""
    return Harness(Fixed("one", gauge("a", 7)))


def test_metrics_in_the_format_that_was_asked_for(harness: Harness) -> None:
    """Text unless OpenMetrics is asked for, each with its own Content-Type."""
    text = harness.ask("/metrics")
    assert text.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert b"\na 7.0\n" in text.body
    check_metrics(text.body)
    wanted = {"accept": "application/openmetrics-text;version=1.0.0"}
    openmetrics = harness.ask("/metrics", headers=wanted)
    assert openmetrics.content_type == (
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    )
    families = list(parse_openmetrics(openmetrics.body.decode()))
    assert families[0].samples[0].value == 7


def test_metrics_are_compressed_for_who_takes_it(harness: Harness) -> None:
    """Compression only on request, and caches are told what the answer depends on."""
    plain_text = harness.ask("/metrics")
    packed = harness.ask("/metrics", headers={"accept-encoding": "gzip"})
    assert ("Content-Encoding", "gzip") in packed.headers
    assert b"a 7.0" in gzip.decompress(packed.body)
    for answer in (plain_text, packed):
        assert ("Vary", "Accept, Accept-Encoding") in answer.headers


def test_zeros_that_say_nothing_are_left_out_for_who_asks() -> None:
    """Of states and of times that never were what is true stays; every other zero stays, too."""
    states, flag = CLUSTER_STATE.name, CLUSTER_PAUSED.name
    one = Fixed("one", *STATES_AND_FLAG)
    harness = Harness(
        one, names=(states, flag), settings=replace(SETTINGS, zero_is_none=ZERO_IS_NONE)
    )
    omitted = harness.ask("/metrics", query="zeros=omit")
    check_metrics(omitted.body)
    assert f'{states}{{state="Normal"}} 1.0\n' in omitted.body.decode()
    assert f'{states}{{state="Degraded"}}' not in omitted.body.decode()
    assert f"\n{flag} 0.0\n" in omitted.body.decode()
    for query in ("", "zeros=all", "zeros=omitted", "name[]=a"):
        whole = harness.ask("/metrics", query=query).body.decode()
        assert f'{states}{{state="Degraded"}} 0.0\n' in whole


def test_the_scrape_timeout_is_honoured() -> None:
    """A collector that would exceed the client's time is left out, the rest is served."""
    hung = Hanging("hung", gauge("b"))
    harness = Harness(hung, Fixed("one", gauge("a")))
    began = time.monotonic()
    answer = harness.ask("/metrics", headers={"x-prometheus-scrape-timeout-seconds": "0.2"})
    assert time.monotonic() - began < 9.0
    assert b"\na 1.0\n" in answer.body
    assert b'collector_success{collector="hung"} 0.0\n' in answer.body
    hung.release.set()


@pytest.mark.parametrize("path", READ_ONLY)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "get", ""])
def test_pages_are_read_only(harness: Harness, path: str, method: str) -> None:
    """Every method but GET and HEAD is told which ones there are."""
    answer = harness.ask(path, method)
    assert (answer.status, dict(answer.headers)) == (405, {"Allow": "GET, HEAD"})


@pytest.mark.parametrize("path", ["/nope", "", "*", "/metrics/", "/METRICS", "//metrics"])
def test_other_paths_are_not_found(harness: Harness, path: str) -> None:
    """What is not a page is none."""
    assert harness.ask(path).status == 404


def test_the_telemetry_path_can_be_chosen() -> None:
    """The metrics move, and the landing page links to where they are, escaped."""
    settings = replace(SETTINGS, telemetry_path='/m"<x>')
    harness = Harness(Fixed("one"), settings=settings)
    assert harness.ask("/metrics").status == 404
    assert harness.ask('/m"<x>').status == 200
    landing = harness.ask("/")
    assert landing.content_type == "text/html; charset=utf-8"
    assert b'<a href="/m&quot;&lt;x&gt;">' in landing.body


def test_the_landing_page_names_version_and_pages() -> None:
    """A browser finds its way, pages that were added included."""

    async def report(_: Request) -> Response:
        return plain(200, "report")

    harness = Harness(Fixed("one"), settings=replace(SETTINGS, pages={"/diagnosis": report}))
    body = harness.ask("/").body.decode()
    assert "Version 0.9.0" in body
    for path in ("/metrics", "/diagnosis", "/-/healthy", "/-/ready"):
        assert f'href="{path}"' in body
    assert harness.ask("/diagnosis").body == b"report\n"


def test_ready_means_that_every_collector_worked_once() -> None:
    """Until then the page names those that have not."""
    late = Fixed("late", gauge("b"), error=OSError("no"))
    harness = Harness(Fixed("one", gauge("a")), late)
    assert harness.ask("/-/healthy").status == 200
    assert harness.ask("/-/ready").status == 503
    harness.ask("/metrics")
    answer = harness.ask("/-/ready")
    assert (answer.status, answer.body) == (503, b"not ready, no success yet: late\n")
    late.error = None
    harness.ask("/metrics")
    assert harness.ask("/-/ready").status == 200


def test_reload_is_refused_unless_it_was_allowed(harness: Harness) -> None:
    """403 for who asks properly, 405 for who merely looks."""
    assert harness.ask("/-/reload", "POST").status == 403
    assert harness.ask("/-/reload", "PUT").status == 403
    assert harness.ask("/-/reload", "GET").status == 405


@pytest.mark.parametrize(
    ("problem", "status", "body"),
    [
        ("", 200, b"reloaded\n"),
        ("line 3: no", 500, b"the old configuration stays in force:\nline 3: no\n"),
    ],
)
def test_reload_tells_how_it_went(problem: str, status: int, body: bytes) -> None:
    """A configuration that does not hold is an error with everything that is wrong with it."""

    async def reload() -> str:
        return problem

    harness = Harness(Fixed("one"), settings=replace(SETTINGS, reload=reload))
    answer = harness.ask("/-/reload", "POST")
    assert (answer.status, answer.body) == (status, body)
    assert harness.ask("/-/reload", "GET").status == 405


def test_more_scrapes_than_allowed_are_told_to_come_back() -> None:
    """Over the limit there is a 503 at once, counted; below it, or without one, never."""
    hung = Hanging("hung", gauge("a"))
    harness = Harness(hung, settings=replace(SETTINGS, max_requests=2))

    async def crowd() -> list[int]:
        waiting = [
            asyncio.ensure_future(harness.site(Request("GET", "/metrics"))) for _ in range(2)
        ]
        await asyncio.sleep(0)
        over = await harness.site(Request("GET", "/metrics"))
        healthy = await harness.site(Request("GET", "/-/healthy"))
        hung.release.set()
        done = [(await each).status for each in waiting]
        after = await harness.site(Request("GET", "/metrics"))
        return [over.status, healthy.status, *done, after.status]

    assert asyncio.run(crowd()) == [503, 200, 200, 200, 200]
    assert harness.refusals.counts[Refusal.REQUEST_LIMIT] == 1


def test_no_limit_is_no_limit() -> None:
    """``--web.max-requests=0`` never refuses, and the scrapes share one run."""
    hung = Hanging("hung", gauge("a"))
    harness = Harness(hung, settings=replace(SETTINGS, max_requests=0))

    async def crowd() -> set[int]:
        waiting = [
            asyncio.ensure_future(harness.site(Request("GET", "/metrics"))) for _ in range(200)
        ]
        await asyncio.sleep(0)
        hung.release.set()
        return {(await each).status for each in waiting}

    assert asyncio.run(crowd()) == {200}
    assert hung.runs == 1


def test_a_reload_counts_from_the_next_request(harness: Harness) -> None:
    """The site asks for the registry each time."""
    harness.registry = Registry([Fixed("new", gauge("b"))], catalogue("b"), Clock())
    assert b'collector_success{collector="new"} 1.0' in harness.ask("/metrics").body
