"""Reads what the documents show: blocks of code with the heading they stand under."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/lab/*.md")],
)


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
