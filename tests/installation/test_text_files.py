"""Environments, om_monitor's crontab line, pid files and /etc/hosts."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from exporter.errors import ParseError
from exporter.installation.facts import MonitorCron
from exporter.installation.text_files import (
    parse_crontab,
    parse_environment,
    parse_hosts,
    parse_pid_file,
)

RECORDED = Path(__file__).parent.parent / "samples" / "cm_cluster" / "a_healthy_2node" / "node1"


def test_only_named_variables_are_read() -> None:
    """What the exporter needs is read; secrets, functions and empty values are passed over."""
    data = (
        b"GAUSSHOME=/opt/app\0PGPASSWORD=secret\0BASH_FUNC_x%%=() { echo\n}\0GAUSSLOG=\0"
        b"GS_CLUSTER_NAME=a=b\0LANG=C\0"
    )
    assert parse_environment(data) == {"GAUSSHOME": "/opt/app", "GS_CLUSTER_NAME": "a=b"}


def test_a_cut_off_value_is_passed_over() -> None:
    """A last assignment without its NUL may be half of one."""
    assert parse_environment(b"GAUSSHOME=/opt/app\0GAUSSLOG=/var/lo") == {"GAUSSHOME": "/opt/app"}


def test_the_first_of_two_assignments_counts() -> None:
    """As getenv(3) finds the first."""
    assert parse_environment(b"TZ=UTC\0TZ=PRC\0") == {"TZ": "UTC"}


@pytest.mark.parametrize("data", [b"", b"\0\0", b"welcome to ogdb1\n", b"=x\0", b"A=1\0" * 300000])
def test_what_is_no_environment_is_an_error(data: bytes) -> None:
    """Nothing recognised, or more than any environment holds, is an error."""
    with pytest.raises(ParseError, match=r"^environment: expected"):
        parse_environment(data)


SEPARATE = (
    "*/1 * * * * source /etc/profile;(if [ -f ~/.profile ];then source ~/.profile;fi);"
    "source ~/.bashrc;source /home/omm/cluster.env;nohup /opt/huawei/install/app/bin/om_monitor"
    " -L /var/log/omm/omm/cm/om_monitor >>/dev/null 2>&1 &"
)


@pytest.mark.parametrize("line", [SEPARATE, "#" + SEPARATE, "0 0 * * * ls\n" + SEPARATE + "\n"])
def test_om_monitors_line_is_found(line: str) -> None:
    """Environment file, home and log directory are read, even of a line that OM commented out."""
    assert parse_crontab(line) == MonitorCron(
        ("~/.bashrc", "/home/omm/cluster.env"),
        "/opt/huawei/install/app",
        "/var/log/omm/omm/cm/om_monitor",
    )


def test_om_monitor_may_be_found_by_path() -> None:
    """A line that expansion wrote names no directory; its log directory still counts."""
    line = "*/1 * * * * source ~/.bashrc;nohup om_monitor -L /var/log/omm/cm/om_monitor >>/dev/null"
    assert parse_crontab(line) == MonitorCron(("~/.bashrc",), "", "/var/log/omm/cm/om_monitor")


@pytest.mark.parametrize("text", ["", "* * * * * /opt/other/om_monitors -x", "0 0 * * * backup"])
def test_a_crontab_without_om_monitor_is_an_error(text: str) -> None:
    """Nothing recognised is an error."""
    with pytest.raises(ParseError, match="expected a line that starts om_monitor"):
        parse_crontab(text)


@pytest.mark.parametrize(
    ("name", "pid"),
    [
        ("cm_agent.pid", 36),
        ("cm_server.pid", 116),
        ("postmaster.pid", 136),
    ],
)
def test_recorded_pid_files_are_read(name: str, pid: int) -> None:
    """CM's pid files and the database's tell the pid."""
    assert parse_pid_file((RECORDED / name).read_text()) == pid


@pytest.mark.parametrize(
    "text", ["", "\n", "x\n/dn\n", "-94\n/dn\n", "0\n", "99999999999\n", "٣\n"]
)
def test_a_pid_file_without_a_pid_is_an_error(text: str) -> None:
    """Half-written files and standalone backends are no running instance."""
    with pytest.raises(ParseError, match=r"^pid file: line 1: expected a pid"):
        parse_pid_file(text)


def test_names_have_all_their_addresses() -> None:
    """Every line that gives a name an address counts, in order; comments and nonsense do not."""
    text = "127.0.0.1 localhost db1 # x\n::1\tlocalhost ip6\n#10.0.0.9 db1\n10.0.0.1 DB1\nx y\n"
    loop, six, own = ip_address("127.0.0.1"), ip_address("::1"), ip_address("10.0.0.1")
    assert parse_hosts(text) == {"localhost": (loop, six), "ip6": (six,), "db1": (loop, own)}
