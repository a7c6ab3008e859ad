"""``diagnose``: judge this node's page and those of other nodes, and say what they mean."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from concurrent.futures import Future, wait
from typing import NamedTuple, Union

from exporter import logsetup
from exporter.build import CATALOGUE, build, make_runtime
from exporter.commands.diagnosis_text import LANGUAGES, as_json, as_text, own_page
from exporter.commands.once import look
from exporter.commands.output import write_out
from exporter.commands.targets import EXPORTER_PORT_FLAG, address_of, exporter_port
from exporter.config import Config
from exporter.diagnosis.diagnose import diagnose
from exporter.diagnosis.findings import Verdict
from exporter.diagnosis.page import PREFIX, Page, Shape, Silent, parse_page
from exporter.diagnosis.peers import (
    PORTS,
    TIMEOUT_SECONDS,
    Answer,
    PeerAccess,
    Peers,
    PeerUrl,
    peer_url,
)
from exporter.errors import ParseError, SourceError, UsageError
from exporter.installation.facts import Installation
from exporter.options import Flag, Options, Values, absolute_path, one_of
from exporter.parts import look_for_installation
from exporter.ports.facts import Endpoint
from exporter.ports.metrics import PORT_ATTRIBUTION, PORT_HOLDER_PID, PORT_LISTENING
from exporter.scrape.base import Family, Kind

STATUS = {Verdict.NONE: os.EX_OK, Verdict.CONFLICT: 1, Verdict.CANNOT_TELL: 2}
"""The command's exit status."""
_GRACE_SECONDS = 1.0
BUDGET_SECONDS = 20.0
PAGE_SHAPES = {
    metric.name: Shape(
        frozenset(metric.labels), {name: frozenset(some) for name, some in metric.values.items()}
    )
    for metric in CATALOGUE
    if metric.name.startswith(PREFIX) and metric.kind is Kind.GAUGE
}
"""What is taken from other nodes' pages, and how it must look."""

FLAGS = (
    Flag("format", "text or json.", "FORMAT", one_of("text", "json"), "text"),
    Flag("lang", "en or zh.", "LANGUAGE", one_of(*LANGUAGES), LANGUAGES[0]),
    Flag(
        "node",
        "Judge this exporter's page, too: http[s]://HOST:PORT[/PATH]; may be given several times.",
        "URL",
        peer_url,
        repeat=True,
    ),
    Flag("all-nodes", "Judge all nodes of the static config together."),
    EXPORTER_PORT_FLAG,
    Flag("node.scheme", "How --all-nodes asks: http or https.", "SCHEME", one_of(*PORTS), "http"),
    Flag("node.ca-file", "Who signs the exporters' certificates.", "FILE", absolute_path),
    Flag("node.cert-file", "The certificate to show to the exporters.", "FILE", absolute_path),
    Flag("node.key-file", "Its key, where it is not in the same file.", "FILE", absolute_path),
    Flag("node.username", "The user for the exporters' basic auth.", "NAME"),
    Flag("node.password-file", "Where the user's password stands.", "FILE", absolute_path),
)


class _Other(NamedTuple):
    """Another node's exporter, what it is called, and its answer to come."""

    name: str
    url: PeerUrl
    answer: Future[Answer]


def run(options: Options, config: Config, values: Values) -> int:
    """Look once at this node and at the others that the flags name; the status is in STATUS."""
    level = "error" if options.log_level == Options().log_level else options.log_level
    logsetup.configure(level, options.log_format, sys.stderr)  # the report says what is missing
    runtime = make_runtime(keeps_state=False)
    others, silent = _ask(options, config, values)
    application = build(options, config, runtime)
    wall = runtime.clock.wall
    own = own_page(look(application, BUDGET_SECONDS, owners_are_known), wall())
    wait([other.answer for other in others], timeout=TIMEOUT_SECONDS + _GRACE_SECONDS)
    answers = [_page_of(other, wall()) for other in others]
    pages = [answer for answer in answers if isinstance(answer, Page)]
    silent += [answer for answer in answers if isinstance(answer, Silent)]
    if any(own.all(PORT_LISTENING.name)) or not (pages or silent):
        pages.insert(0, own)
    diagnosis = diagnose(pages, silent, wall())
    write = as_json if values["format"] == "json" else as_text
    write_out(write(diagnosis, values["lang"]).encode("utf-8", "replace"), sys.stdout.buffer)
    return STATUS[diagnosis.verdict]


def owners_are_known(families: Iterable[Family]) -> bool:
    """Tell whether another look would find no more of the holders' processes.

    On a busy host the time of one look may not be enough to search all processes.
    """
    page = own_page(families, 0.0)
    unknown = any(sample.value == 0 for sample in page.all(PORT_HOLDER_PID.name))
    return not (unknown and any(page.true(PORT_ATTRIBUTION.name, level="full")))


def _ask(options: Options, config: Config, values: Values) -> tuple[list[_Other], list[Silent]]:
    """Begin to ask the other nodes; with them those that cannot be asked.

    Raises UsageError, and SourceError for files that cannot be used.
    """
    named = [(str(url), url) for url in values["node"] or ()]
    silent: list[Silent] = []
    if not named and not values["all-nodes"]:
        return [], []
    installation, endpoints = look_for_installation(options, config)
    if values["all-nodes"]:
        members, silent = _other_members(installation, options, values)
        named += members
    urls = [url for _, url in named]
    _refuse_endpoints(urls, endpoints)
    answers = Peers(_access(values)).ask(urls)
    return [_Other(*pair, answer) for pair, answer in zip(named, answers)], silent


def _other_members(
    installation: Installation, options: Options, values: Values
) -> tuple[list[tuple[str, PeerUrl]], list[Silent]]:
    """List the other nodes of the static config, and those that have no address."""
    port = exporter_port(options, values)
    if not installation.static:
        return [], [Silent("--all-nodes", "no cluster_static_config")]
    urls, silent = [], []
    for node in installation.static.nodes:
        if node.node_id == installation.node_id:
            continue
        address = address_of(node)
        if address is None:
            silent.append(Silent(node.name, "no address"))
            continue
        path = options.telemetry_path
        url = PeerUrl(values["node.scheme"], address.strip("[]"), port, path)
        urls.append((f"{node.name} ({url})", url))
    return urls, silent


def _refuse_endpoints(urls: Iterable[PeerUrl], endpoints: Iterable[Endpoint]) -> None:
    """Refuse to connect to a port of the cluster itself: this program only watches."""
    taken = {endpoint.port: endpoint.endpoint for endpoint in endpoints}
    for url in urls:
        if url.port in taken:
            raise UsageError(f"{url}: {url.port} is the port of {taken[url.port]}, no exporter's")


def _access(values: Values) -> PeerAccess:
    names = ("ca-file", "cert-file", "key-file", "username", "password-file")
    return PeerAccess(**{name.replace("-", "_"): values[f"node.{name}"] for name in names})


def _page_of(other: _Other, now: float) -> Union[Page, Silent]:
    """Read the answer; where there is none, or it is no page, say why."""
    answer = other.answer.result() if other.answer.done() else SourceError("no answer in time")
    try:
        if isinstance(answer, SourceError):
            raise answer
        return Page.of(str(other.url), now, parse_page(answer, PAGE_SHAPES))
    except (SourceError, ParseError) as error:
        return Silent(other.name, str(error))
