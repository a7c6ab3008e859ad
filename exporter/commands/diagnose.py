"""The diagnosis' part of the composition root: from pages to the command's report."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from http import HTTPStatus
from typing import BinaryIO, Callable, NamedTuple, Optional, Union
from urllib.parse import urlsplit

from exporter import logsetup
from exporter.build import CATALOGUE, build, make_runtime
from exporter.commands import diagnosis_text as report
from exporter.commands.once import look
from exporter.commands.output import write_out
from exporter.commands.targets import EXPORTER_PORT_FLAG, address_of, exporter_port
from exporter.config import Config
from exporter.diagnosis.diagnose import diagnose
from exporter.diagnosis.findings import Diagnosis, Verdict
from exporter.diagnosis.page import PREFIX, Page, Sample, Shape, Silent, parse_page
from exporter.diagnosis.peers import TIMEOUT_SECONDS, PeerAccess, Peers, PeerUrl
from exporter.errors import ParseError, SourceError, UsageError
from exporter.installation.facts import Installation
from exporter.installation.static_config import StaticNode
from exporter.options import Flag, Options, Values, absolute_path, one_of
from exporter.ports.facts import Endpoint
from exporter.ports.metrics import PORT_ATTRIBUTION, PORT_HOLDER_PID, PORT_LISTENING
from exporter.scrape.base import Family, Kind
from exporter.scrape.registry import Registry
from exporter.web.messages import Request, Response, plain
from exporter.wiring.installation import look_for_installation

STATUS = {Verdict.NONE: os.EX_OK, Verdict.CONFLICT: 1, Verdict.CANNOT_TELL: 2}
"""The command's exit status."""
_GRACE_SECONDS = 1.0
JSON = "application/json"
_PORTS = {"http": 80, "https": 443}
PAGE_SHAPES = {
    metric.name: Shape(
        frozenset(metric.labels), {name: frozenset(some) for name, some in metric.values.items()}
    )
    for metric in CATALOGUE
    if metric.name.startswith(PREFIX) and metric.kind is Kind.GAUGE
}
"""What is taken from other nodes' pages, and how it must look."""


def peer_url(text: str) -> PeerUrl:
    """Read the address of an exporter; raises ValueError."""
    try:
        parts = urlsplit(text)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from None
    if "@" in parts.netloc:
        raise ValueError("a password has no place here; see --node.username, --node.password-file")
    odd = parts.query or not text.isprintable() or " " in text
    if parts.scheme not in _PORTS or not port or not parts.hostname or odd:
        raise ValueError(f"{text!r} is not http[s]://HOST:PORT[/PATH]")
    return PeerUrl(parts.scheme, parts.hostname, port, parts.path or "/metrics")


FLAGS = (
    Flag("format", "text or json.", "FORMAT", one_of("text", "json"), "text"),
    Flag("lang", "en or zh.", "LANGUAGE", one_of(*report.LANGUAGES), report.LANGUAGES[0]),
    Flag(
        "node",
        "Judge this exporter's page, too: http[s]://HOST:PORT[/PATH]; may be given several times.",
        "URL",
        peer_url,
        repeat=True,
    ),
    Flag("all-nodes", "Judge all nodes of the static config together."),
    EXPORTER_PORT_FLAG,
    Flag("node.scheme", "How --all-nodes asks: http or https.", "SCHEME", one_of(*_PORTS), "http"),
    Flag("node.ca-file", "Who signs the exporters' certificates.", "FILE", absolute_path),
    Flag("node.cert-file", "The certificate to show to the exporters.", "FILE", absolute_path),
    Flag("node.key-file", "Its key, where it is not in the same file.", "FILE", absolute_path),
    Flag("node.username", "The user for the exporters' basic auth.", "NAME"),
    Flag("node.password-file", "Where the user's password stands.", "FILE", absolute_path),
)


class _Other(NamedTuple):
    """Another node's exporter, and what it is called."""

    name: str
    url: PeerUrl


@dataclass(frozen=True)
class _Others:
    """The nodes to ask, those that cannot be asked, and the answers to come."""

    nodes: tuple[_Other, ...]
    silent: tuple[Silent, ...]
    answers: Sequence[Future[Union[str, SourceError]]]


def diagnose_command(
    look: Callable[[], tuple[Family, ...]],
    wall: Callable[[], float],
    options: Options,
    config: Config,
    values: Values,
    stream: BinaryIO,
) -> int:
    """Look once at this node and at the others that the flags name; returns the exit status.

    ``wall`` is the clock in seconds since the epoch.
    """
    others = _ask(options, config, values)
    own = own_page(look(), wall())
    wait(others.answers, timeout=TIMEOUT_SECONDS + _GRACE_SECONDS)
    pages, silent = _answers(others, wall())
    if any(own.all(PORT_LISTENING.name)) or not (pages or silent):
        pages.insert(0, own)
    return _tell(diagnose(pages, silent, wall()), values, stream)


class DiagnosisPage:
    """The page ``/diagnosis``: what the last finished runs of the collectors mean.

    It runs nothing. JSON to who accepts only that, Chinese to who asks for it first. ``wall`` is
    the clock in seconds since the epoch.
    """

    def __init__(self, registry: Callable[[], Registry], wall: Callable[[], float]) -> None:
        self._registry = registry
        self._wall = wall

    async def __call__(self, request: Request) -> Response:
        """Judge and write."""
        latest = self._registry().latest()
        if not latest.taken_at:
            return plain(HTTPStatus.SERVICE_UNAVAILABLE, "no look at this node is finished yet")
        page = own_page(latest.families, latest.taken_at)
        diagnosis = diagnose([page], [], self._wall())
        chinese = request.headers.get("accept-language", "").lower().startswith("zh")
        language = "zh" if chinese else "en"
        vary = (("Vary", "Accept, Accept-Language"),)
        if request.headers.get("accept", "").startswith(JSON):
            body = report.as_json(diagnosis, language)
            return Response(HTTPStatus.OK, body.encode("utf-8", "replace"), JSON, vary)
        body = report.as_text(diagnosis, language)
        return Response(HTTPStatus.OK, body.encode("utf-8", "replace"), headers=vary)


def owners_are_known(families: Iterable[Family]) -> bool:
    """Tell whether another look could not find a holder's process: the search goes on then.

    On a busy host one look's time may not do for it.
    """
    page = own_page(families, 0.0)
    unknown = any(sample.value == 0 for sample in page.all(PORT_HOLDER_PID.name))
    return not (unknown and any(page.true(PORT_ATTRIBUTION.name, level="full")))


def own_page(families: Iterable[Family], taken_at: float) -> Page:
    """Take the samples of this exporter's own families."""
    samples = (Sample(s.name, s.labels, s.value) for each in families for s in each.samples)
    return Page.of("", taken_at, samples)


def _ask(options: Options, config: Config, values: Values) -> _Others:
    """Begin to ask the other nodes; raises UsageError, and SourceError for unusable files."""
    nodes = [_Other(str(url), url) for url in values["node"] or ()]
    silent: list[Silent] = []
    if not nodes and not values["all-nodes"]:
        return _Others((), (), ())
    found, endpoints = look_for_installation(options, config)
    if values["all-nodes"]:
        port = exporter_port(options, values)
        for node in _other_members(found):
            url = _url_of(node, port, options, values)
            nodes += [_Other(f"{node.name} ({url})", url)] if url else []
            silent += [] if url else [Silent(node.name, "no address")]
        silent += [] if found.static else [Silent("--all-nodes", "no cluster_static_config")]
    urls = [node.url for node in nodes]
    _refuse_endpoints(urls, endpoints)
    return _Others(tuple(nodes), tuple(silent), Peers(_access(values)).ask(urls))


def _other_members(found: Installation) -> Iterator[StaticNode]:
    nodes = found.static.nodes if found.static else ()
    return (node for node in nodes if node.node_id != found.node_id)


def _url_of(node: StaticNode, port: int, options: Options, values: Values) -> Optional[PeerUrl]:
    address = address_of(node)
    if address is None:
        return None
    return PeerUrl(values["node.scheme"], address.strip("[]"), port, options.telemetry_path)


def _refuse_endpoints(urls: Iterable[PeerUrl], endpoints: Iterable[Endpoint]) -> None:
    """Refuse to connect to a port of the cluster itself: this program only watches."""
    taken = {endpoint.port: endpoint.endpoint for endpoint in endpoints}
    for url in urls:
        if url.port in taken:
            raise UsageError(f"{url}: {url.port} is the port of {taken[url.port]}, no exporter's")


def _access(values: Values) -> PeerAccess:
    names = ("ca-file", "cert-file", "key-file", "username", "password-file")
    return PeerAccess(**{name.replace("-", "_"): values[f"node.{name}"] for name in names})


def _answers(others: _Others, now: float) -> tuple[list[Page], list[Silent]]:
    """Take the answers that are there, and say of each other node why it has none."""
    pages, silent = [], list(others.silent)
    for node, answer in zip(others.nodes, others.answers):
        got = answer.result() if answer.done() else SourceError("no answer in time")
        try:
            if isinstance(got, SourceError):
                raise got
            pages.append(Page.of(str(node.url), now, parse_page(got, PAGE_SHAPES)))
        except (SourceError, ParseError) as error:
            silent.append(Silent(node.name, str(error)))
    return pages, silent


def _tell(diagnosis: Diagnosis, values: Values, stream: BinaryIO) -> int:
    write = report.as_json if values["format"] == "json" else report.as_text
    write_out(write(diagnosis, values["lang"]).encode("utf-8", "replace"), stream)
    return STATUS[diagnosis.verdict]


DIAGNOSE_BUDGET_SECONDS = 20.0


def run(options: Options, config: Config, values: Values) -> int:
    """Look once and say what it means; the status is that of the verdict, see STATUS."""
    level = "error" if options.log_level == Options().log_level else options.log_level
    logsetup.configure(level, options.log_format, sys.stderr)  # the report says what is missing
    runtime = make_runtime(keeps_state=False)

    def look_once() -> tuple[Family, ...]:
        application = build(options, config, runtime)
        return look(application, DIAGNOSE_BUDGET_SECONDS, owners_are_known)

    wall = runtime.clock.wall
    return diagnose_command(look_once, wall, options, config, values, sys.stdout.buffer)
