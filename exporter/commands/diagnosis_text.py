"""A diagnosis in words, in either language, as JSON, and as the page ``/diagnosis``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from http import HTTPStatus
from typing import Any, Callable

from exporter.diagnosis.diagnose import diagnose
from exporter.diagnosis.findings import (
    Certainty,
    Diagnosis,
    Evidence,
    Finding,
    Looked,
    Severity,
    Text,
)
from exporter.diagnosis.page import Page, Sample
from exporter.host.text import escaped
from exporter.scrape.base import Family
from exporter.scrape.registry import Registry
from exporter.web.messages import Request, Response, plain

LANGUAGES = Text._fields
"""The words for the languages; the first is the default."""

_WORDS: Mapping[object, Text] = {
    Certainty.SEEN: Text("seen now", "当前可见"),
    Certainty.RECORDED: Text("proved by records", "有记录为证"),
    Certainty.REPORTED: Text("reported by CM, which does not say why", "由 CM 报告，未说明原因"),
    Certainty.NEXT_START: Text("nothing is down because of it", "目前没有组件因此停止"),
    Severity.CRITICAL: Text("critical", "严重"),
    Severity.WARNING: Text("warning", "警告"),
    Severity.INFO: Text("info", "提示"),
    "first": Text("First", "首先"),
    "looked": Text("Looked at", "已查看"),
    "this node": Text("this node", "本节点"),
    "age": Text("{:.0f} s ago", "{:.0f} 秒前"),
    "next": Text("What to do", "处理"),
    "evidence": Text("Evidence", "证据"),
    "following": Text("Caused by the above, and over with it", "由以上原因引起，随之恢复"),
    "open": Text("Not checked", "未检查的内容"),
    "socket": Text("socket", "套接字"),
    "log": Text("log", "日志"),
    "metric": Text("metric", "指标"),
}
_FRESH_SECONDS = 5.0
_JSON = "application/json"


def as_json(diagnosis: Diagnosis, language: str) -> str:
    """Give the diagnosis as one JSON object; texts in one language."""
    document = {
        "made_at": _iso(diagnosis.made_at),
        "verdict": diagnosis.verdict.value,
        "headline": getattr(diagnosis.headline, language),
        "first": [getattr(text, language) for text in diagnosis.first],
        "nodes": [looked._asdict() for looked in diagnosis.looked],
        "findings": [_finding(finding, language) for finding in diagnosis.findings],
        "open": [getattr(text, language) for text in diagnosis.open],
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _finding(finding: Finding, language: str) -> dict[str, Any]:
    names = ("alert", "cluster", "node_name", "endpoint", "instance_id", "port", "explained_by")
    texts = ("summary", "description", "action")
    return {
        **{name: getattr(finding, name) for name in names},
        "severity": finding.severity.value,
        "certainty": finding.certainty.value,
        **{name: getattr(getattr(finding, name), language) for name in texts},
        "evidence": [
            {**piece._asdict(), "text": getattr(piece.text, language)} for piece in finding.evidence
        ],
    }


def as_text(diagnosis: Diagnosis, language: str) -> str:
    """Give the diagnosis in words; what does not print is escaped, so that no name can lie."""
    sections = [_head(diagnosis, language)]
    own = (finding for finding in diagnosis.findings if not finding.explained_by)
    sections += [_section(number, finding, language) for number, finding in enumerate(own, 1)]
    following = [finding for finding in diagnosis.findings if finding.explained_by]
    if following:
        heading = getattr(_WORDS["following"], language)
        lines = (_line(finding, language) for finding in following)
        sections.append([f"{heading}:", *_list(lines)])
    if diagnosis.open:
        heading = getattr(_WORDS["open"], language)
        texts = (getattr(text, language) for text in diagnosis.open)
        sections.append([f"{heading}:", *_list(texts)])
    lines = ("\n".join(escaped(line) for line in section) for section in sections)
    return "\n\n".join(lines) + "\n"


def _head(diagnosis: Diagnosis, language: str) -> list[str]:
    looked = ", ".join(_looked(node, language) for node in diagnosis.looked)
    verdict = getattr(diagnosis.headline, language)
    heading = getattr(_WORDS["looked"], language)
    lines = [f"{_iso(diagnosis.made_at)}  {verdict}", *([f"{heading}: {looked}"] if looked else [])]
    first = getattr(_WORDS["first"], language)
    return [*lines, *(f"{first}: {getattr(text, language)}" for text in diagnosis.first)]


def _looked(node: Looked, language: str) -> str:
    place = node.origin or getattr(_WORDS["this node"], language)
    stale = node.age > _FRESH_SECONDS
    age = f", {getattr(_WORDS['age'], language).format(node.age)}" if stale else ""
    return f"{node.node_name} ({place}{age})"


def _section(number: int, finding: Finding, language: str) -> list[str]:
    certainty = getattr(_WORDS[finding.certainty], language)
    severity = getattr(_WORDS[finding.severity], language)
    said = "\n".join(getattr(text, language) for text in (finding.summary, finding.description))
    evidence = (_evidence(piece, language) for piece in finding.evidence)
    return [
        f"{number}. {finding.alert} ({severity}; {certainty})",
        *_indented(said),
        f"   {getattr(_WORDS['next'], language)}:",
        *_indented(getattr(finding.action, language)),
        f"   {getattr(_WORDS['evidence'], language)}:",
        *(f"   {line}" for line in _list(evidence)),
    ]


def _line(finding: Finding, language: str) -> str:
    about = " ".join(filter(None, (finding.node_name, finding.endpoint)))
    name = f"{finding.alert} {about}".rstrip()
    return f"{name} ({finding.explained_by}): {getattr(finding.summary, language)}"


def _evidence(evidence: Evidence, language: str) -> str:
    kind = getattr(_WORDS[evidence.kind], language)
    return f"{evidence.node_name}, {kind}: {getattr(evidence.text, language)}"


def _indented(text: str) -> list[str]:
    return [f"   {line}" for line in text.split("\n")]


def _list(texts: Iterable[str]) -> list[str]:
    """Make items of a list; further lines of a text stand below its first."""
    return [
        f"{'  ' if place else '- '}{line}"
        for text in texts
        for place, line in enumerate(text.split("\n"))
    ]


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def own_page(families: Iterable[Family], taken_at: float) -> Page:
    """Take the samples of this exporter's own families."""
    samples = (Sample(s.name, s.labels, s.value) for family in families for s in family.samples)
    return Page.of("", taken_at, samples)


class DiagnosisPage:
    """The page ``/diagnosis``: what the last finished runs of the collectors mean.

    It runs nothing. JSON for clients that accept only that, Chinese for those that ask for it
    first. ``wall`` is the clock in seconds since the epoch.
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
        if request.headers.get("accept", "").startswith(_JSON):
            body = as_json(diagnosis, language)
            return Response(HTTPStatus.OK, body.encode("utf-8", "replace"), _JSON, vary)
        body = as_text(diagnosis, language)
        return Response(HTTPStatus.OK, body.encode("utf-8", "replace"), headers=vary)
