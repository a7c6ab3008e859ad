"""Which time zone the logs are written in."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from exporter.host.files import HostFiles
from exporter.logs.local_zone import LocalZone, zone_named

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
