"""The endpoints of a node, rule by rule."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.host.facts import IPAddress
from exporter.installation.endpoints import discovered_endpoints
from exporter.installation.endpoints_database import listened
from exporter.installation.facts import (
    CmAgentSettings,
    CmResource,
    CmServerSettings,
    DatanodeSettings,
    DssInstance,
    Installation,
    ListedInstance,
    ReplicationChannel,
    ResourceInstance,
)
from exporter.installation.postgresql_conf import parse_datanode_settings, parse_postgresql_conf
from exporter.installation.static_config import StaticConfig, StaticEtcd
from exporter.installation.static_config_parser import parse_static_config
from exporter.ports.facts import Endpoint, Reason
from exporter.ports.relation import Programs
from exporter.ports.verdict import judge
from tests.support.facts import APP, CLUSTER, OMM, OTHER_USER, process, socket
from tests.support.facts import facts as seen_sockets
from tests.support.installations import HOSTS, TWO_NODES, installation
from tests.support.static_config_writer import make_cluster, seen_from

SAMPLES = Path(__file__).parent.parent / "samples" / "cluster_static_config"
CHANNEL = ReplicationChannel("10.77.0.1", 15401, 15405)
_ANY = "0.0.0.0"  # noqa: S104 -- text, nothing is bound
OM = DatanodeSettings(15400, ("localhost", "10.77.0.1"), (CHANNEL,))


def _addresses(*texts: str) -> tuple[IPAddress, ...]:
    return tuple(ip_address(text) for text in texts)


def _by_word(facts: Installation) -> dict[str, Endpoint]:
    return {endpoint.endpoint: endpoint for endpoint in discovered_endpoints(facts)}


def test_a_node_as_om_installs_it() -> None:
    """C, C+1, C+2, P, P+1 and P+5 with the processes, addresses and checks that really are."""
    facts = installation(settings=[OM], cm_agent=CmAgentSettings(), cm_server=CmServerSettings(0))
    own, both = _addresses("10.77.0.1"), _addresses("127.0.0.1", "10.77.0.1")
    static, conf = "cluster_static_config", "postgresql.conf"
    server: dict[str, Any] = {"process": "cm_server", "component": "cm_server", "precheck": True}
    database: dict[str, Any] = {
        "process": "gaussdb",
        "component": "datanode",
        "data_dir": "/opt/huawei/install/data/dn",
        "named_dir": "/opt/huawei/install/data/dn",
        "origin": conf,
    }
    assert discovered_endpoints(facts) == (
        Endpoint("cm_server", "1", 15300, addresses=own, origin=static, **server),
        Endpoint("cm_server_ha", "1", 15301, addresses=own, origin=static, **server),
        Endpoint("cm_agent", "10001", 15302, "cm_agent", "cm_agent", own, origin=static),
        Endpoint("datanode", "6001", 15400, addresses=both, precheck=True, **database),
        Endpoint("datanode_ha", "6001", 15401, addresses=both, precheck=True, **database),
        Endpoint("datanode_heartbeat", "6001", 15405, addresses=own, **database),
    )


def test_without_a_static_config_there_are_no_endpoints() -> None:
    """Nothing is guessed."""
    assert discovered_endpoints(Installation("omm", 1000, "ogdb1")) == ()
    assert discovered_endpoints(installation(node_id=7)) == ()


def test_the_static_config_alone_gives_its_ports() -> None:
    """While postgresql.conf cannot be read the installed ports and addresses stand for it."""
    found = _by_word(installation())
    assert {word: each.port for word, each in found.items()} == {
        "cm_server": 15300,
        "cm_server_ha": 15301,
        "cm_agent": 15302,
        "datanode": 15400,
        "datanode_ha": 15401,
    }
    assert found["datanode"].addresses == _addresses("10.77.0.1")
    assert found["datanode"].origin == "cluster_static_config"


@pytest.mark.parametrize(
    ("conf", "pooling", "binds"),
    [
        (CmServerSettings(0), False, True),  # several cm_servers, no etcd: turns to DCC
        (CmServerSettings(1), False, True),
        (CmServerSettings(2), True, False),
        (CmServerSettings(1), True, True),
        (None, False, True),
        (None, True, False),
    ],
)
def test_c_plus_1_is_bound_with_dcc_only(
    conf: Optional[CmServerSettings], pooling: bool, binds: bool
) -> None:
    """On a shared disk nobody listens there, and cm_agent checks it all the same."""
    resources = (CmResource("dms_res", "DN", "dms_contrl.sh"),) if pooling else ()
    found = _by_word(installation(cm_server=conf, resources=resources))["cm_server_ha"]
    assert (found.binds, found.precheck) == (binds, True)
    assert found.addresses == (_addresses("10.77.0.1") if binds else None)


def test_a_lone_cm_server_with_ddb_type_0_opens_no_c_plus_1() -> None:
    """Only several cm_servers turn from etcd to DCC."""
    facts = installation(make_cluster(["10.77.0.1"]), cm_server=CmServerSettings(0))
    assert not _by_word(facts)["cm_server_ha"].binds


def test_an_etcd_keeps_c_plus_1_closed() -> None:
    """With ddb_type 0 and an etcd in the cluster there is no DCC."""
    static = make_cluster(TWO_NODES)
    etcd = StaticEtcd(7001)
    nodes = (static.nodes[0], replace(static.nodes[1], etcd=etcd))
    facts = installation(replace(static, nodes=nodes), cm_server=CmServerSettings(0))
    assert not _by_word(facts)["cm_server_ha"].binds


@pytest.mark.parametrize(("interval", "given"), [(None, True), (1000, True), (1, True), (0, False)])
def test_c_plus_2_is_closed_by_its_interval(interval: Optional[int], given: bool) -> None:
    """agent_rhb_interval = 0 leaves cm_agent without a port."""
    conf = None if interval is None else CmAgentSettings(interval)
    assert ("cm_agent" in _by_word(installation(cm_agent=conf))) is given


def _without_cm_server(static: StaticConfig, *numbers: int) -> StaticConfig:
    nodes = [replace(n, cm_server=None) if n.node_id in numbers else n for n in static.nodes]
    return replace(static, nodes=tuple(nodes))


def test_c_plus_2_follows_the_first_cm_server() -> None:
    """A node without a cm_server takes the port of the first node that has one, plus 2."""
    static = make_cluster(["10.0.0.1", "10.0.0.2", "10.0.0.3"])
    second = static.nodes[1].cm_server
    assert second is not None
    moved = replace(static.nodes[1], cm_server=replace(second, port=16000))
    static = replace(static, nodes=(static.nodes[0], moved, static.nodes[2]))
    found = _by_word(installation(seen_from(_without_cm_server(static, 1, 3), 3)))
    assert "cm_server" not in found
    assert "cm_server_ha" not in found
    assert found["cm_agent"].port == 16002
    assert found["cm_agent"].addresses == _addresses("10.0.0.3")


def test_c_plus_2_without_any_cm_server_is_5002() -> None:
    """CM's own default stands where no node has a cm_server."""
    static = _without_cm_server(make_cluster(TWO_NODES), 1, 2)
    assert _by_word(installation(static))["cm_agent"].port == 5002


def test_a_node_without_datanodes_has_no_c_plus_2() -> None:
    """cm_agent opens its heartbeat only beside a datanode."""
    static = make_cluster(TWO_NODES)
    bare = replace(static.nodes[0], datanodes=())
    facts = installation(replace(static, nodes=(bare, static.nodes[1])))
    assert set(_by_word(facts)) == {"cm_server", "cm_server_ha"}


def test_a_node_without_cm_has_only_its_database() -> None:
    """OM writes a cm_agent into every file; without a CM directory none runs, and none checks."""
    path = SAMPLES / "single_node.node1.cluster_static_config"
    found = _by_word(installation(parse_static_config(path.read_bytes())))
    assert {word: endpoint.precheck for word, endpoint in found.items()} == {
        "datanode": False,
        "datanode_ha": False,
    }


def test_a_datanode_s_endpoints_know_its_directory_by_both_names() -> None:
    """The static config's name of it may be a symbolic link."""
    facts = installation(settings=[DatanodeSettings(port=15400)])
    linked = replace(facts.datanodes[0], data_dir="/data1/dn")
    for found in _by_word(replace(facts, datanodes=(linked,))).values():
        if found.component == "datanode":
            assert (found.data_dir, found.named_dir) == ("/data1/dn", linked.installed.data_dir)


@pytest.mark.parametrize("count", [1, 3])
def test_every_datanode_has_its_own_endpoints(count: int) -> None:
    """Several datanodes on one node are told apart by number and directory."""
    static = make_cluster(["10.0.0.1"])
    one = static.nodes[0].datanodes[0]
    many = tuple(
        replace(one, instance_id=6001 + i, data_dir=f"/data/dn{i}", port=20000 + 100 * i)
        for i in range(count)
    )
    static = replace(static, nodes=(replace(static.nodes[0], datanodes=many),))
    found = [e for e in discovered_endpoints(installation(static)) if e.endpoint == "datanode"]
    assert [(e.instance_id, e.data_dir, e.port) for e in found] == [
        (str(6001 + i), f"/data/dn{i}", 20000 + 100 * i) for i in range(count)
    ]


@pytest.mark.parametrize(
    ("conf", "word", "port", "addresses"),
    [
        (
            (
                "port = 26000\nlisten_addresses = 'localhost,192.168.0.1'\n"
                "replconninfo1 = 'localhost=192.168.0.1 localport=26011 localheartbeatport=26005"
                " localservice=26004 remotehost=192.168.0.2 remoteport=26011"
                " remoteheartbeatport=26005 remoteservice=26004'\n"
            ),
            "datanode_replication",
            26011,
            ("192.168.0.1",),
        ),
        (
            (
                "port = 15400\nenable_dolphin_proto = on\ndolphin_server_port = 3306\n"
                "listen_addresses = '127.0.0.1, 10.77.0.1'\n"
            ),
            "datanode_dolphin",
            3306,
            ("127.0.0.1", "10.77.0.1"),
        ),
        (
            "listen_addresses = '10.77.0.1'\nenable_dolphin_proto = true\n",
            "datanode_dolphin",
            3308,
            ("10.77.0.1",),
        ),
    ],
)
def test_a_port_that_the_server_proves_is_an_endpoint(
    conf: str, word: str, port: int, addresses: tuple[str, ...]
) -> None:
    """Without one of these ports gaussdb ends: they are watched like P and P+1."""
    settings = parse_datanode_settings(parse_postgresql_conf(conf))
    found = _by_word(installation(settings=[settings]))[word]
    assert (found.port, found.binds, found.precheck) == (port, True, False)
    assert found.addresses == _addresses(*addresses)
    assert (found.process, found.component) == ("gaussdb", "datanode")


@pytest.mark.parametrize(
    "conf",
    [
        "enable_dolphin_proto = off\ndolphin_server_port = 3306\n",
        "dolphin_server_port = 3306\n",
        "comm_sctp_port = 7000\ncomm_control_port = 7001\nss_scrlock_server_port = 8000\n",
        "replconninfo1 = 'localhost=10.77.0.1 localport=15401 remotehost=b remoteport=15401'\n",
    ],
)
def test_a_port_that_is_not_bound_for_sure_is_no_endpoint(conf: str) -> None:
    """A stranger on a port that this build or these settings do not open is nobody's conflict."""
    settings = parse_datanode_settings(parse_postgresql_conf("port = 15400\n" + conf))
    words = {"cm_server", "cm_server_ha", "cm_agent", "datanode", "datanode_ha"}
    assert set(_by_word(installation(settings=[settings]))) <= words


def _ports(found: dict[str, Endpoint]) -> dict[str, tuple[int, bool, bool]]:
    """Say of each endpoint of the database which port it is, who binds and who checks it."""
    return {
        word: (each.port, each.binds, each.precheck)
        for word, each in found.items()
        if each.component == "datanode"
    }


def test_a_port_that_is_set_anew_leaves_the_installed_one_to_cm_agents_check() -> None:
    """The server binds postgresql.conf's port; cm_agent looks at the one in the static config."""
    found = _by_word(installation(settings=[replace(OM, port=15500, channels=())]))
    assert _ports(found) == {
        "datanode": (15500, True, False),
        "datanode_ha": (15501, True, False),
        "datanode_installed": (15400, False, True),
        "datanode_ha_installed": (15401, False, True),
    }
    installed = found["datanode_installed"]
    assert (installed.process, installed.component) == ("gaussdb", "datanode")
    assert (installed.instance_id, installed.data_dir) == ("6001", found["datanode"].data_dir)
    assert (installed.addresses, installed.origin) == (None, "cluster_static_config")


@pytest.mark.parametrize(
    ("port", "ports"),
    [
        (
            15401,
            {
                "datanode": (15401, True, True),
                "datanode_ha": (15402, True, False),
                "datanode_installed": (15400, False, True),
            },
        ),
        (
            15399,
            {
                "datanode": (15399, True, False),
                "datanode_ha": (15400, True, True),
                "datanode_ha_installed": (15401, False, True),
            },
        ),
    ],
)
def test_a_port_that_is_bound_and_checked_is_one_endpoint(
    port: int, ports: dict[str, tuple[int, bool, bool]]
) -> None:
    """The new P may be the installed P+1: cm_agent looks at a port, whatever it is for."""
    found = _by_word(installation(settings=[replace(OM, port=port, channels=())]))
    assert _ports(found) == ports


def test_the_installed_port_is_no_endpoint_where_nobody_looks_at_it() -> None:
    """Neither with resource pooling nor without CM does cm_agent check a database's port."""
    moved = replace(OM, port=15500, channels=())
    bound = {"datanode": (15500, True, False), "datanode_ha": (15501, True, False)}
    assert _ports(_by_word(installation(settings=[replace(moved, dms=True)]))) == bound
    path = SAMPLES / "single_node.node1.cluster_static_config"
    alone = installation(parse_static_config(path.read_bytes()), settings=[moved])
    assert _ports(_by_word(alone)) == bound


@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize(
    ("port", "word"), [(15400, "datanode_installed"), (15401, "datanode_ha_installed")]
)
def test_a_strangers_listener_on_the_installed_port_stops_a_start(
    port: int, word: str, *, running: bool
) -> None:
    """A conflict while gaussdb is down, a blocked next start while it runs on its other port."""
    moved = DatanodeSettings(15500, ("*",))
    found = [e for e in discovered_endpoints(installation(settings=[moved])) if e.data_dir]
    gaussdb = process(30, f"{APP}_d712af3/bin/gaussdb", data_dir=found[0].data_dir)
    own = [(socket(_ANY, inode, port=inode, uid=OMM), (gaussdb,)) for inode in (15500, 15501)]
    web = (socket(_ANY, 7, port=port), (process(40, "/usr/bin/web", OTHER_USER),))
    seen = seen_sockets(web, *(own if running else ()))
    verdicts = judge(found, seen, Programs([gaussdb] if running else [], OMM), CLUSTER, {})
    reason = Reason.FOREIGN_LISTENER
    expected = (None, reason) if running else (reason, None)
    assert {v.endpoint.endpoint: (v.conflict, v.next_start_blocked) for v in verdicts} == {
        **{each.endpoint: (None, None) for each in found},
        word: expected,
    }


@pytest.mark.parametrize(
    ("resources", "dms", "checked"),
    [
        ((), False, True),
        ((), True, False),
        ((CmResource("dms_res", "DN", "dms_contrl.sh"),), False, False),
        ((CmResource("dms_res", "DN", ""),), False, True),
        ((CmResource("dss", "APP", "dss_contrl.sh"),), False, True),
    ],
)
def test_with_resource_pooling_nobody_checks_the_databases_ports(
    resources: tuple[CmResource, ...], dms: bool, checked: bool
) -> None:
    """A resource of kind DN with a script, or ss_enable_dms, hands the start to scripts."""
    found = _by_word(installation(settings=[replace(OM, dms=dms)], resources=resources))
    assert found["datanode"].precheck is checked
    assert found["datanode_ha"].precheck is checked
    assert found["cm_server"].precheck


def test_p_plus_1_has_the_channels_hosts_too() -> None:
    """Channels on P+1 add their hosts, those to another cluster among them; others do not."""
    settings = replace(
        OM,
        listen_addresses=("10.77.0.1",),
        channels=(CHANNEL, ReplicationChannel("10.88.0.1", 15401), replace(CHANNEL, local_port=9)),
        cross_channels=(ReplicationChannel("10.99.0.1", 15401),),
    )
    found = _by_word(installation(settings=[settings]))
    assert found["datanode"].addresses == _addresses("10.77.0.1")
    assert found["datanode_ha"].addresses == _addresses("10.77.0.1", "10.88.0.1", "10.99.0.1")


@pytest.mark.parametrize(
    "settings",
    [
        replace(OM, channels=()),
        replace(OM, channels=(replace(CHANNEL, local_heartbeat_port=0),)),
        replace(OM, dms=True),
    ],
)
def test_without_replication_there_is_no_heartbeat(settings: DatanodeSettings) -> None:
    """No channel, no heartbeat port, or DMS: nobody listens on P+5."""
    assert "datanode_heartbeat" not in _by_word(installation(settings=[settings]))


def test_a_database_that_listens_nowhere_binds_nothing_of_its_own() -> None:
    """With empty listen_addresses only the channels' hosts are bound; cm_agent checks on."""
    silent = replace(OM, listen_addresses=())
    found = _by_word(installation(settings=[silent]))
    assert (found["datanode"].binds, found["datanode"].precheck) == (False, True)
    assert (found["datanode_ha"].binds, found["datanode_ha"].addresses) == (
        True,
        _addresses("10.77.0.1"),
    )
    alone = _by_word(installation(settings=[replace(silent, channels=())]))
    assert not alone["datanode_ha"].binds


URL = (ListedInstance(0, "192.168.10.11", 12730), ListedInstance(1, "192.168.10.12", 12730))
DSS = DssInstance(1, (ListedInstance(0, "10.0.0.1", 12720), ListedInstance(1, "10.0.0.2", 12720)))


@pytest.mark.parametrize(("number", "address"), [(0, "192.168.10.11"), (1, "192.168.10.12")])
def test_dms_listens_on_its_own_entry(number: int, address: str) -> None:
    """The entry of ss_instance_id gives address and port; the process is the datanode's."""
    settings = DatanodeSettings(12710, ("*",), dms=True, dms_number=number, dms_instances=URL)
    found = _by_word(installation(settings=[settings]))["dms"]
    assert (found.port, found.addresses) == (12730, _addresses(address))
    assert (found.process, found.component, found.instance_id) == ("gaussdb", "datanode", "6001")
    assert found.data_dir == "/opt/huawei/install/data/dn"


def test_without_dms_its_port_is_closed() -> None:
    """A default ss_interconnect_url means nothing while ss_enable_dms is off."""
    assert "dms" not in _by_word(installation(settings=[replace(OM, dms_instances=URL)]))


def test_dss_has_cms_number_of_its_resource() -> None:
    """The application that is given DSS' directory names the instance as cm_ctl shows it."""
    resources = (
        CmResource("other", "APP", "x", (ResourceInstance(20001, 1, "/opt/other"),)),
        CmResource("dss", "APP", "dss.sh", (ResourceInstance(20002, 1, "/opt/dss /data"),)),
    )
    facts = installation(dss=DSS, resources=resources, variables={"DSS_HOME": "/opt/dss"})
    found = _by_word(facts)["dss"]
    assert (found.instance_id, found.port) == ("20002", 12720)
    assert found.addresses == _addresses("10.0.0.2")
    assert (found.process, found.component, found.precheck) == ("dssserver", "dss", False)


def test_dss_without_a_resource_has_its_own_number() -> None:
    """Where CM does not know it, INST_ID is the only number there is."""
    assert _by_word(installation(dss=DSS))["dss"].instance_id == "1"


@pytest.mark.parametrize("nodes", [(), DSS.nodes[1:]])
def test_a_lone_dss_opens_no_port(nodes: tuple[ListedInstance, ...]) -> None:
    """With at most one entry dssserver has nobody to talk to."""
    assert "dss" not in _by_word(installation(dss=replace(DSS, nodes=nodes)))


@pytest.mark.parametrize(
    ("words", "addresses"),
    [
        (["localhost", "10.77.0.1"], _addresses("127.0.0.1", "10.77.0.1")),
        (["10.77.0.1", "localhost", "10.77.0.1"], _addresses("10.77.0.1", "127.0.0.1")),
        (["*"], ()),
        (["10.77.0.1", "*"], ()),
        ([_ANY], _addresses(_ANY)),
        (["::"], _addresses("::")),
        (["fe80::1%eth0"], _addresses("fe80::1")),
        (["ogdb1"], _addresses("10.77.0.1")),
        (["OGDB1", "unknown"], _addresses("10.77.0.1")),
        (["unknown"], None),
        ([], None),
    ],
)
def test_words_for_addresses_become_addresses(
    words: list[str], addresses: Optional[tuple[IPAddress, ...]]
) -> None:
    """Names come from /etc/hosts, ``*`` is the wildcard, and what is not known stays open."""
    assert listened(words, HOSTS) == addresses


def test_localhost_is_known_without_a_hosts_file() -> None:
    """Every resolver knows it."""
    assert listened(["localhost"], {}) == _addresses("127.0.0.1")


def test_a_name_with_ipv6_only_needs_one_of_its_addresses() -> None:
    """The server is content with the first address of a name that it can bind."""
    assert listened(["six"], {"six": _addresses("fd00::1", "fd00::2")}) == _addresses("fd00::1")


@pytest.mark.parametrize(
    ("name", "ports"),
    [
        ("ipv6_2node.node2", {15000, 15001, 15002, 15400, 15401}),
        ("dss_2node.node1", {16300, 16301, 16302, 12710, 12711}),
        ("one_pri_two_sby_3node.node2", {15000, 15001, 15002, 15400, 15401}),
    ],
)
def test_real_files_give_their_ports(name: str, ports: set[int]) -> None:
    """Each file of OM's own writer gives the ports that OM derives."""
    config = parse_static_config((SAMPLES / f"{name}.cluster_static_config").read_bytes())
    assert {each.port for each in discovered_endpoints(installation(config))} == ports


_WORDS = st.sampled_from(["*", "localhost", "10.0.0.1", "::1", "nonsense", ""])
_PORTS = st.integers(1, 65535)
_SETTINGS = st.builds(
    DatanodeSettings,
    port=st.none() | _PORTS,
    listen_addresses=st.none() | st.lists(_WORDS).map(tuple),
    channels=st.lists(st.builds(ReplicationChannel, _WORDS, _PORTS), max_size=3).map(tuple),
    dms=st.booleans(),
    dms_number=st.integers(0, 2),
    dms_instances=st.lists(st.builds(ListedInstance, st.integers(0, 2), _WORDS, _PORTS)).map(tuple),
)


@given(
    settings=_SETTINGS,
    cm_port=st.integers(1, 65535),
    ddb_type=st.integers(0, 3),
    interval=st.integers(0, 5),
)
def test_endpoints_are_well_formed_whatever_the_files_say(
    settings: DatanodeSettings, cm_port: int, ddb_type: int, interval: int
) -> None:
    """No key twice, no impossible port, a database endpoint always with its directory."""
    facts = installation(
        make_cluster(TWO_NODES, cm_port=cm_port),
        [settings],
        cm_agent=CmAgentSettings(interval),
        cm_server=CmServerSettings(ddb_type),
    )
    found = discovered_endpoints(facts)
    assert len({endpoint.key for endpoint in found}) == len(found)
    assert all(1 <= endpoint.port <= 65535 for endpoint in found)
    assert all(endpoint.data_dir for endpoint in found if endpoint.component == "datanode")
