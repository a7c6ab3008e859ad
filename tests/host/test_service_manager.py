"""The service manager hears what sd_notify(3) says it should."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter.host.service_manager import ServiceManager


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An address as systemd names it."""
    return str(tmp_path / "s") if request.param == "path" else f"@exporter-{os.getpid()}"


@pytest.fixture
def manager(address: str) -> Iterator[socket.socket]:
    """The manager's end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind("\0" + address[1:] if address.startswith("@") else address)
        server.settimeout(10)
        yield server


def test_a_state_arrives_as_one_datagram(manager: socket.socket, address: str) -> None:
    """By path or by abstract address."""
    ServiceManager({"NOTIFY_SOCKET": address}).tell("READY=1")
    assert manager.recv(100) == b"READY=1"


def test_without_a_manager_nothing_happens() -> None:
    """Started by hand, there is nobody to tell, and no watchdog, whatever else is set."""
    alone = ServiceManager({"WATCHDOG_USEC": "1000000"})
    with capture_logs() as logs:
        alone.tell("READY=1")
    assert (logs, alone.watchdog_seconds) == ([], None)


def test_a_manager_that_does_not_listen_is_no_crash(tmp_path: Path) -> None:
    """What cannot be sent is logged."""
    with capture_logs() as logs:
        ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell("WATCHDOG=1")
    assert [(entry["log_level"], entry["state"]) for entry in logs] == [("warning", "WATCHDOG=1")]


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_ours_when_it_names_us(environment: dict[str, str], seconds: float) -> None:
    """Another process's watchdog, or none, is not fed."""
    assert ServiceManager({"NOTIFY_SOCKET": "/x", **environment}).watchdog_seconds == seconds
