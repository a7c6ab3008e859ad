"""Who belongs to the cluster."""

from __future__ import annotations

from dataclasses import replace

from exporter.installation.facts import (
    CmResource,
    Installation,
    Member,
    NodeIdentity,
    ResourceInstance,
)
from exporter.installation.members import cluster_id, local_instances, members, node_identity
from exporter.installation.static_config import StaticEtcd
from tests.support.installations import TWO_NODES, installation
from tests.support.static_config_writer import make_cluster, seen_from

CLUSTER = make_cluster(TWO_NODES, names=["ogdb1", "ogdb2"])


def test_every_instance_is_a_member() -> None:
    """Servers, agents and databases of all nodes, each with its number."""
    assert members(CLUSTER) == (
        Member("1", "ogdb1", "cm_server", "1"),
        Member("1", "ogdb1", "cm_agent", "10001"),
        Member("1", "ogdb1", "datanode", "6001"),
        Member("2", "ogdb2", "cm_server", "2"),
        Member("2", "ogdb2", "cm_agent", "10002"),
        Member("2", "ogdb2", "datanode", "6002"),
    )
    assert members(None) == ()


def test_a_node_without_cm_has_no_agent() -> None:
    """OM writes one into the file all the same."""
    etcd = StaticEtcd(7001)
    bare = replace(CLUSTER.nodes[0], cm_dir="", etcd=etcd)
    assert members(replace(CLUSTER, nodes=(bare,))) == (
        Member("1", "ogdb1", "datanode", "6001"),
        Member("1", "ogdb1", "etcd", "7001"),
    )


def test_all_nodes_give_the_cluster_the_same_id() -> None:
    """Neither the local node nor the moment of writing is part of it."""
    other = replace(seen_from(CLUSTER, 2), created=1)
    assert cluster_id(other) == cluster_id(CLUSTER)
    assert len(cluster_id(CLUSTER)) == 12


def test_clusters_that_differ_only_in_addresses_or_ports_are_told_apart() -> None:
    """Containers often have the same names and numbers."""
    names = ["ogdb1", "ogdb2"]
    ids = {
        cluster_id(CLUSTER),
        cluster_id(make_cluster(["10.88.0.1", "10.88.0.2"], names=names)),
        cluster_id(make_cluster(TWO_NODES, names=names, cm_port=16300)),
        cluster_id(make_cluster(TWO_NODES, names=names, port=16400)),
        cluster_id(make_cluster(TWO_NODES)),
        cluster_id(None),
    }
    assert len(ids) == 6


def test_a_node_is_named_by_what_is_known() -> None:
    """Number, name, cluster and id; empty where nothing tells."""
    known = installation(CLUSTER, variables={"GS_CLUSTER_NAME": "mine"})
    assert node_identity(known) == NodeIdentity("ogdb1", "1", "mine", cluster_id(CLUSTER))
    assert node_identity(Installation("omm", 1, "host")) == NodeIdentity("host")


def test_stop_markers_may_name_databases_and_resources_of_this_node() -> None:
    """Each once, and none of another node or of the kinds that CM stops with their datanode."""
    places = (ResourceInstance(20001, 1, ""), ResourceInstance(20002, 2, ""))
    resources = (CmResource("dss", "APP", "", places), CmResource("vip", "VIP", "", places))
    assert local_instances(installation(resources=resources)) == ("6001", "20001")
