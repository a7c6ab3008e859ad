"""The real exporter, as a child process."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.exporter_process import PATIENCE_SECONDS, ExporterProcess, run_once
from tests.support.promtool import check_metrics

GOOD = "installation: {node_name: ogdb1}"
BETTER = "installation: {node_name: ogdb2}"
BAD = "installation: {nodename: ogdb3}"


def value(page: str, name: str) -> float:
    """Read one sample of a page."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE)
    assert found, f"{name} is missing"
    return float(found[1])


def node_name(page: str) -> str:
    """Read the node's name off a page."""
    found = re.search(r'opengauss_node_info\{.*node_name="([^"]*)"', page)
    assert found
    return found[1]


def test_it_becomes_ready_by_itself_and_serves_its_page() -> None:
    """Nobody has to scrape first; the page names the node and is clean to promtool."""
    with ExporterProcess(GOOD) as exporter:
        took = exporter.wait_ready()
        page = exporter.metrics()
    print(f"start to ready: {took:.2f} s")  # noqa: T201  # a figure to look at, not a promise
    assert node_name(page) == "ogdb1"
    assert value(page, 'opengauss_exporter_collector_success{collector="node_info"}') == 1
    check_metrics(page.encode())


def test_without_a_configuration_the_node_has_the_hosts_name() -> None:
    """Something names the node, whatever is or is not installed on it."""
    with ExporterProcess() as exporter:
        assert node_name(exporter.metrics()) == socket.gethostname()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_end_ends_it_cleanly(number: signal.Signals) -> None:
    """An init system's stop is an exit status 0, idle connections or not."""
    with ExporterProcess() as exporter:
        idle = http.client.HTTPConnection("127.0.0.1", exporter.port)
        idle.request("GET", "/-/healthy")
        idle.getresponse().read()
        exporter.signal(number)
        assert exporter.wait() == 0
        complaints = [e for e in exporter.events if e["level"] not in {"info", "debug"}]
        # Nothing is installed where the tests run, and the log tells it.
        assert {e["msg"] for e in complaints} <= {"not found", "cm_ctl query"}
        idle.close()


def test_several_addresses_of_both_families() -> None:
    """Every ``--web.listen-address`` is answered on."""
    with ExporterProcess(listen=("127.0.0.1:0", "[::1]:0", "localhost:0")) as exporter:
        exporter.wait_ready()
        listening = [e["address"] for e in exporter.events if e["msg"] == "listening"]
        assert len(listening) >= 3
        for address in listening:
            host, _, port = address.rpartition(":")
            connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=30)
            connection.request("GET", "/-/healthy")
            assert connection.getresponse().read() == b"healthy\n"
            connection.close()
    assert {address.rpartition(":")[0] for address in listening} >= {"127.0.0.1", "[::1]"}


def test_an_address_in_use_is_exit_status_1() -> None:
    """The message names the address, and nothing is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with ExporterProcess(listen=(address,)) as exporter:
            assert exporter.wait() == 1
    assert [e["msg"] for e in exporter.events if e["level"] == "error"] == [
        f"cannot listen on {address}: Address already in use"
    ]
    assert "listening" not in {e["msg"] for e in exporter.events}


def test_a_user_that_is_not_there_is_exit_status_78() -> None:
    """What the configuration names must exist; nothing is started without it."""
    with ExporterProcess("installation: {user: nobody-of-that-name}") as exporter:
        assert exporter.wait() == 78
    assert [event["msg"] for event in exporter.events] == [
        "opengauss-cm-exporter: installation.user: no user 'nobody-of-that-name' here"
    ]


def test_sighup_applies_a_new_configuration() -> None:
    """The next page is the new configuration's, and tells when it was read."""
    with ExporterProcess(GOOD) as exporter:
        before = exporter.metrics()
        exporter.config_file.write_text(BETTER, encoding="utf-8")
        exporter.signal(signal.SIGHUP)
        exporter.wait_for("configuration reloaded")
        after = exporter.metrics()
    assert (node_name(before), node_name(after)) == ("ogdb1", "ogdb2")
    moment = "opengauss_exporter_config_last_reload_success_timestamp_seconds"
    assert value(after, moment) > value(before, moment)
    assert value(after, "opengauss_exporter_config_last_reload_successful") == 1


def test_a_bad_new_configuration_changes_nothing_but_the_metric() -> None:
    """The old one stays in force, log and metric say so, and a good one heals it."""
    with ExporterProcess(GOOD) as exporter:
        exporter.wait_ready()
        exporter.config_file.write_text(BAD, encoding="utf-8")
        exporter.signal(signal.SIGHUP)
        failed = exporter.wait_for("reload failed, the old configuration stays in force")
        page = exporter.metrics()
        assert "nodename" in failed["problem"]
        assert failed["level"] == "error"
        assert node_name(page) == "ogdb1"
        assert value(page, "opengauss_exporter_config_last_reload_successful") == 0
        assert exporter.get("/-/ready").status == 200
        exporter.config_file.write_text(BETTER, encoding="utf-8")
        exporter.signal(signal.SIGHUP)
        exporter.wait_for("configuration reloaded")
        page = exporter.metrics()
    assert node_name(page) == "ogdb2"
    assert value(page, "opengauss_exporter_config_last_reload_successful") == 1


def test_reload_over_http_is_an_option() -> None:
    """With ``--web.enable-lifecycle`` a POST reloads and tells all that is wrong, else 403."""
    with ExporterProcess(GOOD) as exporter:
        assert exporter.get("/-/reload", method="POST").status == 403
    with ExporterProcess(GOOD, "--web.enable-lifecycle") as exporter:
        assert exporter.get("/-/reload").status == 405
        assert exporter.get("/-/reload", method="POST").status == 200
        exporter.config_file.write_text(BAD, encoding="utf-8")
        refused = exporter.get("/-/reload", method="POST")
        assert refused.status == 500
        assert "nodename" in refused.text
        assert exporter.config_file.name in refused.text


def test_many_reloads_at_once_are_all_answered() -> None:
    """However many ask, nobody is left waiting, and the exporter goes on."""
    with ExporterProcess(GOOD, "--web.enable-lifecycle") as exporter:
        exporter.wait_ready()
        with ThreadPoolExecutor(20) as pool:
            answers = pool.map(lambda _: exporter.get("/-/reload", method="POST").status, range(60))
            assert set(answers) == {200}
        deadline = time.monotonic() + PATIENCE_SECONDS
        while exporter.get("/-/ready").status != 200:
            assert time.monotonic() < deadline, "the collectors of the last reload never succeeded"
        assert value(exporter.metrics(), "process_open_fds") < 40
        assert len(list(Path(f"/proc/{exporter.pid}/task").iterdir())) < 25


def test_few_file_descriptors_are_shared_fairly() -> None:
    """With 40 file descriptors, clients get half of them, and scrapes go on beside a crowd."""
    with ExporterProcess(prefix=("prlimit", "--nofile=40")) as exporter, ExitStack() as stack:
        exporter.wait_ready()
        for _ in range(60):
            client = socket.create_connection(("127.0.0.1", exporter.port), 30)
            stack.callback(client.close)
            client.sendall(b"GET /")
        page = exporter.metrics()
    assert value(page, "process_open_fds") <= 40
    success = re.findall(r"^opengauss_exporter_collector_success\S+ (\S+)$", page, re.MULTILINE)
    assert set(success) == {"1.0"}
    refused = 'opengauss_exporter_web_refusals_total{reason="connection_limit"}'
    assert value(page, refused) >= 40


def test_once_writes_one_clean_page() -> None:
    """``once`` is for the textfile collector: the page on stdout, 0 when all collectors worked."""
    done = run_once("installation: {node_name: ogdb1}")
    assert done.returncode == 0
    check_metrics(done.stdout)
    assert node_name(done.stdout.decode()) == "ogdb1"


def test_the_service_manager_hears_of_its_life(tmp_path: Path) -> None:
    """READY once it listens, WATCHDOG from then on, STOPPING when told to end."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(PATIENCE_SECONDS)
        environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "60000000"}
        with ExporterProcess(GOOD, env=environment) as exporter:
            assert manager.recv(100) == b"READY=1"
            assert exporter.get("/-/healthy").status == 200
            assert manager.recv(100) == b"WATCHDOG=1"
        assert manager.recv(100) == b"STOPPING=1"
