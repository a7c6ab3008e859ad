"""The exporter's own addresses: all of them, or a clear error and none."""

from __future__ import annotations

import socket

import pytest

from exporter.errors import ListenError
from exporter.web.listen import open_listeners


def reachable(host: str, port: int) -> bool:
    """Tell whether a connection to this address is taken."""
    try:
        socket.create_connection((host, port), 5).close()
    except OSError:
        return False
    return True


def test_no_host_is_every_address_of_both_families() -> None:
    """``:PORT`` answers on IPv4 and IPv6 alike."""
    (listener,) = open_listeners([("", 0)])
    port = listener.getsockname()[1]
    assert [reachable(host, port) for host in ("127.0.0.1", "::1")] == [True, True]
    listener.close()


@pytest.mark.parametrize(
    ("host", "other"), [("127.0.0.1", "::1"), ("::1", "127.0.0.1"), ("::", "127.0.0.1")]
)
def test_a_host_is_that_address_only(host: str, other: str) -> None:
    """An address of one family is not answered on the other; ``[::]`` is IPv6 alone."""
    (listener,) = open_listeners([(host, 0)])
    port = listener.getsockname()[1]
    assert reachable("::1" if host == "::" else host, port)
    assert not reachable(other, port)
    listener.close()


def test_a_port_in_use_is_an_error_that_leaves_nothing_open() -> None:
    """The error names the address, and the addresses before it are free again."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        probe = socket.create_server(("127.0.0.1", 0))
        free = probe.getsockname()[1]
        probe.close()
        address = taken.getsockname()
        with pytest.raises(ListenError, match=rf"127.0.0.1:{address[1]}: Address already in use"):
            open_listeners([("127.0.0.1", free), address])
    assert not reachable("127.0.0.1", free)


def test_a_name_that_does_not_resolve_is_an_error() -> None:
    """A wrong host name ends the start with its name."""
    with pytest.raises(ListenError, match=r"no\.such\.host\.invalid:1"):
        open_listeners([("no.such.host.invalid", 1)])
