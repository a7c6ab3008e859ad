"""Where the logs of an installation are looked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from exporter.config.words import LOG_SOURCES
from exporter.installation.facts import (
    CmAgentSettings,
    CmServerSettings,
    DatanodeSettings,
    DssInstance,
    Installation,
)
from exporter.logs.listing import Pattern
from exporter.logs.paths import log_line_prefixes, log_patterns
from tests.support.installations import installation

LOG = {"GAUSSLOG": "/var/log/gaussdb/omm", "DSS_HOME": "/dss"}


def _paths(source: str, **facts: Any) -> list[str]:  # noqa: ANN401 -- any field of an Installation
    known = installation(**{"variables": LOG, **facts})
    return [pattern.path for pattern in log_patterns(known, {}) if pattern.source == source]


@pytest.mark.parametrize(
    ("source", "paths"),
    [
        ("cm_agent", ["/var/log/gaussdb/omm/cm/cm_agent/cm_agent-*.log"]),
        ("system_call", ["/var/log/gaussdb/omm/cm/cm_agent/system_call-*.log"]),
        ("cm_server", ["/var/log/gaussdb/omm/cm/cm_server/cm_server-*.log"]),
        ("cm_ctl", ["/var/log/gaussdb/omm/cm/cm_ctl/cm_ctl-*.log"]),
        ("om_monitor", ["/var/log/gaussdb/omm/cm/om_monitor/om_monitor-*.log"]),
        (
            "datanode",
            [
                "/var/log/gaussdb/omm/pg_log/dn_6001/*.log",
                "/var/log/gaussdb/omm/gs_log/dn_6001/*.log",
            ],
        ),
        (
            "dms",
            [
                "/var/log/gaussdb/omm/pg_log/DMS/run/dms*.rlog",
                "/var/log/gaussdb/omm/gs_log/DMS/run/dms*.rlog",
            ],
        ),
        ("dss", ["/dss/log/run/dssinstance*.rlog"]),
        ("om", ["/var/log/gaussdb/omm/om/gs_*.log"]),
    ],
)
def test_logs_of_a_default_installation(source: str, paths: list[str]) -> None:
    """With the environment alone each log is where the programs write it."""
    assert _paths(source) == paths


def test_stderr_of_a_datanode_is_in_its_data_directory() -> None:
    """What a started server says before it has a log is found."""
    (datanode,) = installation().datanodes
    assert _paths("dbstart") == [f"{datanode.data_dir}/DBstart*.log"]


def test_every_source_has_a_place() -> None:
    """No source is without a pattern on a complete installation."""
    found = {pattern.source for pattern in log_patterns(installation(variables=LOG), {})}
    assert found == set(LOG_SOURCES)


def test_log_dir_of_the_components_is_honoured() -> None:
    """An absolute directory is taken as it is, with cm_agent's system_call log in it."""
    agent, server = CmAgentSettings(log_dir="/logs/a/"), CmServerSettings(log_dir="/logs/s")
    assert _paths("cm_agent", cm_agent=agent) == ["/logs/a/cm_agent-*.log"]
    assert _paths("system_call", cm_agent=agent) == ["/logs/a/system_call-*.log"]
    assert _paths("cm_server", cm_server=server) == ["/logs/s/cm_server-*.log"]


def test_relative_log_dir_is_below_the_components_data() -> None:
    """The value that the sample configuration has is understood."""
    node = installation().node
    assert node is not None
    path = f"{node.cm_dir}/cm_agent/log/cm_agent-*.log"
    assert _paths("cm_agent", cm_agent=CmAgentSettings(log_dir="log")) == [path]


def test_log_directory_of_a_datanode_is_honoured() -> None:
    """What postgresql.conf says replaces both names that the packages use."""
    settings = [DatanodeSettings(log_directory="/pg")]
    assert _paths("datanode", settings=settings) == ["/pg/*.log"]


def test_log_home_of_dss_is_honoured() -> None:
    """dss_inst.ini may put the logs elsewhere, and is enough without DSS_HOME."""
    dss = DssInstance(0, (), log_dir="/dsslog")
    assert _paths("dss", dss=dss) == ["/dsslog/run/dssinstance*.rlog"]
    assert _paths("dss", dss=dss, variables={}) == ["/dsslog/run/dssinstance*.rlog"]


def test_nothing_known_is_nothing_followed() -> None:
    """Without an installation there is no path to guess."""
    assert log_patterns(Installation("omm", 1000, "node1"), {}) == ()


def test_configured_source_replaces_what_was_found() -> None:
    """Of a source with paths of its own nothing else is followed; others stay."""
    known = installation(variables=LOG)
    patterns = log_patterns(known, {"datanode": ["/x/*.log", "/y.log", "/x/*.log"]})
    mine = [pattern for pattern in patterns if pattern.source == "datanode"]
    assert mine == [Pattern("datanode", "/x/*.log"), Pattern("datanode", "/y.log")]
    assert len(patterns) == len(log_patterns(known, {}))


def test_prefixes_of_all_datanodes_are_known_once() -> None:
    """Each log_line_prefix of the node's servers is read, the empty one too."""
    known = installation(settings=[DatanodeSettings(log_line_prefix="%m ")])
    (datanode,) = known.datanodes
    others = [DatanodeSettings(log_line_prefix=each) for each in ("", "%m ")]
    more = tuple(replace(datanode, settings=each) for each in (*others, DatanodeSettings(), None))
    known = replace(known, datanodes=(datanode, *more))
    assert log_line_prefixes(known) == ("%m ", "")
