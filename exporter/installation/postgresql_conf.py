r"""postgresql.conf: its grammar, and what its settings decide about ports and logs.

The grammar is that of openGauss-server guc-file.l. A line holds a name, an optional ``=`` and a
value, or nothing; ``#`` begins a comment. A value is a word, a number, or a string in single
quotes, in which ``''`` and ``\'`` stand for a quote. Names do not tell cases apart. The server
refuses a file with one syntax error as a whole, and so does this parser. Includes are reported,
not followed: the caller reads files.

``replconninfoN``: ``localhost=10.0.0.1 localport=15401 localheartbeatport=15405 remotehost=…``.
openGauss-server guc_storage.cpp ParseReplConnInfo looks for each key, passes blanks and ``=`` and
takes what stands before the next blank, the first time if a key stands twice; a comma begins
another channel.

Lists of instances: ``0:10.0.0.1:1611,1:10.0.0.2:1611``, number, address and port of each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Optional

from exporter.errors import ParseError
from exporter.host.text import MAX_VALUE, bounded, port_number, shown
from exporter.installation.facts import DatanodeSettings, ListedInstance, ReplicationChannel

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
_PAIR = re.compile(
    r"\b(localhost|localport|localheartbeatport|remoteport)[ \t=]+([^ \t=]+)",
    re.IGNORECASE,
)
_ENTRY = re.compile(r"\s*([0-9]{1,10})\s*:\s*(\[[\w.:%-]+\]|[\w.:%-]+?)\s*:\s*([0-9]{1,5})\s*")
_PORTS = ("localport", "remoteport", "localheartbeatport")
_DOLPHIN_PORT = 3308
MAX_INSTANCES = 64
_CHANNELS = range(1, 9)  # replconninfo1..8 (openGauss-server MAX_REPLNODE_NUM)


class Assignment(NamedTuple):
    """One line: the name in lower case, the value without quotes, and where it stands."""

    name: str
    value: str
    source: str
    line: int

    @property
    def where(self) -> str:
        """The beginning of a message about this line."""
        return f"{self.source}: line {self.line}: {self.name}"


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
    return ParseError(
        f"{assignment.where}: expected {expectation}, found {shown(assignment.value)}"
    )


def _unescape(string: str) -> str:
    return _ESCAPE.sub(_unescape_one, string)


def _unescape_one(match: re.Match[str]) -> str:
    escaped = match[1]
    if escaped is None:
        return "'"
    if escaped[0] in "01234567":
        return chr(int(escaped, 8) & 0xFF)
    return _CONTROLS.get(escaped, escaped)


def parse_replconninfo(text: str, source: str = "replconninfo") -> tuple[ReplicationChannel, ...]:
    """Read the channels of one ``replconninfoN``; none of an empty value.

    Raises ParseError for a channel without ``localhost`` or ``localport``.
    """
    return tuple(
        _channel(part, source)
        for part in bounded(text, source, MAX_VALUE).split(",")
        if part.strip()
    )


def _channel(text: str, source: str) -> ReplicationChannel:
    words = {name.lower(): value for name, value in reversed(_PAIR.findall(text))}
    if "localhost" not in words or "localport" not in words:
        problem = f"expected localhost=… localport=…, found {shown(text.strip())}"
        raise ParseError(f"{source}: {problem}")
    ports = {
        name: port_number(words[name], f"{source}: {name}")
        for name in _PORTS
        if words.get(name, "0") != "0"
    }
    if "localport" not in ports:
        raise ParseError(f"{source}: localport: expected a port from 1 to 65535, found 0")
    return ReplicationChannel(
        words["localhost"],
        ports["localport"],
        ports.get("localheartbeatport", 0),
    )


def parse_instances(text: str, source: str) -> tuple[ListedInstance, ...]:
    """Read ``number:address:port,…``; an IPv6 address stands with or without brackets.

    The first colon ends the number and the last one begins the port, so that the colons of an
    address between them are no question. Raises ParseError for an empty or malformed list.
    """
    parts = bounded(text, source, MAX_VALUE).strip().strip(",").split(",")
    if len(parts) > MAX_INSTANCES:
        raise ParseError(f"{source}: expected at most {MAX_INSTANCES} entries, found {len(parts)}")
    return tuple(_instance(part, source) for part in parts)


def _instance(text: str, source: str) -> ListedInstance:
    match = _ENTRY.fullmatch(text)
    if match is None:
        raise ParseError(f"{source}: expected number:address:port, found {shown(text)}")
    number, host, port = match.groups()
    return ListedInstance(int(number), host.strip("[]"), port_number(port, source))


def parse_datanode_settings(assignments: Iterable[Assignment]) -> DatanodeSettings:
    """Read the settings of all files together, in their order.

    Raises ParseError that tells file and line of a value that the server would refuse.
    """
    found = settings_of(assignments)
    dms = "ss_enable_dms" in found and truth(found["ss_enable_dms"])
    return DatanodeSettings(
        port=_port(found.get("port")),
        listen_addresses=_listen_addresses(found.get("listen_addresses")),
        channels=_channels(found, "replconninfo"),
        cross_channels=_channels(found, "cross_cluster_replconninfo"),
        dms=dms,
        dms_number=number(found["ss_instance_id"]) if "ss_instance_id" in found else 0,
        dms_instances=_dms_instances(found) if dms else (),
        dolphin_port=_dolphin_port(found),
        log_directory=found["log_directory"].value if "log_directory" in found else "",
        log_line_prefix=found["log_line_prefix"].value if "log_line_prefix" in found else None,
    )


def _port(assignment: Optional[Assignment]) -> Optional[int]:
    return port_number(str(number(assignment)), assignment.where) if assignment else None


def _listen_addresses(assignment: Optional[Assignment]) -> Optional[tuple[str, ...]]:
    """Split the list as SplitIdentifierString does: words in lower case unless quoted."""
    if assignment is None:
        return None
    parts = bounded(assignment.value, assignment.where, MAX_VALUE).split(",")
    words = tuple(part.strip().strip('"').lower() for part in parts)
    if len(words) > 1 and not all(words):
        raise ParseError(f"{assignment.where}: expected addresses between commas, found none")
    return tuple(word for word in words if word)


def _channels(found: Mapping[str, Assignment], name: str) -> tuple[ReplicationChannel, ...]:
    given = [found[f"{name}{index}"] for index in _CHANNELS if f"{name}{index}" in found]
    return tuple(
        channel for each in given for channel in parse_replconninfo(each.value, each.where)
    )


def _dolphin_port(found: Mapping[str, Assignment]) -> Optional[int]:
    """Return the port of MySQL's protocol, with the server's own default (guc_network.cpp)."""
    enabled = found.get("enable_dolphin_proto")
    if enabled is None or not truth(enabled):
        return None
    return _port(found.get("dolphin_server_port")) or _DOLPHIN_PORT


def _dms_instances(found: Mapping[str, Assignment]) -> tuple[ListedInstance, ...]:
    given = found.get("ss_interconnect_url")
    return parse_instances(given.value, given.where) if given else ()
