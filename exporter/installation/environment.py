"""An environment as ``env -0`` prints it and as ``/proc/PID/environ`` shows it."""

from __future__ import annotations

from collections.abc import Mapping

from exporter.errors import ParseError

MAX_BYTES = 1 << 20
VARIABLES = (
    "GAUSSHOME",
    "GAUSSLOG",
    "DSS_HOME",
    "LD_LIBRARY_PATH",
    "GS_CLUSTER_NAME",
    "MPPDB_ENV_SEPARATE_PATH",
    "PGHOST",
    "PATH",
    "TZ",
)
"""What is read of an environment; all the rest, secrets among it, is passed over."""


def parse_environment(data: bytes, source: str = "environment") -> Mapping[str, str]:
    """Read the variables of VARIABLES that are set and not empty.

    Raises ParseError when nothing in the data is an assignment, or when it is too long. A last
    assignment without its NUL byte is passed over: it may be cut off.
    """
    if len(data) > MAX_BYTES:
        raise ParseError(f"{source}: expected at most {MAX_BYTES} bytes, found {len(data)}")
    entries = [entry.partition(b"=") for entry in data.split(b"\0")[:-1]]
    if not any(equals and name for name, equals, _ in entries):
        raise ParseError(f"{source}: expected NAME=value with a NUL behind it, found none")
    named = {name.decode("utf-8", "replace"): value for name, _, value in reversed(entries)}
    return {name: named[name].decode("utf-8", "replace") for name in VARIABLES if named.get(name)}
