"""The real exporter, as a child process."""

from __future__ import annotations

import signal

from tests.support.exporter_process import ExporterProcess


def test_it_becomes_ready_by_itself_and_serves_its_page() -> None:
    """Nobody has to scrape first, and the page names the node and every collector's success."""
    with ExporterProcess("installation: {node_name: ogdb1}") as exporter:
        took = exporter.wait_ready()
        page = exporter.metrics()
    print(f"start to ready: {took:.2f} s")  # noqa: T201  # a figure to look at, not a promise
    assert (
        'opengauss_node_info{cluster_id="",cluster_name="",node_id="",node_name="ogdb1"} 1' in page
    )
    assert 'collector_success{collector="node_info"} 1.0' in page


def test_sigterm_ends_it_cleanly() -> None:
    """An init system's stop is an exit status 0."""
    for number in (signal.SIGTERM, signal.SIGINT):
        with ExporterProcess() as exporter:
            exporter.wait_ready()
            exporter.signal(number)
            assert exporter.wait() == 0
