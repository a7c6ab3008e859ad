"""Bytes → one bounded tree of YAML nodes, each of which knows its line, and what is wrong with it.

Only the tree is built: no tag ever makes an object. Anchors and aliases are refused, so that the
tree is as small as its text, and so is deep nesting, so that walking it needs no deep stack.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

import yaml

from exporter.host.text import escaped

LARGEST_FILE = 256 * 1024
"""In bytes. A thousand endpoints need a fifth of it; pure Python reads it within two seconds."""
DEEPEST = 16
_SHOWN = 80


def shown(text: str) -> str:
    """Bound and escape text of the file, so that a message stays one printable line."""
    return escaped(text, _SHOWN)


class Problem(NamedTuple):
    """One thing that is wrong: its line (from 1), the path of its key and what is allowed."""

    line: int
    path: str
    message: str

    def __str__(self) -> str:
        """Write the problem on one line."""
        return ": ".join(part for part in (f"line {self.line}", self.path, self.message) if part)


class RefusedError(Exception):
    """A value is not what its key takes; whoever knows the key adds line and path."""


class Report:
    """Collects problems; ``lines`` is the number of lines of the file, which none exceeds."""

    def __init__(self, lines: int) -> None:
        self._lines = lines
        self._problems: list[Problem] = []

    def __len__(self) -> int:
        return len(self._problems)

    def add(self, line: int, path: str, message: str) -> None:
        """Remember one problem; a mark behind the last line is moved onto it."""
        self._problems.append(Problem(min(max(line, 1), self._lines), path, message))

    def sorted(self) -> tuple[str, ...]:
        """List the problems in the file's order."""
        return tuple(str(problem) for problem in sorted(self._problems))


class _Loader(yaml.SafeLoader):
    """Composes nodes, without aliases and not too deep."""

    _depth = 0

    def compose_node(self, parent: Optional[yaml.Node], index: object) -> Optional[yaml.Node]:
        """Compose one node, unless it is an alias or lies too deep."""
        if self.check_event(yaml.AliasEvent):
            self._refuse("aliases are not allowed; repeat the value")
        if self._depth == DEEPEST:
            self._refuse(f"nested deeper than {DEEPEST} levels")
        self._depth += 1
        node: Optional[yaml.Node] = super().compose_node(parent, index)  # type: ignore[arg-type]  # the stubs want a whole number, PyYAML passes nodes
        self._depth -= 1
        return node

    def _refuse(self, message: str) -> None:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # not in the stubs
        raise yaml.composer.ComposerError(problem=message, problem_mark=mark)


def count_lines(data: bytes) -> int:
    """Count lines as an editor does: an unfinished last line counts, and so does an empty file."""
    return data.count(b"\n") + (not data.endswith(b"\n"))


def compose(data: bytes, report: Report) -> Optional[yaml.Node]:
    """Build the tree of the one document in ``data``; None after a problem, which is reported."""
    text = _decode(data, report)
    if text is None:
        return None
    try:
        node: Optional[yaml.Node] = _Loader(text).get_single_node()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        report.add(line, "", f"character U+{ord(text[error.position]):04X} is not allowed")
    except yaml.MarkedYAMLError as error:
        report.add(_line(error), "", f"not YAML: {_explain(error)}")
    except (ValueError, OverflowError):
        # PyYAML's own slips on numbers that no character or version has ("\UFFFFFFFF").
        report.add(1, "", "not YAML: a number in an escape or a directive is out of range")
    else:
        if node is None:
            report.add(1, "", "the file is empty; {} stands for all defaults")
        return node
    return None


def _decode(data: bytes, report: Report) -> Optional[str]:
    if len(data) > LARGEST_FILE:
        report.add(1, "", f"the file is larger than {LARGEST_FILE} bytes")
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        report.add(line, "", f"byte 0x{data[error.start]:02x} is not UTF-8")
        return None


def _line(error: yaml.MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark else 1


def _explain(error: yaml.MarkedYAMLError) -> str:
    message = shown(error.problem or "no reason given")
    if error.context and error.context_mark:
        message += f", {shown(error.context)} that begins on line {error.context_mark.line + 1}"
    if "found ':'" in message:
        message += " (an address that begins with a colon needs quotes)"
    return message
