r"""postgresql.conf: the grammar of openGauss-server guc-file.l.

A line holds a name, an optional ``=`` and a value, or nothing; ``#`` begins a comment. A value
is a word, a number, or a string in single quotes, in which ``''`` and ``\'`` stand for a quote.
Names do not tell cases apart. The server refuses a file with one syntax error as a whole, and so
does this parser. Includes are reported, not followed: the caller reads files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from exporter.errors import ParseError
from exporter.host.text import bounded, shown

INCLUDES = ("include", "include_if_exists", "include_dir")

_LETTER = r"[A-Za-z_\x80-\U0010ffff]"
_WORD = r"[A-Za-z0-9_\x80-\U0010ffff]"
_LINE = re.compile(
    rf"""[ \t\r]*
    (?:
      (?P<name>{_LETTER}{_WORD}*(?:\.{_LETTER}{_WORD}*)?)
      (?!{_WORD}) [ \t\r]* (?:=[ \t\r]*)?
      (?:
        '(?P<string>(?:[^'\\\n]|\\.|'')*)'
      | (?P<bare>{_LETTER}(?:{_WORD}|[-._:/])*
               | [-+]?(?:0x[0-9a-fA-F]+|[0-9]+)[A-Za-z]*(?![\w.])
               | [-+]?[0-9]*\.[0-9]*(?:[Ee][-+]?[0-9]+)?)
      )
      [ \t\r]*
    )?
    (?:\#.*)?""",
    re.VERBOSE,
)
_SPACE = r"[ \t\n\v\f\r]*"
_INTEGER = re.compile(
    rf"{_SPACE}([-+]?)(?:0[xX]0*([0-9a-fA-F]{{1,16}})|(0[0-7]{{0,32}})|([1-9][0-9]{{0,15}})){_SPACE}"
)
_ESCAPE = re.compile(r"''|\\([0-7]{1,3}|.)")
_CONTROLS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_BOOLEANS = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}


class Assignment(NamedTuple):
    """One line: the name in lower case, the value without quotes, and where it stands."""

    name: str
    value: str
    source: str
    line: int


def parse_postgresql_conf(text: str, source: str = "postgresql.conf") -> tuple[Assignment, ...]:
    """Read all assignments, includes among them; raises ParseError that tells file and line."""
    assignments = []
    for number, line in enumerate(bounded(text, source).split("\n"), start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            problem = f"expected a name and a value, found {shown(line.strip())}"
            raise ParseError(f"{source}: line {number}: {problem}")
        if match["name"]:
            value = match["bare"] if match["string"] is None else _unescape(match["string"])
            assignments.append(Assignment(match["name"].lower(), value, source, number))
    return tuple(assignments)


def settings_of(assignments: Iterable[Assignment]) -> Mapping[str, Assignment]:
    """Keep what counts: of several assignments of one name the last."""
    return {assignment.name: assignment for assignment in assignments}


def truth(assignment: Assignment) -> bool:
    """Read a boolean as the server's parse_bool does; raises ParseError for anything else."""
    word = assignment.value.strip().lower()
    if word in {"0", "1"}:
        return word == "1"
    found = {value for name, value in _BOOLEANS.items() if word and name.startswith(word)}
    if len(found) != 1:
        raise _wrong(assignment, "a boolean")
    return found.pop()


def number(assignment: Assignment) -> int:
    """Read a whole number without a unit; raises ParseError for anything else.

    As the server's parse_int does (openGauss-server guc.cpp, strtol with base 0): 0x begins a
    hexadecimal number, any other 0 an octal one, so that 0700 is 448 and 08 is none.
    """
    match = _INTEGER.fullmatch(assignment.value)
    if match is None:
        raise _wrong(assignment, "a whole number")
    sign, hexadecimal, octal, decimal = match.groups()
    digits, base = (decimal, 10) if decimal else (octal, 8) if octal else (hexadecimal, 16)
    value = int(f"{sign}{digits}", base)
    if not -(2**31) <= value < 2**31:
        raise _wrong(assignment, "a whole number of 32 bits")
    return value


def _wrong(assignment: Assignment, expectation: str) -> ParseError:
    where = f"{assignment.source}: line {assignment.line}: {assignment.name}"
    return ParseError(f"{where}: expected {expectation}, found {shown(assignment.value)}")


def _unescape(string: str) -> str:
    return _ESCAPE.sub(_unescape_one, string)


def _unescape_one(match: re.Match[str]) -> str:
    escaped = match[1]
    if escaped is None:
        return "'"
    if escaped[0] in "01234567":
        return chr(int(escaped, 8) & 0xFF)
    return _CONTROLS.get(escaped, escaped)
