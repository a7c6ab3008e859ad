"""A receiver of Alertmanager's webhooks, inside the test."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

from tests.support.loopback import Answer, Loopback


@dataclass(frozen=True)
class Notification:
    """One POST of Alertmanager: for which receiver, when (monotonic seconds), what."""

    receiver: str
    received: float
    body: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The whole body as readable text."""
        return json.dumps(self.body, ensure_ascii=False, indent=1)

    @property
    def cluster(self) -> str:
        """The cluster that the whole group is about; empty without one."""
        return str(self.body["commonLabels"].get("cluster", ""))

    def alerts(self, status: str = "firing") -> list[Mapping[str, Any]]:
        """Return the alerts of one status."""
        return [alert for alert in self.body["alerts"] if alert["status"] == status]

    def names(self, status: str = "firing") -> list[str]:
        """Return the sorted names of the alerts of one status."""
        return sorted(alert["labels"]["alertname"] for alert in self.alerts(status))


@final
class WebhookReceiver(Loopback):
    """Keeps every notification; the path of its URL says which receiver it stands for."""

    def __init__(self) -> None:
        self._arrived = threading.Condition()
        self._all: list[Notification] = []
        super().__init__(self._keep)

    def url(self, receiver: str) -> str:
        """Where one of Alertmanager's receivers shall post."""
        return f"http://{self.address}/{receiver}"

    def received(self) -> list[Notification]:
        """Return everything that has arrived, in order."""
        with self._arrived:
            return list(self._all)

    def wait_for(self, wanted: Callable[[Notification], bool], within: float) -> Notification:
        """Wait for the first notification of this kind; raises TimeoutError with what came."""
        deadline = time.monotonic() + within
        with self._arrived:
            while True:
                for notification in self._all:
                    if wanted(notification):
                        return notification
                left = deadline - time.monotonic()
                if left <= 0 or not self._arrived.wait(left):
                    came = "\n".join(n.text for n in self._all) or "nothing"
                    raise TimeoutError(f"not notified within {within} s; what came: {came}")

    def _keep(self, path: str, posted: bytes) -> Answer:
        notification = Notification(path.strip("/"), time.monotonic(), json.loads(posted))
        with self._arrived:
            self._all.append(notification)
            self._arrived.notify_all()
        return Answer(200)
