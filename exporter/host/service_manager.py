"""What systemd wants to hear of a service of Type=notify, see sd_notify(3).

The protocol is a datagram of ``NAME=value`` lines to the socket that the environment names. It is
small, stable, and does not need a library.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Optional

import structlog

_MICROSECONDS = 1_000_000


class ServiceManager:
    """The manager that the environment names; without one everything here does nothing."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self.watchdog_seconds = _watchdog(environment) if self._address else None

    def tell(self, state: str) -> None:
        """Send a state such as ``READY=1``; one that cannot be sent is logged."""
        if not self._address:
            return
        # "@" stands for the NUL that an abstract address begins with
        name = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
                client.setblocking(False)  # noqa: FBT003 -- the socket module's own signature
                client.sendto(state.encode(), name)
        except OSError as error:
            structlog.get_logger().warning(
                "service manager not told", state=state, error=error.strerror
            )


def _watchdog(environment: Mapping[str, str]) -> Optional[float]:
    """Return within how many seconds each WATCHDOG=1 is due; None: nobody waits for any."""
    meant_for = environment.get("WATCHDOG_PID", "")
    if meant_for and meant_for != str(os.getpid()):
        return None
    microseconds = environment.get("WATCHDOG_USEC", "")
    return int(microseconds) / _MICROSECONDS if microseconds.isdecimal() else None
