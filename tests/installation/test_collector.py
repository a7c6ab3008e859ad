"""The installation on the page."""

from __future__ import annotations

import pytest

from exporter.errors import SourceError
from exporter.installation.collector import InstallationCollector, MarkersCollector, marker_families
from exporter.installation.facts import FactState, Installation, Lookup, StopMarker
from exporter.scrape.base import Family
from tests.support.installations import installation


def _samples(families: list[Family]) -> dict[str, dict[tuple[str, ...], float]]:
    return {
        family.name: {tuple(sample.labels.values()): sample.value for sample in family.samples}
        for family in families
    }


def test_members_and_success_are_shown() -> None:
    """Every instance with 1, and whether all could be read."""
    found = _samples(list(InstallationCollector(installation).collect()))
    assert found["opengauss_exporter_discovery_success"] == {(): 1}
    assert set(found["opengauss_cluster_member"].values()) == {1}
    assert ("2", "node2", "datanode", "6002") in found["opengauss_cluster_member"]


def test_a_failure_shows_as_0_and_keeps_the_members() -> None:
    """The last good facts stay on the page; what need not be there is no failure."""
    missing = Lookup("static_config", "/x", FactState.MISSING)
    found = _samples(
        list(InstallationCollector(lambda: installation(lookups=(missing,))).collect())
    )
    assert found["opengauss_exporter_discovery_success"] == {(): 0}
    assert len(found["opengauss_cluster_member"]) == 6
    absent = Lookup("cm_resource", "/x", FactState.ABSENT)
    found = _samples(list(InstallationCollector(lambda: installation(lookups=(absent,))).collect()))
    assert found["opengauss_exporter_discovery_success"] == {(): 1}


def test_markers_that_could_be_there_are_0() -> None:
    """The node's two and one for each instance, before any of them exists."""
    found = _samples(list(marker_families((), ("6001", "20001"))))
    assert found["opengauss_marker_present"] == {
        ("cluster_manual_start", ""): 0,
        ("cluster_manual_pause", ""): 0,
        ("instance_manual_start", "6001"): 0,
        ("instance_manual_start", "20001"): 0,
    }
    assert found["opengauss_marker_mtime_seconds"] == {}


def test_markers_that_are_there_are_1_with_their_time() -> None:
    """One of an instance that nobody knows is shown as well."""
    markers = (
        StopMarker("cluster_manual_start", "", 100.5),
        StopMarker("instance_manual_start", "6009", 200),
    )
    found = _samples(list(marker_families(markers, ("6001",))))
    present = found["opengauss_marker_present"]
    assert present["cluster_manual_start", ""] == 1
    assert present["instance_manual_start", "6009"] == 1
    assert present["instance_manual_start", "6001"] == 0
    assert found["opengauss_marker_mtime_seconds"] == {
        ("cluster_manual_start", ""): 100.5,
        ("instance_manual_start", "6009"): 200,
    }


def test_markers_that_cannot_be_read_are_the_guards() -> None:
    """A directory that cannot be read is the guard's."""

    def read() -> tuple[StopMarker, ...]:
        raise SourceError("/opt/app/bin: Permission denied")

    with pytest.raises(SourceError):
        list(MarkersCollector(installation, read).collect())


def test_without_an_installation_the_page_has_its_zeros() -> None:
    """Nothing found is a metric, not a crash."""
    nothing = Installation("omm", -1, "host")
    found = _samples(list(MarkersCollector(lambda: nothing, tuple).collect()))
    assert found["opengauss_marker_present"] == {
        ("cluster_manual_start", ""): 0,
        ("cluster_manual_pause", ""): 0,
    }
