"""One Prometheus and Alertmanager for all tests of what arrives: clusters side by side.

``real`` has two foreign holders of its CM port, ``healthy`` none, ``hostile`` holders whose names
and control groups were chosen to mislead, and ``page`` is a page with a hostile process name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from tests.support.exporter_process import ExporterProcess
from tests.support.holders import Holder
from tests.support.monitoring import Monitoring, Target
from tests.support.pages import Pages, series
from tests.support.services import holder_in, service, service_name
from tests.support.webhook import Notification

WITHIN = 60.0
REBOOT = "$(reboot)\n'`<b>"
ALONE, CROWDED, DIVIDED = service_name("alone"), service_name("crowded"), service_name("divided")
CRON = f"cron-{service_name('jobs')}"
PORT = {"endpoint": "cm_server", "instance_id": "1", "port": "15300"}
ON_THE_PAGE = {
    **PORT,
    "relation": "foreign",
    "process": "$(reboot)\n- On ogdb9: kill 1",
    "user": "`id`",
    "exe": "/opt/<script>",
    "unit": "",
    "container": "",
    "address": "0.0.0.0",  # noqa: S104 -- what the holder binds
}


@dataclass
class Arrived:
    """What the webhook got, and who held what meanwhile."""

    received: list[Notification] = field(default_factory=list)
    holders: dict[str, Holder] = field(default_factory=dict)

    def about(self, cluster: str) -> list[Mapping[str, Any]]:
        """Return the firing alerts of the one page about a cluster."""
        (page,) = (each for each in self.received if is_page(cluster, each))
        return page.alerts()

    def alert(self, cluster: str, instance_id: str = "1") -> Mapping[str, Any]:
        """Return the one firing alert about a cm_server."""
        alerts = self.about(cluster)
        (found,) = (each for each in alerts if each["labels"]["instance_id"] == instance_id)
        return found


def is_page(cluster: str, notification: Notification) -> bool:
    """Tell whether a notification is a page about a cluster."""
    return notification.receiver == "page" and notification.cluster == cluster


def page_of(name: str, conflict: int) -> str:
    """Write a page of a node whose CM port is or is not in conflict."""
    info = {"node_id": "1", "node_name": name, "cluster_name": "c", "cluster_id": name}
    return series("opengauss_node_info", 1, **info) + series(
        "opengauss_port_conflict", conflict, reason="foreign_listener", **PORT
    )


def page_of_a_hostile_process() -> str:
    """Write a page of a node whose CM port is held by a process with a hostile name."""
    pid = series("opengauss_port_holder_pid", 4712, **ON_THE_PAGE)
    start = series("opengauss_port_holder_start_time_seconds", 1792752000, **ON_THE_PAGE)
    return page_of("ogdb9", 1) + pid + start


def exporter(name: str, *holders: Holder) -> ExporterProcess:
    """Start an exporter with a cm_server on the port of each of these processes."""
    entries = "".join(
        f'  - {{endpoint: cm_server, instance_id: "{number}", addresses: [127.0.0.1],'
        f" port: {holder.port}}}\n"
        for number, holder in enumerate(holders, 1)
    )
    head = f"installation: {{node_name: {name}, node_id: 1}}\n"
    return ExporterProcess(f"{head}endpoints:\n{entries}")


def hostile_holders(stack: ExitStack) -> dict[str, Holder]:
    """Start five holders: a hostile name, and four kinds of unit."""
    spec = "listen,127.0.0.1,0"
    alone = stack.enter_context(service(ALONE))
    crowded = stack.enter_context(service(CROWDED))
    divided = stack.enter_context(service(DIVIDED, f"{ALONE};reboot.service"))
    cron = stack.enter_context(service(CRON))
    stack.enter_context(holder_in(crowded, spec, "om_monitor"))
    options = ("--name-hex", REBOOT[:15].encode().hex())
    return {
        "named": stack.enter_context(Holder(spec, options=options)),
        "alone": stack.enter_context(holder_in(alone, spec)),
        "crowded": stack.enter_context(holder_in(crowded, spec)),
        "divided": stack.enter_context(holder_in(divided, spec)),
        "cron": stack.enter_context(holder_in(cron, spec)),
    }


@pytest.fixture(scope="module")
def arrived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arrived]:
    """Let all four clusters be seen, and wait for the pages of those in conflict."""
    result = Arrived()
    with ExitStack() as stack:
        first = stack.enter_context(Holder("listen,127.0.0.1,0"))
        second = stack.enter_context(Holder(f"listen,127.0.0.2,{first.port}"))
        result.holders = {"first": first, "second": second}
        pages = stack.enter_context(Pages())
        pages.show("ogdb2", page_of("ogdb2", 0))
        pages.show("ogdb9", page_of_a_hostile_process())
        real = stack.enter_context(exporter("ogdb1", first))
        targets = [
            Target(f"127.0.0.1:{real.port}", {"cluster": "real"}),
            pages.target("ogdb2", {"cluster": "healthy"}),
            pages.target("ogdb9", {"cluster": "page"}),
        ]
        if os.geteuid() == 0:
            hostile = hostile_holders(stack)
            result.holders.update(hostile)
            other = stack.enter_context(exporter("ogdb8", *hostile.values()))
            targets.append(Target(f"127.0.0.1:{other.port}", {"cluster": "hostile"}))
        directory = tmp_path_factory.mktemp("monitoring")
        monitoring = stack.enter_context(Monitoring(directory, targets))
        for target in targets:
            cluster = target.labels["cluster"]
            if cluster != "healthy":
                monitoring.wait_for_notification(partial(is_page, cluster), WITHIN)
        result.received = monitoring.webhook.received()
        yield result
