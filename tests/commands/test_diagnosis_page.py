"""The page of the diagnosis, and the addresses of the exporters that the command asks."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable

import pytest

from exporter.build import CATALOGUE
from exporter.commands.diagnose import owners_are_known
from exporter.commands.diagnosis_text import DiagnosisPage
from exporter.diagnosis.peers import PeerUrl, peer_url
from exporter.host.clock import Clock
from exporter.installation.metrics import NODE_INFO
from exporter.ports.metrics import PORT_ATTRIBUTION, PORT_CONFLICT, PORT_HOLDER_PID, PORT_LISTENING
from exporter.scrape.base import Family
from exporter.scrape.registry import Registry
from exporter.web.messages import Request, Response

NOW = 1792752000.0
KEY = ("cm_server", "1", "15300")


class Counting:
    """A collector of a node in conflict that counts its runs."""

    name = "counting"

    def __init__(self) -> None:
        self.runs = 0

    def collect(self) -> Iterable[Family]:
        """Give the same families each time."""
        self.runs += 1
        yield NODE_INFO.family([(("1", "ogdb1", "prod", "abc"), 1)])
        yield PORT_LISTENING.family([(KEY, 0)])
        yield PORT_CONFLICT.family([((*KEY, "foreign_listener"), 1)])


def ask(registry: Registry, now: float = NOW, **headers: str) -> Response:
    """Ask for the page."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    page = DiagnosisPage(lambda: registry, lambda: now)
    return asyncio.run(page(Request("GET", "/diagnosis", names)))


@pytest.fixture
def collector() -> Counting:
    """A node in conflict."""
    return Counting()


@pytest.fixture
def registry(collector: Counting) -> Registry:
    """A registry that was scraped once, at NOW."""
    made = Registry([collector], CATALOGUE, Clock(wall=lambda: NOW))
    made.scrape(30)
    return made


def test_a_request_runs_nothing(collector: Counting, registry: Registry) -> None:
    """The page tells of the last scrape, however often it is asked for."""
    answers = [ask(registry) for _ in range(3)]
    assert collector.runs == 1
    assert {answer.status for answer in answers} == {200}
    assert b"1. OpenGaussCMPortConflict (critical; seen now)" in answers[0].body


def test_before_the_first_look_there_is_nothing_to_tell(collector: Counting) -> None:
    """An exporter that has just started says so, and still runs nothing."""
    assert ask(Registry([collector], CATALOGUE)).status == 503
    assert collector.runs == 0


def test_old_facts_are_no_all_clear(registry: Registry) -> None:
    """Where nobody scrapes, the page says how old its facts are."""
    text = ask(registry, NOW + 600).body.decode()
    assert "these facts are 600 s old" in text
    assert "600 s ago" in text


def test_programs_get_json(registry: Registry) -> None:
    """Who accepts JSON first gets JSON."""
    answer = ask(registry, accept="application/json")
    assert answer.content_type == "application/json"
    assert json.loads(answer.body)["verdict"] == "conflict"


def test_browsers_choose_the_language(registry: Registry) -> None:
    """A browser that speaks Chinese first is answered in Chinese, and caches know of it."""
    answer = ask(registry, accept_language="zh-CN,zh;q=0.9,en;q=0.8")
    assert "节点的 CM 端口被占用" in answer.body.decode()
    assert ("Vary", "Accept, Accept-Language") in answer.headers


@pytest.mark.parametrize(
    ("pid", "level", "known"),
    [(4711, "full", True), (0, "full", False), (0, "uid", True)],
)
def test_it_looks_again_for_a_process_that_it_may_see(pid: int, level: str, known: bool) -> None:
    """A holder without a pid is searched for once more, unless it is out of sight."""
    who = ("foreign", "", "", "", "", "", "127.0.0.1")
    families = [
        PORT_HOLDER_PID.family([((*KEY, *who), pid)]),
        PORT_ATTRIBUTION.family([((each,), each == level) for each in ("none", "uid", "full")]),
    ]
    assert owners_are_known(families) == known


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://10.0.0.2:19836", PeerUrl("http", "10.0.0.2", 19836, "/metrics")),
        ("https://ogdb2:19836/m", PeerUrl("https", "ogdb2", 19836, "/m")),
        ("http://[fd00::2]:19836", PeerUrl("http", "fd00::2", 19836, "/metrics")),
        ("https://ogdb2", PeerUrl("https", "ogdb2", 443, "/metrics")),
    ],
)
def test_addresses_of_exporters(text: str, url: PeerUrl) -> None:
    """The path may be left out, and the port where the scheme has one."""
    assert peer_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "ogdb2:19836",
        "ftp://ogdb2:21",
        "http://",
        "http://omm:secret@ogdb2:19836",
        "http://ogdb2:99999",
        "http://ogdb2:19836/?name[]=a",
        "http://ogdb2:19836/\r\nHost: x",
        "http://[fd00::2:19836",
    ],
)
def test_other_words_are_no_address(text: str) -> None:
    """What is not plainly an address is refused; passwords do not belong on a command line."""
    with pytest.raises(ValueError, match=r"http|password|URL"):
        peer_url(text)
