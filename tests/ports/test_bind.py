"""The kernel's bind rules, held against the kernel that runs the tests."""

from __future__ import annotations

import errno
import itertools
import socket as so
from ipaddress import ip_address

import pytest

from exporter.ports.bind import Covers, covers, holds_all
from exporter.ports.facts import Endpoint, Socket, TcpState

WILD4, LOOP4, OTHER4 = "0.0.0.0", "127.0.0.1", "127.0.0.2"  # noqa: S104 -- a rule's subject
WILD6, LOOP6, MAPPED = "::", "::1", "::ffff:127.0.0.1"
TAKEN = [
    (WILD4, False),
    (LOOP4, False),
    (OTHER4, False),
    (WILD6, False),
    (WILD6, True),
    (LOOP6, False),
    (MAPPED, False),
]


def _open(address: str, port: int, *, v6only: bool) -> so.socket:
    family = so.AF_INET6 if ":" in address else so.AF_INET
    sock = so.socket(family, so.SOCK_STREAM)
    sock.setsockopt(so.SOL_SOCKET, so.SO_REUSEADDR, 1)
    if family == so.AF_INET6:
        sock.setsockopt(so.IPPROTO_IPV6, so.IPV6_V6ONLY, v6only)
    try:
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return sock


def _bind_fails(address: str, port: int) -> bool:
    """Ask the kernel as CM's servers do: SO_REUSEADDR, and IPV6_V6ONLY on IPv6."""
    try:
        _open(address, port, v6only=True).close()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return True
    return False


def _as_fact(listener: so.socket, *, v6only: bool) -> Socket:
    name = listener.getsockname()
    address = ip_address(name[0])
    family = address.version
    mapped = getattr(address, "ipv4_mapped", None)
    return Socket(
        family=family,
        state=TcpState.LISTEN,
        address=mapped or address,
        port=name[1],
        uid=0,
        inode=1,
        v6only=v6only if family == 6 else None,
    )


@pytest.mark.parametrize(
    ("taken", "wanted"), itertools.product(TAKEN, [WILD4, LOOP4, OTHER4, WILD6, LOOP6])
)
def test_covers_says_what_bind_says(taken: tuple[str, bool], wanted: str) -> None:
    """For every pair of listener and wanted address the rule and a real bind() agree."""
    address, v6only = taken
    with _open(address, 0, v6only=v6only) as listener:
        listener.listen()
        fact = _as_fact(listener, v6only=v6only)
        said = covers(fact, ip_address(wanted)) is Covers.YES
        assert said == _bind_fails(wanted, fact.port)


def test_without_the_v6only_flag_nothing_is_claimed() -> None:
    """A listener on [::] read from /proc may or may not be in the way of IPv4."""
    sock = Socket(6, TcpState.LISTEN, ip_address(WILD6), 1, 0, 1, v6only=None)
    assert covers(sock, ip_address(LOOP4)) is Covers.MAYBE


@pytest.mark.parametrize(
    ("listeners", "addresses", "held"),
    [
        ([LOOP4], None, True),
        ([], None, False),
        ([LOOP4], (), False),
        ([WILD4], (), True),
        ([WILD6], (), True),
        ([LOOP4], (LOOP4,), True),
        ([LOOP4], (LOOP4, OTHER4), False),
        ([LOOP4, OTHER4], (LOOP4, OTHER4), True),
        ([WILD4], (LOOP4, OTHER4), True),
        ([WILD4], (LOOP4, LOOP6), False),
        ([WILD6], (LOOP4, LOOP6), True),
    ],
)
def test_listening_means_every_address(
    listeners: list[str], addresses: tuple[str, ...] | None, held: bool
) -> None:
    """A component listens only when each address that it must bind reaches one of its sockets."""
    bound = None if addresses is None else tuple(ip_address(a) for a in addresses)
    endpoint = Endpoint("cm_server", "1", 1, "cm_server", "cm_server", bound)
    sockets = [
        Socket(
            family=ip_address(a).version,
            state=TcpState.LISTEN,
            address=ip_address(a),
            port=1,
            uid=0,
            inode=1,
            v6only=False,
        )
        for a in listeners
    ]
    assert holds_all(sockets, endpoint) is held
