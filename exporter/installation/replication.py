"""``replconninfoN`` and the lists of instances with their addresses.

``localhost=10.0.0.1 localport=15401 localheartbeatport=15405 remotehost=…``: openGauss-server
guc_storage.cpp ParseReplConnInfo looks for each key, passes blanks and ``=`` and takes what
stands before the next blank, the first time if a key stands twice; a comma begins another channel.

``0:10.0.0.1:1611,1:10.0.0.2:1611``: number, address and port of every instance.
"""

from __future__ import annotations

import re

from exporter.errors import ParseError
from exporter.host.text import MAX_VALUE, bounded, port_number, shown
from exporter.installation.facts import ListedInstance, ReplicationChannel

_PAIR = re.compile(
    r"\b(localhost|localport|localheartbeatport|remotehost|remoteport)[ \t=]+([^ \t=]+)",
    re.IGNORECASE,
)
_ENTRY = re.compile(r"\s*([0-9]{1,10})\s*:\s*(\[[\w.:%-]+\]|[\w.:%-]+?)\s*:\s*([0-9]{1,5})\s*")
_PORTS = ("localport", "remoteport", "localheartbeatport")
MAX_INSTANCES = 64


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
        words.get("remotehost", ""),
        ports.get("remoteport", 0),
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
