"""The example Alertmanager configuration: routes, secrets, messages no stranger can shape."""

from __future__ import annotations

import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.support.rules import ALERTS, ROOT

CONFIG = ALERTS / "alertmanager.yml"
TEMPLATES = ALERTS / "templates" / "opengauss.tmpl"
HOSTILE = "<script>alert(1)</script><a href=x>y</a> [click](http://evil.example) `reboot` **b**"


def run(*command: str) -> str:
    """Run a tool in the project's root and return what it prints; fails with its message."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_amtool_finds_nothing_in_the_configuration() -> None:
    """The example configuration and its templates load."""
    run("amtool", "check-config", str(CONFIG))


@pytest.mark.parametrize(
    ("severity", "receiver"), [("critical", "page"), ("warning", "ticket"), ("info", "info")]
)
def test_each_severity_has_its_receiver(severity: str, receiver: str) -> None:
    """Critical pages, warning is a ticket, info disturbs nobody."""
    labels = ("alertname=OpenGaussCMPortConflict", f"severity={severity}", "cluster=prod")
    verify = f"--verify.receivers={receiver}"
    run("amtool", "config", "routes", "test", f"--config.file={CONFIG}", verify, *labels)


def test_other_alerts_are_none_of_our_business() -> None:
    """An alert of another product does not page through these routes."""
    labels = ("alertname=DiskFull", "severity=critical")
    verify = "--verify.receivers=info"
    run("amtool", "config", "routes", "test", f"--config.file={CONFIG}", verify, *labels)


def test_the_configuration_holds_no_secret() -> None:
    """Secrets are read from files, or stand as a word to be replaced when installing."""
    text = CONFIG.read_text(encoding="utf-8")
    inline = re.findall(r"^\s*\w*(?:password|secret|token|credentials): *(.+)$", text, re.MULTILINE)
    assert inline == ["WECHAT_API_SECRET"]


def test_every_message_template_in_use_is_defined() -> None:
    """The configuration names only templates that the template file defines."""
    used = set(re.findall(r'template "([^"]+)"', CONFIG.read_text(encoding="utf-8")))
    defined = set(re.findall(r'define "([^"]+)"', TEMPLATES.read_text(encoding="utf-8")))
    assert used
    assert used <= defined


def render(directory: Path, name: str, text: str) -> str:
    """Render one of our templates for one firing and one resolved alert that hold ``text``."""
    words = ("summary", "description", "action", "runbook_url", "dashboard_url")
    annotations = {word + end: f"{word}{end}: {text}" for word in words for end in ("", "_zh")}
    labels = {"alertname": "OpenGaussX", "severity": "critical", "node_name": "n1", "port": "1"}
    alerts = [
        {"status": status, "labels": labels, "annotations": annotations}
        for status in ("firing", "resolved")
    ]
    data = directory / "data.json"
    data.write_text(json.dumps({"status": "firing", "alerts": alerts, "commonLabels": labels}))
    kind = "html" if ".html." in name else "text"
    return run(
        "amtool",
        "template",
        "render",
        f"--template.glob={TEMPLATES}",
        f"--template.type={kind}",
        f"--template.data={data}",
        f'--template.text={{{{ template "{name}" . }}}}',
    )


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("form", ["text", "html", "wechat"])
def test_a_message_says_what_and_what_to_do(tmp_path: Path, form: str, language: str) -> None:
    """Every form of a message has the description and the action in its own language."""
    message = render(tmp_path, f"opengauss.{form}.{language}", "plain")
    end = "_zh" if language == "zh" else ""
    assert f"description{end}: plain" in message
    assert f"action{end}: plain" in message
    assert message.count("OpenGaussX") == 2


class Tags(HTMLParser):
    """Collects the tags of a page and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one opening tag with its href."""
        self.found.append((tag, dict(attrs).get("href") or ""))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_name_cannot_become_html(tmp_path: Path, language: str) -> None:
    """Markup in a process name arrives as text in the e-mail."""
    page, plain = Tags(), Tags()
    page.feed(render(tmp_path, f"opengauss.html.{language}", HOSTILE))
    plain.feed(render(tmp_path, f"opengauss.html.{language}", "plain"))
    assert [tag for tag, _ in page.found] == [tag for tag, _ in plain.found]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_name_cannot_become_markdown(tmp_path: Path, language: str) -> None:
    """Links, tags and emphasis in a process name arrive as text in the WeChat Work message."""
    message = render(tmp_path, f"opengauss.wechat.{language}", HOSTILE)
    body = [line for line in message.splitlines() if "description" in line or "action" in line]
    assert len(body) == 2
    assert not re.search(r"[<>\[\]`*]", "".join(body))
