"""A diagnosis in words and as JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from exporter.commands.diagnosis_text import as_json, as_text
from exporter.diagnosis.diagnose import diagnose
from exporter.diagnosis.findings import Text
from exporter.diagnosis.page import Page, Sample, Silent
from tests.support.judging import CM, NGINX, NOW, conflict, page

GOLDEN = Path(__file__).parents[1] / "golden" / "diagnosis.txt"
TAKEN = diagnose([page(1, *conflict(), nodes=2)], [Silent("http://b:1", "refused")], NOW)


def test_a_conflict_in_words() -> None:
    """The report says what is wrong, what to do, why that is believed, and what is left open."""
    assert as_text(TAKEN, "en") == GOLDEN.read_text(encoding="utf-8")  # the report's own lines


def test_the_same_in_chinese() -> None:
    """All words but names, metrics and commands are Chinese."""
    text = as_text(TAKEN, "zh")
    assert "节点的 CM 端口被占用，该节点的 cm_server 无法启动。" in text
    assert "（切勿使用 -9）" in text
    assert "What" not in text


def test_old_facts_are_told_with_their_age() -> None:
    """Facts that were read a while ago say so."""
    assert "ogdb1 (this node, 90 s ago)" in as_text(diagnose([page(1, age=90)], [], NOW), "en")


def test_nothing_of_a_page_reaches_the_terminal_raw() -> None:
    """Control characters of any label or address are escaped."""
    hostile = {**CM, **NGINX, "address": "\x1b[2J", "unit": "a\rb"}
    taken = [*conflict()[:2], Sample("opengauss_port_holder_pid", hostile, 4711)]
    text = as_text(diagnose([page(1, *taken)], [Silent("\x1b]0;x\x07", "a\nb")], NOW), "en")
    assert not any(ord(char) < 32 for char in text.replace("\n", ""))
    assert "\\x1b[2J" in text


def test_json_has_everything() -> None:
    """A program reads the same findings, with the verdict and what is open."""
    document = json.loads(as_json(TAKEN, "en"))
    (finding,) = document["findings"]
    assert document["verdict"] == "conflict"
    assert document["headline"] == "Port conflict: ogdb1, port 15300 of cm_server."
    assert document["nodes"][0]["node_name"] == "ogdb1"
    assert (finding["alert"], finding["severity"]) == ("OpenGaussCMPortConflict", "critical")
    assert (finding["port"], finding["certainty"]) == ("15300", "seen")
    assert [each["kind"] for each in finding["evidence"]] == ["metric", "socket"]
    assert len(document["open"]) == 2
    assert "diagnose again" in document["first"][0]


def test_json_speaks_the_language() -> None:
    """Texts are in the language that was asked for."""
    diagnosis = replace(TAKEN, open=(Text("open", "未知"),))
    assert json.loads(as_json(diagnosis, "zh"))["open"] == ["未知"]


def test_an_empty_diagnosis_is_one_line() -> None:
    """Where no page was had at all, the verdict stands alone."""
    nothing: list[Page] = []
    text = as_text(diagnose(nothing, [], NOW), "en")
    assert text.splitlines()[0].endswith("Cannot determine whether there is a port conflict.")
