"""The page of a running exporter against the kernel: real sockets, real processes, nothing faked.

Every verdict is read over HTTP and compared with what a bind and listen says at that moment.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.ports.inspector import ALL_STATES_LONGEST_WAIT_SECONDS
from tests.support.exporter_process import ExporterProcess
from tests.support.holders import Holder, copy_interpreter
from tests.support.truth import Seen, seen, start_would_be_stopped

HERE = "127.0.0.1"
OTHER = "127.0.0.2"
PLACES = 24
OLD_SECONDS = 2 * ALL_STATES_LONGEST_WAIT_SECONDS
NOTHING = Seen(
    listening=False, foreign_owner=False, conflict=None, next_start_blocked=None, holders=()
)


def free_ports(count: int) -> list[int]:
    """Choose ports that nobody has, below those that the kernel gives to any connection."""
    free: list[int] = []
    start = 20000 + os.getpid() % 10000
    for port in range(start, start + 2000):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("0.0.0.0", port))  # noqa: S104 -- only to see that it is free
            free.append(port)
        if len(free) == count:
            break
    return free


class Node:
    """An exporter with many cm_servers, so that each test takes one of its own."""

    def __init__(self, exporter: ExporterProcess, ports: list[int]) -> None:
        self.exporter = exporter
        self._ports = ports
        self._taken = 0

    def take(self) -> tuple[str, int]:
        """Give a cm_server's instance id and its port."""
        self._taken += 1
        return str(self._taken), self._ports[self._taken - 1]

    def look(self, instance: str) -> Seen:
        """Scrape, and read one cm_server."""
        return seen(self.exporter.metrics(), endpoint="cm_server", instance_id=instance)

    def look_for(self, instance: str, relations: list[str]) -> Seen:
        """Scrape until the holders are these.

        Where the machine is busy a read of all states is dear, and what it gave stays for some
        seconds; a page in between is old, never wrong.
        """
        deadline = time.monotonic() + OLD_SECONDS
        page = self.look(instance)
        while page.relations != relations and time.monotonic() < deadline:
            page = self.look(instance)
        return page


def _config(ports: list[int]) -> str:
    entries = [
        f'  - {{endpoint: cm_server, instance_id: "{n}", port: {port}, addresses: [{HERE}]}}'
        for n, port in enumerate(ports, 1)
    ]
    return "\n".join(["endpoints:", *entries])


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    """A running exporter, shared by the tests of this file."""
    ports = free_ports(PLACES)
    with ExporterProcess(_config(ports)) as exporter:
        exporter.wait_ready()
        yield Node(exporter, ports)


@pytest.fixture(scope="module")
def cm_server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An executable of the name cm_server."""
    return copy_interpreter(tmp_path_factory.mktemp("app") / "bin", "cm_server")


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("listen,0.0.0.0,{port}", "foreign_listener"),
        ("listen,127.0.0.1,{port}", "foreign_listener"),
        ("listen,127.0.0.2,{port}", "other_address_listener"),
        ("dual,::,{port}", "ipv6_listener"),
        ("listen,::,{port},v6only", None),
        ("listen,::1,{port},v6only", None),
        ("connection,127.0.0.1,{port},noreuse", "connection"),
        ("connection,127.0.0.2,{port},noreuse", None),
        ("bound,127.0.0.1,{port},noreuse", "bound_not_listening"),
        ("bound,127.0.0.2,{port},noreuse", None),
        ("accepted,127.0.0.1,{port}", "foreign_listener"),
    ],
)
def test_the_page_says_what_a_start_would_meet(node: Node, spec: str, reason: str | None) -> None:
    """Each way to take the port gives its reason exactly when a start would be stopped."""
    instance, port = node.take()
    assert node.look(instance) == NOTHING
    with Holder(spec.format(port=port)) as holder:
        page = node.look_for(instance, ["foreign"])
        assert (page.conflict is not None) == start_would_be_stopped(HERE, port)
        assert page.conflict == reason
        assert page.foreign_owner
        assert page.holders[0]["pid"] == str(holder.pid)
    assert node.look_for(instance, []) == NOTHING


def test_an_own_listener_is_healthy_and_a_stranger_beside_it_is_latent(
    node: Node, cm_server: Path
) -> None:
    """A running cm_server holds its port; a listener elsewhere stops only its next start."""
    instance, port = node.take()
    with Holder(f"listen,{HERE},{port}", exe=cm_server) as own:
        page = node.look(instance)
        assert (page.listening, page.conflict, page.next_start_blocked) == (True, None, None)
        assert [(h["relation"], h["process"], h["pid"]) for h in page.holders] == [
            ("own", "cm_server", str(own.pid))
        ]
        with Holder(f"listen,{OTHER},{port}"):
            page = node.look(instance)
            assert (page.listening, page.conflict) == (True, None)
            assert page.next_start_blocked == "other_address_listener"
            assert page.relations == ["foreign", "own"]


def test_clients_of_an_own_listener_are_no_holders(node: Node, cm_server: Path) -> None:
    """Accepted connections stand under the listener, also for a client on the same host."""
    instance, port = node.take()
    with (
        Holder(f"accepted,{HERE},{port}", exe=cm_server),
        Holder(f"client,{HERE},{port}"),
    ):
        page = node.look(instance)
        assert (page.listening, page.relations) == (True, ["own"])


def test_two_holders_of_one_port_are_both_shown(node: Node, tmp_path: Path) -> None:
    """SO_REUSEPORT lets two programs listen; the page names both."""
    instance, port = node.take()
    other = copy_interpreter(tmp_path, "second_web")
    spec = f"listen,{HERE},{port},reuseport"
    with Holder(spec) as one, Holder(spec, exe=other) as two:
        page = node.look(instance)
        assert page.conflict == "foreign_listener"
        assert {h["pid"] for h in page.holders} == {str(one.pid), str(two.pid)}


def test_an_inherited_listener_has_two_holders_and_the_heir_alone_is_a_leftover(
    node: Node, cm_server: Path
) -> None:
    """A child keeps the socket when its parent dies: still the cluster's own, never foreign."""
    instance, port = node.take()
    with Holder(f"listen,{HERE},{port}", exe=cm_server) as parent:
        parent.command("fork")
        page = node.look(instance)
        assert (page.listening, page.conflict) == (True, None)
        assert sorted(page.relations) == ["own", "sibling"]
        parent.command("die")
        page = node.look(instance)
        assert not page.foreign_owner
        assert page.conflict in {None, "sibling", "leftover"}


def test_a_holder_that_leaves_takes_its_series_along(node: Node) -> None:
    """Between two scrapes a holder exits: no error, no stale series."""
    instance, port = node.take()
    with Holder(f"bound,{HERE},{port},noreuse") as holder:
        assert node.look_for(instance, ["foreign"]).conflict == "bound_not_listening"
        holder.kill()
        page = node.exporter.metrics()
        assert f'pid="{holder.pid}"' not in page
        assert seen(page, endpoint="cm_server", instance_id=instance).holders == ()
        assert 'opengauss_exporter_collector_success{collector="ports"} 1.0' in page


def test_a_killed_server_with_open_clients_is_no_conflict(node: Node, cm_server: Path) -> None:
    """What a crash leaves behind (FIN_WAIT, TIME_WAIT, clients in CLOSE_WAIT) blocks nothing."""
    instance, port = node.take()
    with Holder(f"accepted,{HERE},{port}", exe=cm_server) as server:
        clients = [Holder(f"client,{HERE},{port}") for _ in range(5)]
        server.kill()
        for _ in range(15):
            page = node.look(instance)
            assert (page.conflict, page.foreign_owner, page.listening) == (None, False, False)
            assert not start_would_be_stopped(HERE, port)
        for client in clients:
            client.stop()
        for _ in range(15):
            assert node.look(instance).conflict is None


def test_a_clients_time_wait_is_not_called_foreign(node: Node) -> None:
    """It does stop a bind, but nobody owns it: without a bind that failed nothing is claimed."""
    instance, port = node.take()
    with Holder(f"timewait,{HERE},{port},noreuse"):
        assert start_would_be_stopped(HERE, port)
        page = node.look(instance)
        assert (page.conflict, page.foreign_owner, page.holders) == (None, False, ())


@pytest.mark.privileged
def test_a_port_of_another_network_namespace_is_none_of_ours(node: Node) -> None:
    """A container's listener on the same number is no conflict here."""
    instance, port = node.take()
    up = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
    with Holder(f"listen,0.0.0.0,{port}", prefix=up):
        page = node.look(instance)
        assert (page.conflict, page.holders) == (None, ())


@pytest.mark.privileged
def test_a_holder_of_another_user_is_named_to_root(node: Node) -> None:
    """Root sees pid, name, user and executable of a stranger."""
    instance, port = node.take()
    with Holder(f"listen,{HERE},{port}", options=("--uid", "65534")) as holder:
        (found,) = node.look(instance).holders
        assert (found["pid"], found["user"], found["relation"]) == (
            str(holder.pid),
            "nobody",
            "foreign",
        )
        assert found["exe"].startswith("/")
        assert found["process"]


@pytest.mark.privileged
def test_without_privilege_a_stranger_is_foreign_by_its_uid_alone() -> None:
    """The cluster's user sees another user's holder with pid 0 and that user's name."""
    (port,) = free_ports(1)
    unprivileged = ("setpriv", "--reuid=65533", "--clear-groups", "--regid=65533", "--")
    with ExporterProcess(_config([port]), prefix=unprivileged) as exporter:
        with Holder(f"listen,{HERE},{port}", options=("--uid", "65534")):
            page = exporter.metrics()
        found = seen(page, endpoint="cm_server", instance_id="1")
        assert found.conflict == "foreign_listener"
        assert [(h["pid"], h["user"], h["exe"]) for h in found.holders] == [("0", "nobody", "")]
        assert 'opengauss_port_attribution{level="uid"} 1.0' in page


@pytest.mark.privileged
def test_the_endpoints_port_is_never_touched(tmp_path: Path) -> None:
    """Traced through start, scrapes and end, the exporter binds and connects no endpoint's port."""
    port, web_port = free_ports(2)
    trace = tmp_path / "trace"
    strace = ("strace", "-D", "-f", "-qq", "-e", "trace=bind,connect,sendmsg", "-o", str(trace))
    web = (f"127.0.0.1:{web_port}",)
    with ExporterProcess(_config([port]), prefix=strace, listen=web) as exporter:
        exporter.wait_ready()
        with Holder(f"listen,{HERE},{port}"):
            page = exporter.metrics()
        assert seen(page, endpoint="cm_server", instance_id="1").conflict == "foreign_listener"
    calls = trace.read_text(encoding="utf-8")
    assert f"htons({web_port})" in calls, "the trace must show what it can show"
    assert f"htons({port})" not in calls
