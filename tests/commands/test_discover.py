"""The report of what was found."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_address

from exporter.commands.discover import as_json, as_text
from exporter.installation.endpoints import discovered_endpoints
from exporter.installation.facts import (
    CmServerSettings,
    DatanodeSettings,
    FactState,
    Installation,
    Lookup,
)
from exporter.installation.members import cluster_id
from exporter.ports.facts import Endpoint
from tests.support.installations import installation

KNOWN = installation(
    variables={"GAUSSHOME": "/opt/app", "GS_CLUSTER_NAME": "mine"},
    cm_server=CmServerSettings(2),
    app_dirs=("/opt/app_1",),
    lookups=(
        Lookup("environment", "process 35 (om_monitor)"),
        Lookup("cm_resource", "/cm/cm_resource.json", FactState.ABSENT, "no such file"),
        Lookup("dss_inst", "/dss/x.ini", FactState.NOT_UNDERSTOOD, "x.ini: INST_ID: expected"),
    ),
)
ENDPOINTS = (
    *discovered_endpoints(KNOWN),
    Endpoint("proxy", "", 6432, "haproxy", "proxy", (ip_address("::1"), ip_address("10.0.0.1"))),
    Endpoint("other", "", 6433, "x", "other", ()),
    Endpoint("third", "", 6434, "x", "third"),
)


def test_the_report_in_words() -> None:
    """Failures first, then endpoints, members and every place, aligned."""
    cluster = cluster_id(KNOWN.static)
    assert (
        as_text(KNOWN, ENDPOINTS)
        == f"""\
Installation: 1 of the facts could not be read
  user     omm (uid 1000)
  node     node1 (number 1)
  cluster  mine {cluster}

Environment
  GAUSSHOME        /opt/app
  GS_CLUSTER_NAME  mine

Endpoints of this node
  ENDPOINT      INSTANCE  PORT   BINDS          CHECKED      PROCESS    FROM
  cm_server     1         15300  10.77.0.1      by cm_agent  cm_server  cluster_static_config
  cm_server_ha  1         15301  nobody         by cm_agent  cm_server  cluster_static_config
  cm_agent      10001     15302  10.77.0.1                   cm_agent   cluster_static_config
  datanode      6001      15400  10.77.0.1      by cm_agent  gaussdb    cluster_static_config
  datanode_ha   6001      15401  10.77.0.1      by cm_agent  gaussdb    cluster_static_config
  proxy                   6432   ::1, 10.0.0.1               haproxy    config
  other                   6433   every address               x          config
  third                   6434   not told                    x          config

Members of the cluster
  1  node1  cm_server  1
  1  node1  cm_agent   10001
  1  node1  datanode   6001
  2  node2  cm_server  2
  2  node2  cm_agent   10002
  2  node2  datanode   6002

Looked for
  NOT UNDERSTOOD  dss_inst     /dss/x.ini               x.ini: INST_ID: expected
  ok              environment  process 35 (om_monitor)
  absent          cm_resource  /cm/cm_resource.json     no such file
"""
    )


def test_a_database_port_that_was_set_anew_is_shown_beside_the_installed_one() -> None:
    """Who binds which, and at which of them cm_agent looks, with the file that says so."""
    moved = installation(settings=[DatanodeSettings(15500, ("10.77.0.1",))])
    rows = as_text(moved, discovered_endpoints(moved)).splitlines()
    shown = [row.split() for row in rows if row.startswith("  datanode")]
    assert shown == [
        ["datanode", "6001", "15500", "10.77.0.1", "gaussdb", "postgresql.conf"],
        ["datanode_ha", "6001", "15501", "10.77.0.1", "gaussdb", "postgresql.conf"],
        [
            *("datanode_installed", "6001", "15400", "nobody"),
            *("by", "cm_agent", "gaussdb", "cluster_static_config"),
        ],
        [
            *("datanode_ha_installed", "6001", "15401", "nobody"),
            *("by", "cm_agent", "gaussdb", "cluster_static_config"),
        ],
    ]


def test_nothing_found_is_said_without_empty_tables() -> None:
    """What there is not has no heading."""
    nothing = Installation("omm", 1000, "host")
    assert as_text(nothing, ()) == (
        "Installation: everything was found\n"
        "  user  omm (uid 1000)\n"
        "  node  host (number not known)\n"
    )
    alone = replace(nothing, variables={"GAUSSHOME": "/opt/app"})
    assert as_text(alone, ()).endswith("\nEnvironment\n  GAUSSHOME  /opt/app\n")


def test_the_report_as_json() -> None:
    """The same facts for programs; open addresses are null, the wildcard is an empty list."""
    document = json.loads(as_json(KNOWN, ENDPOINTS))
    assert document["complete"] is False
    assert document["node"] == {"id": 1, "name": "node1"}
    assert document["cluster"]["name"] == "mine"
    assert document["cluster"]["members"][0] == {
        "node_id": "1",
        "node_name": "node1",
        "component": "cm_server",
        "instance_id": "1",
    }
    assert document["environment"] == {"GAUSSHOME": "/opt/app", "GS_CLUSTER_NAME": "mine"}
    assert document["app_dirs"] == ["/opt/app_1"]
    assert document["endpoints"][0] == {
        "endpoint": "cm_server",
        "instance_id": "1",
        "port": 15300,
        "addresses": ["10.77.0.1"],
        "process": "cm_server",
        "binds": True,
        "precheck": True,
        "data_dir": None,
        "origin": "cluster_static_config",
    }
    assert [each["addresses"] for each in document["endpoints"][-2:]] == [[], None]
    assert document["findings"][2] == {
        "fact": "dss_inst",
        "origin": "/dss/x.ini",
        "state": "not_understood",
        "detail": "x.ini: INST_ID: expected",
    }
