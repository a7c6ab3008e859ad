"""How long a conflict needs to reach people, at the pace that the documents recommend."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.table import Row, at_most
from tests.support.exporter_process import ExporterProcess
from tests.support.holders import Holder
from tests.support.monitoring import DESIGNED, Monitoring, Target
from tests.support.webhook import Notification

FREE = 5.0  # how long Prometheus watches the free port before it is taken


def rows() -> Iterator[Row]:
    """Measure from the listener's start to the arrival of the page that names it."""
    with Holder("listen,127.0.0.1,0") as found:
        port = found.port  # free again in a moment, and below nobody's range
    config = (
        "installation: {node_name: ogdb1, node_id: 1}\n"
        f'endpoints: [{{endpoint: cm_server, instance_id: "1", port: {port}}}]\n'
    )
    with tempfile.TemporaryDirectory() as directory, ExporterProcess(config) as exporter:
        target = Target(f"127.0.0.1:{exporter.port}", {"cluster": "c"})
        with Monitoring(Path(directory), [target], pace=DESIGNED) as monitoring:
            monitoring.wait_until(lambda: monitoring.query("opengauss_port_conflict"))
            time.sleep(FREE)
            start = time.monotonic()
            with Holder(f"listen,127.0.0.1,{port}") as holder:
                page = monitoring.wait_for_notification(_is_page, within=90.0)
                took = time.monotonic() - start
                _check(page, holder)
    yield at_most("conflict to the page at the receiver, 5 s scrapes and rules", took, 40, "s")


def _is_page(notification: Notification) -> bool:
    return notification.receiver == "page" and bool(notification.alerts())


def _check(page: Notification, holder: Holder) -> None:
    """Raise AssertionError unless the page names node, port, process, pid and user."""
    (alert,) = page.alerts()
    description = alert["annotations"]["description"]
    told = (f"node ogdb1: port {holder.port}", f", pid {holder.pid}, ", ", user ", "process ")
    missing = [words for words in told if words not in description]
    if missing:
        raise AssertionError(f"the page does not tell {missing}: {description}")
