"""Writes the documents, and the parts of documents, that the code itself knows best.

``python scripts/generate_docs.py`` writes; a test compares, so that no document grows old.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from exporter.build import CATALOGUE
from exporter.cli import COMMANDS, Command
from exporter.options import FLAGS, Flag
from exporter.scrape.base import Metric

ROOT = Path(__file__).resolve().parent.parent
METRICS_PAGE = Path("docs/metrics.md")
PAGES_WITH_PARTS = (Path("docs/configuration.md"),)

_METRICS_INTRO = """\
# Metrics

<!-- Written by `make docs` from metrics.py of each room of exporter/; edit it there. -->

Every metric that the exporter can show. A metric that tells one of several states has a series for
each state, all of them always present, of which at most one is 1. Prometheus adds the labels of its
target; no metric has a label `cluster`, because that one belongs to the target.
"""
_BEGIN = "<!-- {}: written by `make docs` from exporter/{}.py -->"
_END = "<!-- end of {} -->"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Write a Markdown table."""
    lines = [list(head)]
    lines.append(["---"] * len(lines[0]))
    lines.extend([cell.replace("|", "\\|") for cell in row] for row in rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def metrics_page(catalogue: Iterable[Metric]) -> str:
    """Write the page of all metrics, group by group in the catalogue's order."""
    groups: dict[str, list[Metric]] = {}
    for metric in catalogue:
        groups.setdefault(metric.group, []).append(metric)
    pages = (_group(name, group) for name, group in groups.items())
    return f"{_METRICS_INTRO}{_zeros(groups)}{''.join(pages)}"


def _zeros(groups: Mapping[str, list[Metric]]) -> str:
    names = [each.name for group in groups.values() for each in group if each.zero_is_none]
    if not names:
        return ""
    return (
        "\n`/metrics?zeros=omit` leaves out zeros that add no information,"
        f" for\n[large fleets](scaling.md): of {_code(names)}.\n"
    )


def _group(name: str, metrics: list[Metric]) -> str:
    rows = (
        (f"`{metric.name}`", metric.kind.value, _code(metric.labels), metric.help)
        for metric in metrics
    )
    head = ("metric", "kind", "labels", "what it says, and from where")
    return f"\n## {name}\n\n{table(head, rows)}{_values(metrics)}"


def _values(metrics: list[Metric]) -> str:
    users: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for metric in metrics:
        for label, values in metric.values.items():
            users.setdefault((label, values), []).append(metric.name)
    lines = (
        f"- `{label}` of {_code(names)}: {_code(values)}\n"
        for (label, values), names in users.items()
    )
    text = "".join(lines)
    return f"\nClosed sets of values:\n\n{text}" if text else ""


def flags_table(flags: Iterable[Flag]) -> str:
    """Write the table of flags."""
    rows = (
        (_spelling(flag), f"`{flag.default}`" if flag.default else "", flag.help) for flag in flags
    )
    return table(("flag", "default", "meaning"), rows)


def _spelling(flag: Flag) -> str:
    value = f"={flag.metavar}" if flag.metavar else ""
    return " ".join(f"`{name}{value}`" for name in flag.names)


def commands_table(commands: Iterable[Command]) -> str:
    """Write the table of commands, and a table for each command that has flags of its own."""
    known = tuple(commands)
    rows = ((f"`{command.name}`", command.help) for command in known)
    own = (
        f"\nFlags of `{command.name}` alone:\n\n{flags_table(command.flags)}"
        for command in known
        if command.flags
    )
    return table(("command", "what it does"), rows) + "".join(own)


def with_part(page: str, name: str, module: str, part: str) -> str:
    """Put a part between its marks; raises ValueError when the page has none."""
    begin, end = _BEGIN.format(name, module), _END.format(name)
    before, rest = page.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}\n\n{part}\n{end}{after}"


def with_parts(page: str) -> str:
    """Put the tables of commands and of flags between their marks."""
    page = with_part(page, "commands", "cli", commands_table(COMMANDS))
    return with_part(page, "flags", "options", flags_table(FLAGS))


def documents(root: Path) -> dict[Path, str]:
    """Tell what each document below ``root`` should hold."""
    pages = {METRICS_PAGE: metrics_page(CATALOGUE)}
    for path in PAGES_WITH_PARTS:
        pages[path] = with_parts((root / path).read_text(encoding="utf-8"))
    return pages


def main() -> None:
    """Write every document that is not as it should be."""
    for path, text in documents(ROOT).items():
        (ROOT / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
