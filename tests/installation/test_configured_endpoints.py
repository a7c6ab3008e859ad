"""Configured endpoints, alone and over discovered ones."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from exporter.config import EndpointConfig
from exporter.config.words import ENDPOINT_WORDS
from exporter.installation.endpoints import merge_endpoints
from exporter.ports.facts import Endpoint

_FOUND = Endpoint(
    "datanode",
    "6001",
    26000,
    "gaussdb",
    "datanode",
    addresses=(ip_address("10.0.0.1"),),
    binds=False,
    precheck=False,
    data_dir="/data/dn",
    origin="postgresql.conf",
)


KNOWN = [
    ("cm_server", "cm_server", "cm_server", True),
    ("cm_server_ha", "cm_server", "cm_server", True),
    ("cm_agent", "cm_agent", "cm_agent", False),
    ("datanode", "gaussdb", "datanode", True),
    ("datanode_ha", "gaussdb", "datanode", True),
    ("datanode_installed", "gaussdb", "datanode", True),
    ("datanode_ha_installed", "gaussdb", "datanode", True),
    ("datanode_replication", "gaussdb", "datanode", False),
    ("datanode_dolphin", "gaussdb", "datanode", False),
    ("datanode_heartbeat", "gaussdb", "datanode", False),
    ("dss", "dssserver", "dss", False),
    ("dms", "gaussdb", "datanode", False),
]


NOBODY_BINDS = {"datanode_installed", "datanode_ha_installed"}


@pytest.mark.parametrize(("word", "process", "component", "precheck"), KNOWN)
def test_a_known_word_brings_its_facts(
    word: str, process: str, component: str, *, precheck: bool
) -> None:
    """An endpoint of a known word needs a port only; what is true of it follows from the word."""
    (endpoint,) = merge_endpoints((), [EndpointConfig(word, "1", 15300)])
    binds = word not in NOBODY_BINDS
    assert endpoint == Endpoint(
        word, "1", 15300, process, component, binds=binds, precheck=precheck
    )


def test_every_known_word_is_tried_above() -> None:
    """No word is without its line in the table of this file."""
    assert {word for word, *_ in KNOWN} == set(ENDPOINT_WORDS)


def test_a_custom_word_is_its_own_component() -> None:
    """A word of one's own names the component, which no cm_agent checks."""
    given = EndpointConfig("web", "", 8080, (), "/usr/sbin/nginx")
    (endpoint,) = merge_endpoints((), [given])
    assert endpoint == Endpoint("web", "", 8080, "/usr/sbin/nginx", "web", addresses=())


def test_an_override_replaces_only_what_it_gives() -> None:
    """What the configuration leaves out stays as it was discovered."""
    (endpoint,) = merge_endpoints([_FOUND], [EndpointConfig("datanode", "6001", 26010)])
    assert (endpoint.port, endpoint.origin) == (26010, "config")
    assert endpoint.addresses == _FOUND.addresses
    assert (endpoint.data_dir, endpoint.binds, endpoint.precheck) == ("/data/dn", False, False)


def test_an_override_may_widen_the_addresses_to_the_wildcard() -> None:
    """An empty list is an answer, not the lack of one."""
    (endpoint,) = merge_endpoints([_FOUND], [EndpointConfig("datanode", "6001", 26000, ())])
    assert endpoint.addresses == ()


def test_another_instance_is_another_endpoint() -> None:
    """Only the pair of word and instance overrides; order is discovered first, added after."""
    merged = merge_endpoints([_FOUND], [EndpointConfig("datanode", "6002", 26010)])
    assert [endpoint.key for endpoint in merged] == [("datanode", "6001"), ("datanode", "6002")]
    assert merged[0] is _FOUND
