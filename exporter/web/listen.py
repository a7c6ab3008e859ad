"""Opens the sockets that the exporter listens on. They are its own, never an endpoint's."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from exporter.errors import ListenError

_BACKLOG = 128


def open_listeners(addresses: Sequence[tuple[str, int]]) -> list[socket.socket]:
    """Listen on every address; raises ListenError, with nothing left open, when one cannot be had.

    An empty host is every address of the node, IPv6 included where the node has it.
    """
    opened: list[socket.socket] = []
    try:
        for host, port in addresses:
            opened += _listen(host, port)
    except OSError as error:
        for each in opened:
            each.close()
        raise ListenError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return opened


def address_text(name: Sequence[object]) -> str:
    """Write a socket's address as ``host:port``, an IPv6 host in brackets."""
    host, port = name[:2]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


def _listen(host: str, port: int) -> list[socket.socket]:
    if not host:
        return [_everywhere(port)]
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    targets = dict.fromkeys((family, name) for family, _, _, _, name in found)
    return [_bound(family, name) for family, name in targets]


def _everywhere(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        return _bound(socket.AF_INET6, ("::", port), dual_stack=True)
    return _bound(socket.AF_INET, ("0.0.0.0", port))  # noqa: S104 -- that is what was asked for


def _bound(family: int, name: tuple[object, ...], *, dual_stack: bool = False) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not dual_stack))
        listener.bind(name)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
