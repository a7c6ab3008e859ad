"""What is wrong with a configuration, collected so that it can be told all at once."""

from __future__ import annotations

from typing import NamedTuple

_SHOWN = 80


def shown(text: str) -> str:
    """Bound and escape text of the file, so that a message stays one printable line."""
    cut = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in cut
    )


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
