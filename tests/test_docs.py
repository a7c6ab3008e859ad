"""Documents say what the code does, or a test fails."""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter import config
from exporter.build import CATALOGUE
from exporter.cli import COMMANDS, Command
from exporter.config.values import parse_duration
from exporter.config.words import ENDPOINT_WORDS
from exporter.errors import ConfigError
from exporter.options import FLAGS, Flag
from exporter.scrape.base import Metric
from scripts.generate_docs import commands_table, documents, metrics_page, with_parts
from tests.support.config_text import plain
from tests.support.rules import rules

ROOT = Path(__file__).resolve().parent.parent
_PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
_REQUIRED = object()


@pytest.mark.parametrize("path", sorted(documents(ROOT)), ids=str)
def test_generated_documents_are_fresh(path: Path) -> None:
    """``make docs`` would change nothing."""
    committed = (ROOT / path).read_text(encoding="utf-8")
    assert committed == documents(ROOT)[path], "`make docs` writes it anew"


def test_every_metric_is_documented_once() -> None:
    """The page of metrics has one row for each entry of the catalogue."""
    rows = re.findall(r"^\| `(\w+)` \|", metrics_page(CATALOGUE), re.MULTILINE)
    assert rows == [
        metric.name
        for group in dict.fromkeys(metric.group for metric in CATALOGUE)
        for metric in CATALOGUE
        if metric.group == group
    ]


def test_closed_values_are_listed_with_their_metrics() -> None:
    """Equal sets of values stand once, with all the metrics that have them."""
    values = {"state": ("a|b", "c")}
    page = metrics_page(
        Metric(name, "Help | me.", ("state",), values=values, group="G") for name in ("m", "n")
    )
    assert "| `m` | gauge | `state` | Help \\| me. |\n" in page
    assert page.endswith("- `state` of `m`, `n`: `a|b`, `c`\n")


def test_a_page_without_marks_is_refused() -> None:
    """A page that lost its marks is noticed instead of losing its table."""
    with pytest.raises(ValueError, match="unpack"):
        with_parts("no marks")


def test_flags_of_one_command_have_a_table_of_their_own() -> None:
    """A command's own flags stand under its name, and a command without any has no table."""
    own = Flag("format", "text or json.", "FORMAT", default="text")
    made = [Command("a", "Do a.", lambda *_: 0), Command("b", "Do b.", lambda *_: 0, (own,))]
    assert commands_table(made).endswith("""\
| `a` | Do a. |
| `b` | Do b. |

Flags of `b` alone:

| flag | default | meaning |
| --- | --- | --- |
| `--format=FORMAT` | `text` | text or json. |
""")


def test_every_flag_is_in_the_tables() -> None:
    """Each spelling of each flag stands in the configuration's page."""
    for flag in FLAGS:
        assert all(f"`{name}" in _CONFIGURATION for name in flag.names)


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_readme_knows_what_there_is(name: str) -> None:
    """Every command stands in it, and every metric and alert in it exists."""
    page = (ROOT / name).read_text(encoding="utf-8")
    told = set(re.findall(r"`opengauss-cm-exporter (\w+)[^`]*`", page))
    assert told == {command.name for command in COMMANDS} - {"serve"}
    metrics = {metric.name for metric in CATALOGUE}
    assert set(re.findall(r"`(opengauss_\w+)`", page)) - {"opengauss_exporter"} <= metrics
    alerts = {rule.name for rule in rules() if rule.is_alert}
    assert set(re.findall(r"`(OpenGauss\w+)`", page)) <= alerts


def test_both_readmes_show_the_same() -> None:
    """Headings, commands, tables and pictures are those of the other language, in its order."""
    english, chinese = (
        (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md")
    )
    commands, heading = r"(?ms)^```sh$.*?^```$", r"(?m)^(##) "
    row, picture = r"(?m)^\| `([^`]+?)(?: --lang=zh)?` \|", r"!\[.*\]\((.*)\)"
    for ordered in (commands, heading, row, picture):
        assert re.findall(ordered, chinese) == re.findall(ordered, english)
    alert, page = r"`(OpenGauss\w+)`", r"\]\((?!README)(?:docs/)?(\w+\.md)\)"
    for anywhere in (alert, page):
        assert set(re.findall(anywhere, chinese)) == set(re.findall(anywhere, english))


def _keys(kind: Any, path: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401  # any annotation
    """Walk the schema: path of each key and its default."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        key = f"{path}{field.name}"
        hint = hints[field.name]
        if dataclasses.is_dataclass(hint):
            yield from _keys(hint, f"{key}.")
            continue
        yield key, _REQUIRED if field.default is dataclasses.MISSING else field.default
        item = next(iter(typing.get_args(hint)), None)
        if dataclasses.is_dataclass(item):
            yield from _keys(item, f"{key}[].")


def _shown(text: str) -> object:
    """Read a default as the page writes it."""
    if text == "required":
        return _REQUIRED
    words = {"null": None, "true": True, "false": False, "[]": (), '""': ""}
    if text in words:
        return words[text]
    if text.startswith("["):
        return tuple(text.strip("[]").split(", "))
    seconds = parse_duration(text)
    return text if seconds is None else seconds


def test_the_page_of_keys_is_the_schema() -> None:
    """Every key stands in the tables with its default, and nothing else does."""
    rows = re.findall(r"^\| `([a-z_.\[\]]+)` \| .* \| (.+) \|$", _CONFIGURATION, re.MULTILINE)
    shown = {
        key: _shown(default)
        for key, default in rows
        if re.split(r"[.\[]", key)[0] in plain(config.Config())
    }
    expected = dict(_keys(config.Config, ""))
    expected["endpoints[].instance_id"] = _REQUIRED
    assert shown == expected


def test_the_table_of_words_is_the_code() -> None:
    """The table of endpoints tells process, component and precheck as the code has them."""
    rows = re.findall(
        r"^\| `(\w+)` \| [^|]+ \| `(\w+)` \| `(\w+)` \| (yes|no) \|$", _CONFIGURATION, re.MULTILINE
    )
    words = [
        (name, word.process, word.component, "yes" if word.precheck else "no")
        for name, word in ENDPOINT_WORDS.items()
    ]
    assert rows == words, "the table of words in docs/configuration.md"


def test_the_pages_example_of_problems_is_real() -> None:
    """The problems that the page shows are what the reader says, word for word."""
    text = b"endpoints:\n  - {endpoint: dss, instance_id: 1, prot: 1}\ncm_query:\n  interval: 15\n"
    with pytest.raises(ConfigError) as caught:
        config.parse_config(text, "exporter.yml")
    assert str(caught.value) in _CONFIGURATION


@pytest.mark.parametrize("path", _PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_inside_the_project_lead_somewhere(path: Path) -> None:
    """Each relative link of a page names a file, and its anchor a heading of that file."""
    for target in re.findall(
        r"\]\((?!https?:|mailto:)([^)\s]+)\)", path.read_text(encoding="utf-8")
    ):
        name, _, anchor = target.partition("#")
        linked = path if not name else (path.parent / name).resolve()
        assert linked.exists(), target
        if anchor and linked.suffix == ".md":
            assert anchor in _anchors(linked), target


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in headings}


def test_the_pages_configurations_are_valid() -> None:
    """Every YAML block of the configuration's page is a configuration."""
    blocks = re.findall(r"```yaml\n(.*?)```", _CONFIGURATION, re.DOTALL)
    assert blocks
    for block in blocks:
        assert config.parse_config(block.encode(), "docs") != config.Config()


def test_every_test_that_the_security_page_names_is_there() -> None:
    """Each surface has a test, and none of them is made up."""
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and "tests/" in line]
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(rows) > 10
    for path, name in named:
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), (path, name)


def test_the_index_of_decisions_has_each_once() -> None:
    """A decision can be found by its subject."""
    index = (ROOT / "docs/adr/README.md").read_text(encoding="utf-8")
    pages = sorted(path.name for path in (ROOT / "docs/adr").glob("0*.md"))
    assert sorted(re.findall(r"\]\((0[^)]+)\)", index)) == pages


def test_the_ways_through_the_code_name_what_is_there() -> None:
    """Who follows a way in the page of the architecture finds each function in its file."""
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    steps = re.findall(
        r"^- \[[^\]]+\]\(\.\./(exporter/[^)]+\.py)\): (.+?)(?: — .*)?$", page, re.MULTILINE
    )
    assert len(steps) > 20
    for module, names in steps:
        code = (ROOT / module).read_text(encoding="utf-8")
        for name in re.findall(r"`([\w.]+)`", names):
            *_, last = name.split(".")
            assert re.search(rf"^\s*(?:def|class) {last}\b", code, re.MULTILINE), (module, name)
