"""Reads what the documents show: blocks of code, and the commands that a reader may type."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/lab/*.md")],
)
# Programs that a page may name and that this machine need not have.
PROGRAMS = {
    *("amtool", "cm_ctl", "curl", "docker", "dpkg", "gs_guc", "htpasswd", "ip", "journalctl"),
    *("lsof", "make", "mimirtool", "mtail", "opengauss-cm-exporter", "podman", "promtool"),
    *("python", "python3", "rpm", "ss", "sudo", "sysctl", "systemctl", "systemd-analyze", "time"),
}
# Words that begin a text of a log or a rule here, and are programs of some machines.
_NO_COMMANDS = re.compile(r"init cma |with Lab|pausing :|errno:|os error|start cluster|time out")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the nearest heading above, its lines without the fence."""

    language: str
    heading: str
    text: str


def blocks(text: str) -> Iterator[Block]:
    """Read the fenced blocks of a page."""
    heading = ""
    pattern = re.compile(
        r"^#+ (?P<title>[^\n]+)$|^```(?P<language>\w*)\n(?P<body>.*?)^```$",
        re.MULTILINE | re.DOTALL,
    )
    for found in pattern.finditer(text):
        if found["title"]:
            heading = found["title"]
        else:
            yield Block(found["language"], heading, found["body"])


def shell_block(page: str, heading: str, number: int = 0) -> str:
    """Return a block of shell commands below a heading; raises IndexError where there is none."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = [each for each in blocks(text) if each.language == "sh"]
    return [each.text for each in found if each.heading == heading][number]


def commands(text: str) -> Iterator[str]:
    """Read every command of a page: of shell blocks, behind a console's ``$``, and in the prose."""
    for block in blocks(text):
        if block.language == "sh":
            yield from _of_a_shell(block.text)
        elif block.language == "console":
            yield from re.findall(r"(?m)^\$ (.+)$", block.text)
    prose = re.sub(r"(?ms)^```.*?^```$", "", text)
    for span in re.findall(r"`([^`]+)`", prose):
        words = " ".join(span.split())
        if _is_command(words):
            yield words


def _of_a_shell(text: str) -> Iterator[str]:
    joined = re.sub(r" *\\\n *", " ", text)
    for line in joined.splitlines():
        yield from re.sub(r"\s+#\s.*$", "", line).split(" && ")


def _is_command(words: str) -> bool:
    """Tell a command from other things that a page sets as code: a program is its first word."""
    first, _, rest = re.sub(r"^(\w+=\S+ )+", "", words).partition(" ")
    if not rest or _NO_COMMANDS.match(words):
        return False
    return first in PROGRAMS or first.startswith(".venv/") or shutil.which(first) is not None


# A page that installs: the heading of its lines, and which block below it takes all away again.
INSTALLATIONS = {
    "README.md": ("Install on a node", 1),
    "README.zh-CN.md": ("在节点上安装", 1),
    "docs/operations.md": ("Install on a node", 2),
}


def shown() -> list[str]:
    """Return the commands of all pages, each once; placeholders are English."""
    english = {"端口": "PORT", "节点ID": "ID", "文件": "FILE", "服务名": "UNIT", "名称": "NAME"}
    found = {each for page in PAGES for each in commands(page.read_text(encoding="utf-8"))}
    for chinese, word in english.items():
        found = {each.replace(chinese, word) for each in found}
    return sorted(found)


def is_for_a_node(command: str) -> bool:
    """Whether a command changes or asks a host on which the exporter is a service."""
    pattern = (
        r"(python3 -m venv|/opt/\S+|install|ln -s|rm|dpkg|sudo|journalctl|curl -s) "
        r"|systemctl (daemon-reload$|.*opengauss-cm-exporter)"
    )
    return re.match(pattern, command) is not None


def asked_of_a_node() -> list[str]:
    """Return the commands for a node that no page's lines for installing or removing contain."""
    pasted = {
        each
        for page, (heading, removal) in INSTALLATIONS.items()
        for number in (0, removal)
        for each in _of_a_shell(shell_block(page, heading, number))
    }
    return [each for each in shown() if is_for_a_node(each) and each not in pasted]
