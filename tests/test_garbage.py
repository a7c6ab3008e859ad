"""No text, however odd, makes a parser of the installation's files fail in an undeclared way."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.errors import ParseError
from exporter.installation.cm_resource import parse_cm_resource
from exporter.installation.postgresql_conf import (
    parse_instances,
    parse_postgresql_conf,
    parse_replconninfo,
)
from exporter.installation.text_files import (
    parse_cm_conf,
    parse_crontab,
    parse_dss_inst,
    parse_environment,
    parse_hosts,
    parse_pid_file,
)

RECORDED = Path(__file__).parent / "samples" / "cm_cluster" / "a_healthy_2node" / "node1"
PARSERS: dict[str, Callable[[str], object]] = {
    "cm_conf": lambda text: parse_cm_conf(text, "f"),
    "cm_resource": parse_cm_resource,
    "crontab": parse_crontab,
    "dss_inst": parse_dss_inst,
    "environment": lambda text: parse_environment(text.encode("utf-8", "surrogatepass")),
    "hosts": parse_hosts,
    "instances": lambda text: parse_instances(text, "f"),
    "pid_file": parse_pid_file,
    "postgresql_conf": parse_postgresql_conf,
    "replconninfo": parse_replconninfo,
}
SEEDS = [
    "port = 15400\nlisten_addresses = 'localhost,10.0.0.1' # x\n",
    "localhost=10.0.0.1 localport=15401 remotehost=10.0.0.2 remoteport=15401",
    "0:10.0.0.1:1611,1:[fe80::1]:1611",
    "INST_ID=0\nDSS_NODES_LIST=0:10.0.0.1:1611,1:10.0.0.2:1611\n",
    '{"resources": [{"name": "dss", "resources_type": "APP", "instances": [{"node_id": 1}]}]}',
    "* * * * * source ~/.bashrc;nohup /opt/app/bin/om_monitor -L /var/log/cm/om_monitor >>x",
    "94\n/opt/data/dn\n1795349601\n15400\n/tmp\n10.0.0.1\n  0\n",
    "127.0.0.1 localhost\n",
    "GAUSSHOME=/opt/app\0GAUSSLOG=/var/log\0",
    (RECORDED / "cm_agent.conf").read_text(),
]


@st.composite
def _mutated(draw: st.DrawFn) -> str:
    """Cut a piece out of a real text, double one, or put something odd between."""
    text = draw(st.sampled_from(SEEDS))
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 40)))
    odd = draw(
        st.sampled_from(["", "\0", "'", '"', "\\", "=", ":", ",", "{", "[", "9" * 400, "\ud800"])
    )
    return (
        text[:start] + odd * draw(st.integers(0, 3)) + text[draw(st.sampled_from([start, end])) :]
    )


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=80, deadline=None)
@given(text=_mutated() | st.text(max_size=300))
@example(text="0:" + " " * 200000)
@example(text="a" * 200000 + "=")
@example(text="'" * 200000)
@example(text="om_monitor -L " + "/" * 200000)
@example(text=". " * 100000)
@example(text="[" * 200000)
@example(text=" = ".join("ab" * 50000))
def test_only_declared_errors_and_soon(name: str, text: str) -> None:
    """Any input gives facts or a ParseError, within a second even if long."""
    start = time.process_time()
    with contextlib.suppress(ParseError):
        PARSERS[name](text)
    assert time.process_time() - start < 1
