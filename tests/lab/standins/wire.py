"""Talk as CM's programs talk to each other: the start-up packet, the refusals, then lines of JSON.

The packet is what the holder of a CM port saw in the recordings; what follows it is the lab's own,
for nobody else reads it.
"""

from __future__ import annotations

import errno
import json
import os
import pwd
import socket
import struct
from typing import Any

_PACKET_BYTES = 128
_USER_BYTES = 32
_NAME_BYTES = 64
_AUTHENTICATE = b"R"
_REFUSE = b"E"
NOT_PRIMARY = "local cmserver is not the primary"
CLOSED = (
    "server closed the connection unexpectedly\n"
    "\tThis probably means the server terminated abnormally\n"
    "\tbefore or while processing the request.\n"
)


class ConnectError(Exception):
    """No conversation came about; the text is the one that CM's client library gives."""


class Conversation:
    """One connection; each side sends and receives one JSON value a line."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._rest = b""

    def send(self, value: object) -> None:
        """Send one value; raise OSError when the other side is gone."""
        self.connection.sendall(json.dumps(value).encode() + b"\n")

    def receive(self) -> Any:  # noqa: ANN401  # whatever JSON the other side sent
        """Return the next value; raise OSError on a time-out or when the other side is gone."""
        while b"\n" not in self._rest:
            chunk = self.connection.recv(65536)
            if not chunk:
                raise ConnectionResetError
            self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        return json.loads(line)

    def ask(self, value: object) -> Any:  # noqa: ANN401  # as above
        """Send one value and return the answer."""
        self.send(value)
        return self.receive()

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def user_name() -> str:
    """Return the name of the user that this process runs as; its number when it has none."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def connect(
    target: tuple[str, int], local: str, name: str, *, user: str, timeout: float = 2.0
) -> Conversation:
    """Connect to a cm_server from a local address; raise ConnectError as libpq words it."""
    try:
        connection = _reach(target, local, timeout)
    except socket.timeout as slow:
        raise ConnectError("timeout expired\n") from slow
    except OSError as refused:
        raise ConnectError(_refused(target)) from refused
    try:
        connection.sendall(_packet(user, name))
        _check(_greeting(connection))
    except ConnectError:
        connection.close()
        raise
    except OSError as gone:
        connection.close()
        expired = isinstance(gone, socket.timeout)
        raise ConnectError("timeout expired\n" if expired else CLOSED) from gone
    return Conversation(connection)


def _reach(target: tuple[str, int], local: str, timeout: float) -> socket.socket:
    """Connect from the node's own address, or from any where that one is not known."""
    try:
        return socket.create_connection(target, timeout, source_address=(local, 0))
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise
    return socket.create_connection(target, timeout)


def accept(connection: socket.socket) -> tuple[str, str]:
    """Read the start-up packet; return user and name, or raise OSError for a stranger's bytes."""
    head = _exactly(connection, 5)
    if head[:1] != b"A" or struct.unpack("!I", head[1:])[0] != _PACKET_BYTES:
        raise ConnectionAbortedError
    body = _exactly(connection, _PACKET_BYTES - 4)
    user = body[:_USER_BYTES].rstrip(b"\0").decode()
    return user, body[_USER_BYTES : _USER_BYTES + _NAME_BYTES].rstrip(b"\0").decode()


def admit(connection: socket.socket) -> Conversation:
    """Let a client in."""
    connection.sendall(_AUTHENTICATE + struct.pack("!II", 8, 0))
    return Conversation(connection)


def refuse(connection: socket.socket, reason: str) -> None:
    """Tell a client why not, and close."""
    text = reason.encode()
    connection.sendall(_REFUSE + struct.pack("!I", 4 + len(text)) + text)
    connection.close()


def _packet(user: str, name: str) -> bytes:
    body = user.encode().ljust(_USER_BYTES, b"\0") + name.encode().ljust(_NAME_BYTES, b"\0")
    return b"A" + struct.pack("!I", _PACKET_BYTES) + body.ljust(_PACKET_BYTES - 4, b"\0")


def _greeting(connection: socket.socket) -> bytes:
    first = _exactly(connection, 1)
    if first not in {_AUTHENTICATE, _REFUSE}:
        return first
    (length,) = struct.unpack("!I", _exactly(connection, 4))
    return first + _exactly(connection, length - 4)


def _check(greeting: bytes) -> None:
    if greeting[:1] == _REFUSE:
        raise ConnectError(greeting[1:].decode())
    if greeting[:1] != _AUTHENTICATE:
        received = greeting.decode("latin-1")
        raise ConnectError(
            f"expected authentication request from server, but received {received}\n"
        )


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        chunk = connection.recv(count - len(data))
        if not chunk:
            raise ConnectionResetError
        data += chunk
    return data


def _refused(target: tuple[str, int]) -> str:
    return (
        "could not connect to server: \n"
        f'\tIs the server running on host "{target[0]}" and accepting\n'
        f"\tTCP/IP connections on port {target[1]}?\n"
    )
