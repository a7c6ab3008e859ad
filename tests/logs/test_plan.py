"""Where the logs of an installation are looked for, and in which time zone they are written."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from exporter.config.words import LOG_SOURCES
from exporter.host.files import HostFiles
from exporter.installation.facts import (
    CmAgentSettings,
    CmServerSettings,
    DatanodeSettings,
    DssInstance,
    Installation,
)
from exporter.logs.listing import Pattern
from exporter.logs.plan import LocalZone, log_line_prefixes, log_patterns, zone_named
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


ZONES = Path("/usr/share/zoneinfo")
WINTER, SUMMER = datetime(2026, 1, 15, 12), datetime(2026, 7, 15, 12)  # noqa: DTZ001 -- of any zone


class Host:
    """A host with an /etc/localtime, the value of TZ, and a clock."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.told = ""
        self.now = 0.0
        (root / "etc").mkdir()
        self.zone = LocalZone(HostFiles(root), lambda: self.told, lambda: self.now)

    def install(self, name: str) -> None:
        """Set the host's zone, as an administrator does."""
        (self.root / "etc" / "localtime").unlink(missing_ok=True)
        shutil.copyfile(ZONES / name, self.root / "etc" / "localtime")

    def hours(self, moment: datetime) -> float:
        """How far the zone is from UTC."""
        offset = moment.replace(tzinfo=self.zone()).utcoffset()
        assert offset is not None
        return offset / timedelta(hours=1)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Give a host that has no zone."""
    return Host(tmp_path)


def test_without_any_word_it_is_utc(host: Host) -> None:
    """As libc has it."""
    assert host.hours(SUMMER) == 0


def test_hosts_own_zone_with_its_summer_time(host: Host) -> None:
    """What /etc/localtime says holds for every moment of the year."""
    host.install("Europe/Berlin")
    assert (host.hours(WINTER), host.hours(SUMMER)) == (1, 2)


def test_word_in_the_environment_goes_first(host: Host) -> None:
    """TZ of the cluster's user overrides the host's."""
    host.install("Europe/Berlin")
    host.told = "Asia/Shanghai"
    assert host.hours(SUMMER) == 8


def test_word_may_be_a_file_of_the_host(host: Host) -> None:
    """A path is the host's own."""
    (host.root / "zones").mkdir()
    shutil.copyfile(ZONES / "Asia/Tokyo", host.root / "zones" / "tokyo")
    for told in ("/zones/tokyo", ":/zones/tokyo"):
        assert _told(host, told).hours(SUMMER) == 9


def test_name_that_only_the_host_knows(host: Host) -> None:
    """In a container without zones those of the host are used."""
    (host.root / "usr/share/zoneinfo/Far").mkdir(parents=True)
    shutil.copyfile(ZONES / "Asia/Tokyo", host.root / "usr/share/zoneinfo/Far/Away")
    host.told = "Far/Away"
    assert host.hours(SUMMER) == 9


def _told(host: Host, word: str) -> Host:
    host.told, host.now = word, host.now + 61
    return host


@pytest.mark.parametrize("told", ["No/Such", "/no/such", "../../etc/passwd", "\0", "A" * 500])
def test_word_that_is_no_zone_is_utc(host: Host, told: str) -> None:
    """Nothing that stands in an environment raises."""
    assert _told(host, told).hours(SUMMER) == 0


def test_change_is_seen_within_a_minute(host: Host) -> None:
    """The file is looked at once a minute, and the zone follows it."""
    host.install("Asia/Shanghai")
    assert host.hours(SUMMER) == 8
    host.install("Asia/Tokyo")
    host.now = 59
    assert host.hours(SUMMER) == 8
    host.now = 61
    assert host.hours(SUMMER) == 9


@pytest.mark.parametrize(
    ("name", "hours"),
    [
        ("UTC", 0.0),
        ("CST-8", 8.0),
        ("<+08>-8", 8.0),
        ("EST5", -5.0),
        ("XYZ+3:30", -3.5),
        ("IST-5:30", 5.5),
        ("Asia/Shanghai", 8.0),
    ],
)
def test_names_of_zones(name: str, hours: float) -> None:
    """POSIX counts west as positive; names are those of the zone database."""
    zone = zone_named(name)
    assert zone is not None
    assert WINTER.replace(tzinfo=zone).utcoffset() == timedelta(hours=hours)


@pytest.mark.parametrize("name", ["XYZ-24", "XYZ99", "", "No/Such"])
def test_names_of_no_zone(name: str) -> None:
    """What is no zone is none."""
    assert zone_named(name) is None
