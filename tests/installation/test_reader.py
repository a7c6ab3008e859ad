"""The installation as it appears, moves, changes and breaks under a running exporter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from exporter.config.schema import InstallationHints
from exporter.errors import SourceError
from exporter.host.command import Account
from exporter.host.files import WatchedFiles
from exporter.installation.endpoints import discovered_endpoints
from exporter.installation.environment import EnvironmentSearch
from exporter.installation.facts import (
    NO_UID,
    CmAgentSettings,
    CmServerSettings,
    FactState,
    Installation,
)
from exporter.installation.installed_files import FactStore
from exporter.installation.reader import InstallationReader
from tests.support.static_config_writer import make_cluster, write_static_config
from tests.support.trees import APP, CM, DATA, US, FakeProc, Tree

STATIC = "/opt/huawei/install/app_1/bin/cluster_static_config"


class World:
    """A host with an installation, and the reader that looks at it."""

    def __init__(self, directory: Path, **hints: object) -> None:
        self.tree = Tree(directory / "root")
        self.proc = FakeProc(directory / "proc")
        self.store = FactStore()
        self.configure(**hints)

    def configure(self, **hints: object) -> None:
        """Let another reader take over, as when the configuration is read anew."""
        files = WatchedFiles(self.tree.root)
        given = InstallationHints(**hints)  # type: ignore[arg-type]  # each test gives what it means
        name = given.node_name or "myhost"
        self.reader = InstallationReader(
            given,
            Installation(given.user or "omm", NO_UID, name),
            files,
            EnvironmentSearch(files, self.proc.reader(), None, {}),
            _account,
            self.store,
        )

    def start(self, gausshome: str = APP) -> None:
        """Let om_monitor run."""
        self.proc.add(7, "om_monitor", GAUSSHOME=gausshome, GS_CLUSTER_NAME="mine")

    def refresh(self) -> Installation:
        """Look once."""
        return self.reader.refresh()


def _account(name: str) -> Account:
    if name == "root":
        return Account("root", 0, 0, (0,), "/root")
    if name != "omm":
        raise SourceError(f"there is no OS user {name!r}")
    return US


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An installation whose om_monitor runs."""
    world = World(tmp_path)
    world.start()
    return world


def _ports(installation: Installation) -> dict[str, int]:
    return {each.endpoint: each.port for each in discovered_endpoints(installation)}


def _failed(installation: Installation) -> list[tuple[str, FactState]]:
    return [(lookup.fact, lookup.state) for lookup in installation.problems]


def test_a_healthy_installation_is_known_completely(world: World) -> None:
    """Everything from its own place, nothing failed, the ports as they are set."""
    found = world.refresh()
    assert found.problems == ()
    assert (found.user, found.uid, found.node_name, found.node_id) == ("omm", US.uid, "node1", 1)
    assert (found.gausshome, found.cluster_name) == (APP, "mine")
    assert found.app_dirs == ("/opt/huawei/install/app_1",)
    assert found.cm_agent == CmAgentSettings(1000)
    assert found.cm_server == CmServerSettings(1)
    assert found.datanodes[0].data_dir == DATA
    assert _ports(found) == {
        "cm_server": 15300,
        "cm_server_ha": 15301,
        "cm_agent": 15302,
        "datanode": 15400,
        "datanode_ha": 15401,
        "datanode_heartbeat": 15405,
    }


def test_a_look_without_changes_gives_the_very_same_facts(world: World) -> None:
    """Nothing is parsed again."""
    assert world.refresh() is world.refresh()


def test_an_installation_that_appears_is_noticed(tmp_path: Path) -> None:
    """First a clear message and no endpoints, then all of them, without a restart."""
    world = World(tmp_path)
    before = world.refresh()
    assert _failed(before) == [("GAUSSHOME", FactState.MISSING)]
    assert "installation.env_file" in before.problems[0].detail
    assert (before.node_name, _ports(before)) == ("myhost", {})
    world.start()
    assert _ports(world.refresh())["cm_server"] == 15300


def test_a_changed_port_is_noticed(world: World) -> None:
    """gs_guc writes postgresql.conf; the next look has the new port."""
    world.refresh()
    world.tree.write(f"{DATA}/postgresql.conf", "port = 16400\n")
    assert _ports(world.refresh())["datanode"] == 16400


def test_an_included_file_that_changes_is_noticed(world: World) -> None:
    """What decides is watched, wherever it is written."""
    world.tree.write(f"{DATA}/postgresql.conf", "include_if_exists 'later.conf'\n")
    assert _ports(world.refresh())["datanode"] == 15400
    world.tree.write(f"{DATA}/later.conf", "port = 16400\n")
    assert _ports(world.refresh())["datanode"] == 16400


def test_a_cluster_that_grows_is_noticed(world: World) -> None:
    """A new static config gives new members and ports."""
    world.refresh()
    world.tree.write_static(make_cluster(["10.77.0.1", "10.77.0.2", "10.77.0.3"], cm_port=16300))
    found = world.refresh()
    assert found.static is not None
    assert len(found.static.nodes) == 3
    assert _ports(found)["cm_server"] == 16300


def test_an_upgrade_that_moves_the_link_is_noticed(world: World) -> None:
    """The app link leads elsewhere; processes of the former release stay known as ours."""
    world.refresh()
    world.tree.write_static(make_cluster(["10.77.0.1"], cm_port=17300), release="app_2")
    world.tree.release("app_2")
    found = world.refresh()
    assert found.app_dirs == ("/opt/huawei/install/app_1", "/opt/huawei/install/app_2")
    assert _ports(found)["cm_server"] == 17300


def test_the_number_of_remembered_releases_is_bounded(world: World) -> None:
    """The newest sixteen are enough."""
    for number in range(2, 22):
        world.tree.release(f"app_{number}")
        world.refresh()
    directories = world.refresh().app_dirs
    assert len(directories) == 16
    assert directories[-1] == "/opt/huawei/install/app_21"


@pytest.mark.parametrize("cut", [0, 20, 9000, 40000])
def test_a_half_written_static_config_changes_nothing(world: World, cut: int) -> None:
    """While OM writes it anew the last good facts stay, and the failure is told."""
    before = _ports(world.refresh())
    whole = write_static_config(make_cluster(["10.77.0.1", "10.77.0.2"], cm_port=18300))
    world.tree.write(STATIC, whole[:cut])
    found = world.refresh()
    assert _ports(found) == before
    assert _failed(found) == [("static_config", FactState.NOT_UNDERSTOOD)]
    assert "cluster_static_config: offset 0x" in found.problems[0].detail
    world.tree.write(STATIC, whole)
    assert _ports(world.refresh())["cm_server"] == 18300


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        (f"{DATA}/postgresql.conf", "port = 1\nport ==\n", f"{DATA}/postgresql.conf: line 2: "),
        (f"{DATA}/postgresql.conf", "port = 99999\n", "line 1: port: expected a port"),
        (f"{CM}/cm_agent/cm_agent.conf", "", "cm_agent.conf: expected lines of name = value"),
        (f"{CM}/cm_server/cm_server.conf", "#\n", "cm_server.conf: expected lines"),
        (f"{CM}/cm_agent/cm_resource.json", "{", "cm_resource.json: line 1: "),
    ],
)
def test_a_file_that_breaks_keeps_its_last_good_facts(
    world: World, path: str, text: str, message: str
) -> None:
    """The endpoints stay as they were; the message names the file, and the line where it can."""
    before = _ports(world.refresh())
    world.tree.write(path, text)
    found = world.refresh()
    assert _ports(found) == before
    assert len(found.problems) == 1
    assert message in found.problems[0].detail


def test_files_that_go_away_keep_their_last_good_facts(world: World) -> None:
    """What must be there and is not is a failure; what need not be there is none."""
    world.tree.write(f"{CM}/cm_agent/cm_resource.json", '{"resources": []}')
    before = _ports(world.refresh())
    for path in (STATIC, f"{DATA}/postgresql.conf", f"{CM}/cm_agent/cm_resource.json"):
        world.tree.path(path).unlink()
    found = world.refresh()
    assert _ports(found) == before
    assert _failed(found) == [
        ("static_config", FactState.MISSING),
        ("postgresql_conf_6001", FactState.MISSING),
    ]


def test_a_stopped_cluster_is_still_known(world: World) -> None:
    """When the last process ends nothing is lost, and nothing failed."""
    before = world.refresh()
    world.proc.end(7)
    found = world.refresh()
    assert found.problems == ()
    assert _ports(found) == _ports(before)
    assert found.gausshome == APP


def test_the_configuration_overrides_what_was_found(tmp_path: Path) -> None:
    """Directories, the static config, the number and the name of the node."""
    world = World(
        tmp_path,
        gausshome="/else/app",
        gausslog="/else/log",
        static_config=f"{APP}/bin/cluster_static_config",
        node_id=2,
        node_name="called",
    )
    world.start(gausshome="/third/app")
    found = world.refresh()
    assert (found.gausshome, found.gausslog) == ("/else/app", "/else/log")
    assert (found.node_id, found.node_name) == (2, "called")
    assert found.node is not None
    assert found.node.name == "node2"
    assert found.cluster_name == ""  # the process is another installation's


def test_a_number_that_no_node_has_is_a_failure(tmp_path: Path) -> None:
    """The message tells which numbers there are."""
    world = World(tmp_path, node_id=9)
    world.start()
    found = world.refresh()
    assert ("node_id", FactState.NOT_UNDERSTOOD) in _failed(found)
    assert found.problems[0].detail == "expected one of 1, 2, found 9"
    assert _ports(found) == {}


def test_an_unknown_user_is_told(tmp_path: Path) -> None:
    """Nothing is looked for, and nothing crashes."""
    found = World(tmp_path, user="nobody-here").refresh()
    assert _failed(found) == [("user", FactState.MISSING)]
    assert found.node_name == "myhost"


def test_root_is_no_clusters_user(tmp_path: Path) -> None:
    """An exporter run as root that was not told the user says so."""
    found = World(tmp_path, user="root", gausshome=APP).refresh()
    assert ("user", FactState.NOT_UNDERSTOOD) in _failed(found)
    assert _ports(found)["cm_server"] == 15300


def test_a_reload_keeps_the_last_good_facts(world: World) -> None:
    """A reader with other hints still knows what the former one had read."""
    before = world.refresh()
    world.proc.end(7)
    world.tree.write(STATIC, b"half")
    world.tree.release("app_2")
    world.tree.path(STATIC).unlink()
    world.configure(node_name="renamed")
    found = world.refresh()
    assert found.node_name == "renamed"
    assert _ports(found) == _ports(before)
    assert found.app_dirs == ("/opt/huawei/install/app_1", "/opt/huawei/install/app_2")
    assert ("static_config", FactState.MISSING) in _failed(found)


def test_dss_is_found_by_cms_resource(world: World) -> None:
    """Where the environment says nothing CM's own resource names DSS' directory."""
    resource = {"node_id": 1, "res_instance_id": 0, "res_args": "/opt/huawei/install/dss /x"}
    text = (
        f'{{"resources": [{{"name": "dss", "resources_type": "APP", "instances": [{resource}]}}]}}'
    )
    world.tree.write(f"{CM}/cm_agent/cm_resource.json", text.replace("'", '"'))
    listed = "INST_ID=0\nDSS_NODES_LIST=0:10.77.0.1:15410,1:10.77.0.2:15410\n"
    world.tree.write("/opt/huawei/install/dss/cfg/dss_inst.ini", listed)
    found = world.refresh()
    assert found.dss_home == "/opt/huawei/install/dss"
    assert found.problems == ()
    assert _ports(found)["dss"] == 15410


def test_a_data_directory_behind_a_link_is_resolved(world: World) -> None:
    """Processes name their directory as they see it; both are compared resolved."""
    world.tree.path("/disk1").mkdir()
    world.tree.path(DATA).rename(world.tree.path("/disk1/dn"))
    world.tree.path(DATA).symlink_to("/disk1/dn")
    found = world.refresh()
    assert found.datanodes[0].data_dir == "/disk1/dn"
    assert [e.data_dir for e in discovered_endpoints(found) if e.endpoint == "datanode"] == [
        "/disk1/dn"
    ]


def test_a_node_without_cm_needs_no_cm_files(world: World) -> None:
    """Nothing of CM is looked for where it is not installed."""
    static = make_cluster(["10.77.0.1"])
    bare = replace(static.nodes[0], cm_dir="", cm_server=None)
    world.tree.write_static(replace(static, nodes=(bare,)))
    found = world.refresh()
    assert found.problems == ()
    assert set(_ports(found)) == {"datanode", "datanode_ha", "datanode_heartbeat"}
