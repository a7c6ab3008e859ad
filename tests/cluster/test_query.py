"""The grammar of cm_ctl query: what no sample shows, and what no output should ever hide."""

from __future__ import annotations

import pytest

from exporter.cluster.facts import (
    ClusterState,
    ClusterView,
    CmServer,
    CmServerState,
    Datanode,
    DatanodeRole,
    DatanodeState,
    Field,
    Place,
    Problem,
    Resource,
    ResourceState,
    StaticRole,
    UnknownToken,
)
from exporter.cluster.query import parse
from exporter.errors import ParseError

_LINE = "-" * 71
_SUMMARY = """[   Cluster State   ]

cluster_state   : Degraded
redistributing  : No
balanced        : No
current_az      : AZ_ALL

"""


def _datanodes(row: str, titles: str = "node node_ip instance state") -> tuple[Datanode, ...]:
    return parse(f"[  Datanode State   ]\n\n{titles}\n{_LINE}\n{row}\n").datanodes


def _servers(row: str, titles: str = "node node_ip instance state") -> tuple[CmServer, ...]:
    return parse(f"[  CMServer State   ]\n\n{titles}\n{_LINE}\n{row}\n").cm_servers


def _logged(record: str, why: str = "cm_ctl: opendir /nonexistent failed! ") -> str:
    return f"{why}\nwrite_log_file,log file is null now:2026-11-22 12:12:28 tid=1  {record}\n\n"


@pytest.mark.parametrize("state", list(CmServerState))
def test_every_state_of_a_cm_server_is_read_in_cm_s_own_words(state: CmServerState) -> None:
    """No word of cm_ctl is Unknown by mistake, those of older ones included."""
    (server,) = _servers(f"1  node1 10.77.0.1 1    /cm/cm_server {state.value}")
    assert server.state is state


def test_a_primary_cm_server_that_is_pending_is_understood() -> None:
    """An older cm_ctl says Pending of one that answered as primary, with a flag beside its role."""
    row = "1  node1 10.77.0.1 1    /cm/cm_server Pending"
    titles = "node node_ip instance state"
    view = parse(f"[  CMServer State   ]\n\n{titles}\n{_LINE}\n{row}\n")
    assert (view.cm_servers[0].state.value, view.unknown) == ("Pending", ())


@pytest.mark.parametrize(
    "role", [role for role in DatanodeRole if role is not DatanodeRole.UNKNOWN]
)
@pytest.mark.parametrize("state", list(DatanodeState))
def test_every_role_and_state_is_read_in_cm_s_own_words(
    role: DatanodeRole, state: DatanodeState
) -> None:
    """All pairs of words, of one word or of two, come apart as CM put them together."""
    (node,) = _datanodes(f"1  n1 10.0.0.1 6001 15400  /data/dn S {role.value:7} {state.value}")
    assert (node.role, node.state, node.reason) == (role, state, "")


@pytest.mark.parametrize(
    "reason",
    [
        "WAL segment removed",
        "Disconnected",
        "System id not matched",
        "User/Password invalid",
        "DCF log loss",
    ],
)
def test_a_reason_is_not_part_of_the_state(reason: str) -> None:
    """``Need repair(...)`` is the state Need repair, with its reason beside it."""
    (node,) = _datanodes(f"2  n2 10.0.0.2 6002 15400 /dn S Standby Need repair({reason})")
    assert (node.state, node.reason) == (DatanodeState.NEED_REPAIR, reason)


def test_a_build_s_percentage_is_not_part_of_the_state() -> None:
    """``Building(0%)`` is the state Building at zero percent."""
    (node,) = _datanodes("2  n2 10.0.0.2 6002 15400 /dn S Cascade Standby Building(0%)")
    assert (node.role, node.state) == (DatanodeRole.CASCADE_STANDBY, DatanodeState.BUILDING)
    assert (node.progress, node.reason) == (0, "")


@pytest.mark.parametrize(
    "name",
    ["Primary", "Down", "P", "S", "Normal", "6001", "15400", "1", "10.0.0.9", "a.b-c_d", "::1"],
)
@pytest.mark.parametrize("az", ["", "AZ1 "])
@pytest.mark.parametrize("columns", ["ipd", "ip", "id", "i", "pd", "p", "d", ""])
def test_a_host_may_have_any_name(name: str, az: str, columns: str) -> None:
    """Names that look like another column's word are told from it, with every set of columns."""
    ip = "10.0.0.1 " if "i" in columns else ""
    port = "15400  " if "p" in columns else ""
    path = "/data/dn " if "d" in columns else "    "
    titles = "node node_ip instance state" if ip else "node instance state"
    (node,) = _datanodes(f"{az}1  {name} {ip}6001 {port}{path}P Primary Normal", titles)
    assert node.place == Place("1", name, ip.strip(), az.strip())
    assert (node.instance_id, node.port) == ("6001", 15400 if port else None)
    assert (node.static_role, node.role) == (StaticRole.PRIMARY, DatanodeRole.PRIMARY)
    assert (node.state, node.data_dir) == (DatanodeState.NORMAL, path.strip())


@pytest.mark.parametrize("name", ["Primary", "Down", "1", "2", "10.0.0.9", "cm_server"])
@pytest.mark.parametrize("az", ["", "AZ1 "])
@pytest.mark.parametrize("columns", ["id", "i", "d", ""])
def test_a_cm_server_s_host_may_have_any_name(name: str, az: str, columns: str) -> None:
    """The same for the rows of CMServer State."""
    ip = "10.0.0.1 " if "i" in columns else ""
    path = "/cm/cm_server " if "d" in columns else "    "
    titles = "node node_ip instance state" if ip else "node instance state"
    (server,) = _servers(f"{az}1  {name} {ip}1    {path}Down", titles)
    place = Place("1", name, ip.strip(), az.strip())
    assert server == CmServer(place, "1", CmServerState.DOWN, path.strip())


def test_rows_without_a_title_line_are_read_too() -> None:
    """When the title is missing an address is recognised by what it looks like."""
    text = "[  CMServer State   ]\n1 n1 10.0.0.1 1 /cm/cm_server Primary\n2 n2 2 Standby\n"
    assert [server.place.ip for server in parse(text).cm_servers] == ["10.0.0.1", ""]


def test_an_address_may_be_replaced_by_a_name() -> None:
    """A documentation's ``NodeIP_1`` stands for an address where the title promises one."""
    (server,) = _servers("1  openGauss111 NodeIP_1    1    /cm/cm_server Standby     ")
    assert (server.place.ip, server.state) == ("NodeIP_1", CmServerState.STANDBY)


def test_a_dummy_standby_has_no_port_where_the_others_have_one() -> None:
    """With -p a row of role R goes without the port column."""
    nodes = _datanodes(
        "1 n1 10.0.0.1 6001 15400 /dn P Primary Normal | 2 n2 10.0.0.2 3002 /d R Secondary Normal"
    )
    assert [(node.port, node.static_role) for node in nodes] == [
        (15400, StaticRole.PRIMARY),
        (None, StaticRole.DUMMY),
    ]


def test_resources_of_wal_record_mode_show_their_role() -> None:
    """The role in brackets is not part of the state, and the line about the mode is known."""
    text = (
        "\n[ Defined Resource State ]\n\nnode           res_name instance  state  \n"
        f"{_LINE}\n1  oGRecorder1 gr       20001     OnLine  (Primary)\n"
        "2  oGRecorder2 gr       20002     Deleted (Standby)\n\n"
        f"{_SUMMARY.rstrip()}\nenable_walrecord: Yes\n"
    )
    view = parse(text)
    assert view.unknown == ()
    assert view.resources == (
        Resource(Place("1", "oGRecorder1"), "gr", "20001", ResourceState.ONLINE, "Primary"),
        Resource(Place("2", "oGRecorder2"), "gr", "20002", ResourceState.DELETED, "Standby"),
    )


@pytest.mark.parametrize(
    "titles", ["node node_ip res_name instance state", "node res_name instance state"]
)
@pytest.mark.parametrize("name", ["n1", "10.0.0.9", "dss"])
@pytest.mark.parametrize("az", ["", "AZ1 ", "1 "])
def test_a_resource_s_address_may_stand_where_no_title_promises_it(
    titles: str, name: str, az: str
) -> None:
    """An early CM printed the addresses of resources without -i, too."""
    row = f"{az}1 {name}  10.0.0.1    dss    20001    OffLine"
    text = f"\n[ Defined Resource State ]\n\n{titles}\n{_LINE}\n{row}\n\n{_SUMMARY}"
    place = Place("1", name, "10.0.0.1", az.strip())
    assert parse(text).resources == (Resource(place, "dss", "20001", ResourceState.OFFLINE),)
    assert parse(text).unknown == ()


@pytest.mark.parametrize("az", ["", "AZ1", "1"])
def test_a_resource_s_host_may_be_named_like_an_address(az: str) -> None:
    """Without -i it is still the host's name, whatever the availability zone is called."""
    row = f"{az} 2  10.0.0.9 dss 20001     OnLine "
    text = f"[ Defined Resource State ]\n\nnode res_name instance state\n{_LINE}\n{row}\n"
    place = Place("2", "10.0.0.9", "", az)
    assert parse(text).resources == (Resource(place, "dss", "20001", ResourceState.ONLINE),)


def test_tables_that_nobody_reads_are_passed_over() -> None:
    """The rows of etcds, kerberos and fenced UDFs are never taken for cm_servers or datanodes."""
    text = (
        f"[    ETCD State     ]\n\nnode node_ip instance state\n{_LINE}\n"
        "1  n1 10.0.0.1     7001 /etcd StateLeader\n2  n2 10.0.0.2     7002 /etcd UNKNOWN\n\n"
        f"[  Kerberos State  ]\n\nnode kerberos_ip port state\n{_LINE}\n"
        "1  n1 fd00::1  21732     Normal \n\n"
        f"[  Fenced UDF State  ]\n\nnode node_ip state\n{_LINE}\n1  n1 10.0.0.1  Down\n\n"
    )
    assert parse(text) == ClusterView()


def test_sections_of_distributed_clusters_are_passed_over() -> None:
    """Coordinators and GTMs are nobody's datanodes."""
    text = (
        f"{_SUMMARY}[ Coordinator State ]\n\nnode node_ip instance state\n{_LINE}\n"
        "1  n1 10.0.0.1 5001 19080  /cn  Normal\n\n"
        f"[     GTM State     ]\n\nnode node_ip instance state sync_state\n{_LINE}\n"
        "1  n1 10.0.0.1 1001 /gtm P Primary Connection ok  Sync\n\n"
        f"[  Datanode State   ]\n\nnode node_ip instance state\n{_LINE}\n"
        "1  n1 10.0.0.1 6001 9080 /dn P Primary Normal\n"
    )
    view = parse(text)
    assert (len(view.datanodes), view.cm_servers, view.unknown) == (1, (), ())


def test_a_log_record_within_a_row_leaves_the_row_whole() -> None:
    """CM prints an abnormal datanode's record right behind its state, and the row goes on."""
    record = _logged("DEBUG1: Datanode State: node=1 nodeName=n1 state=Disk damaged buildReason=U")
    building = _logged("DEBUG1: Datanode State: node=2", "logfile_open could not open log file:x.")
    nodes = _datanodes(
        f"1  n1 10.0.0.1 6001 9080 /dn P Down    Disk damaged{record}"
        f" | 2  n2 10.0.0.2 6002 9080 /dn S Standby Building{building}(37%)"
        f" | 3  n3 10.0.0.3 6003 9080 /dn S Standby Normal"
    )
    assert [(node.state.value, node.progress) for node in nodes] == [
        ("Disk damaged", None),
        ("Building", 37),
        ("Normal", None),
    ]


def test_log_records_between_rows_change_nothing() -> None:
    """Records of one line and of several stand between titles and rows, and are no rows."""
    closed = _logged(
        "DEBUG1: 461 : connect to cmserver failed: server closed the connection unexpectedly\n"
        "\tThis probably means the server terminated abnormally\n"
        "\tbefore or while processing the request.\n."
    )
    servers = _servers(
        f"{closed}{_logged('DEBUG1: connect to cmserver success')}1  n1 10.0.0.1 1 /cm Primary\n"
        f"{closed}2  n2 10.0.0.2 2 /cm Down\n{_logged('DEBUG1: CMServer State: node=2')}"
    )
    assert [server.state for server in servers] == [CmServerState.PRIMARY, CmServerState.DOWN]


def test_a_record_without_an_end_of_its_own_swallows_no_row() -> None:
    """Where the record's text lacks its newline the next line is a row again."""
    record = _logged("DEBUG1: can't find the node(9).")[:-1]
    assert len(_servers(f"{record}1  n1 10.0.0.1 1 /cm Primary")) == 1


@pytest.mark.parametrize("dots", [".\n", "....\n.", "......"])
def test_dots_of_waiting_are_no_text(dots: str) -> None:
    """A line of dots, or dots in front of a line, are as if they were not there."""
    assert parse(dots + _SUMMARY).cluster_state is ClusterState.DEGRADED


def test_unknown_words_show_as_unknown_and_are_counted_by_field() -> None:
    """A newer CM's words never stop the reading, and each is reported where it stood."""
    text = (
        "[  CMServer State   ]\n\nnode instance state\n--\n1  n1 1        Electing\n\n"
        "[ Defined Resource State ]\n\nnode res_name instance state\n--\n"
        "1  n1 dss 20001 Fenced\n\n"
        "[   Cluster State   ]\n\ncluster_state   : Partitioned\nbalanced        : Perhaps\n\n"
        "[  Datanode State   ]\n\nnode instance state\n--\n"
        "1  n1 6001     L Primary Normal | 2  n2 6002     S Learner Normal"
        " | 3  n3 6003     S Standby Out of space\n"
    )
    view = parse(text)
    assert view.cluster_state is ClusterState.UNKNOWN
    assert view.balanced is None
    assert view.cm_servers[0].state is CmServerState.UNKNOWN
    assert view.resources[0].state is ResourceState.UNKNOWN
    first, second, third = view.datanodes
    assert (first.static_role, first.role) == (StaticRole.UNKNOWN, DatanodeRole.PRIMARY)
    assert (second.role, second.state) == (DatanodeRole.UNKNOWN, DatanodeState.NORMAL)
    assert (third.role, third.state) == (DatanodeRole.STANDBY, DatanodeState.UNKNOWN)
    assert set(view.unknown) == {
        UnknownToken(Field.CLUSTER_STATE, "Partitioned"),
        UnknownToken(Field.CLUSTER_FLAG, "Perhaps"),
        UnknownToken(Field.CM_SERVER_STATE, "Electing"),
        UnknownToken(Field.RESOURCE_STATE, "Fenced"),
        UnknownToken(Field.STATIC_ROLE, "L"),
        UnknownToken(Field.DATANODE_ROLE, "Learner"),
        UnknownToken(Field.DATANODE_STATE, "Out of space"),
    }


def test_a_row_that_fits_no_table_is_counted_and_left_out() -> None:
    """A line that begins like a row but is none shows that something was not read."""
    text = "[  CMServer State   ]\n\nnode instance state\n--\n1  n1 1 2 3 4 5 Down\n"
    view = parse(text)
    assert view.cm_servers == ()
    assert view.unknown == (UnknownToken(Field.ROW, "1 n1 1 2 3 4 5 Down"),)


def test_a_second_row_of_an_instance_replaces_the_first() -> None:
    """Two rows of one instance never become two facts."""
    servers = _servers("1 n1 10.0.0.1 1 /cm Primary\n1 n1 10.0.0.1 1 /cm Down")
    assert [server.state for server in servers] == [CmServerState.DOWN]


_WHOLE = (
    f"[  CMServer State   ]\n\nnode node_ip instance state\n{_LINE}\n"
    "1  n1 10.0.0.1 1    /cm/cm_server Primary\n2  n2 10.0.0.2 2    /cm/cm_server Standby\n\n"
    f"{_SUMMARY}[  Datanode State   ]\n\nnode node_ip instance state | node node_ip instance"
    f" state\n{_LINE}\n1  n1 10.0.0.1 6001 15400  /dn P Primary Normal"
    " | 2  n2 10.0.0.2 6002 15400  /dn S Standby Need repair(Disconnected)\n"
)


def test_output_cut_off_anywhere_tells_nothing_wrong() -> None:
    """What is read of a beginning is a part of what is read of the whole, and nothing else."""
    whole = parse(_WHOLE)
    # The reason comes last: a datanode may have lost it, and nothing else.
    states = {(node.key, node.role, node.state) for node in whole.datanodes}
    for length in range(len("[  CMServer State   ]"), len(_WHOLE)):
        view = parse(_WHOLE[:length])
        assert view.unknown == ()
        assert view.cluster_state in (None, whole.cluster_state)
        assert view.balanced in (None, whole.balanced)
        assert set(view.cm_servers) <= set(whole.cm_servers)
        assert {(node.key, node.role, node.state) for node in view.datanodes} <= states


def test_a_line_left_open_behind_a_bar_keeps_its_datanodes() -> None:
    """When cm_server leaves the last member out the line ends in `` | `` without a newline."""
    text = _WHOLE[: _WHOLE.index(" | 2  n2") + 3]
    assert [node.instance_id for node in parse(text).datanodes] == ["6001"]


def test_details_are_read_block_by_block() -> None:
    """Without -C every instance has a block; of a repeated key the first is its own."""
    text = (
        f"{_LINE}\n\ncluster_state             : Normal\nredistributing            : No\n"
        f"balanced                  : Yes\npausing                   : Yes\n\n{_LINE}\n\n"
        "node                      : 1\nnode_name                 : n1\n\n"
        "node                      : 1\ninstance_id               : 6001\n"
        "node_ip                   : fd00::1\ndata_path                 : /dn\n"
        "type                      : Datanode\ninstance_state            : Standby\n"
        "HA_state                  : Building\nsync_state                : Async\n"
        "process_schedule          : 42%\n\n"
        "node                      : 1\ninstance_id               : 7001\n"
        "node_ip                   : fd00::1\ndata_path                 : /etcd\n"
        "type                      : ETCD\nstate                     : StateFollower\n\n"
        "node                      : 1\nnode_ip                   : fd00::1\n"
        f"type                      : Fenced UDF\nstate                     : Down\n\n{_LINE}\n\n"
    )
    here = Place("1", "n1", "fd00::1")
    assert parse(text) == ClusterView(
        ClusterState.NORMAL,
        redistributing=False,
        balanced=True,
        paused=True,
        datanodes=(
            Datanode(
                here,
                "6001",
                DatanodeRole.STANDBY,
                DatanodeState.BUILDING,
                data_dir="/dn",
                progress=42,
            ),
        ),
    )


def test_a_dummy_standby_s_details_have_no_state() -> None:
    """A block without HA_state is an instance whose state is not said, not an unknown word."""
    text = (
        "node : 3\ninstance_id : 3002\nnode_ip : 10.0.0.3\ndata_path : /dn\n"
        "type : Datanode\ninstance_state : Secondary\n\n"
    )
    view = parse(text)
    assert [(node.role.value, node.state.value) for node in view.datanodes] == [
        ("Secondary", "Unknown")
    ]
    assert view.unknown == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("current user is the root user (uid = 0), exit.\n", Problem.ROOT),
        ("cm_ctl: CmSSlConfigInit init failed.\n", Problem.ENVIRONMENT),
        ("cm_ctl: send query msg to cm_server failed.\n", Problem.NO_ANSWER),
        ("cm_ctl: receive resource query msg from cm_server failed.\n", Problem.NO_ANSWER),
        (
            "cm_ctl: can't connect to cm_server.\nMaybe cm_server is not running\n",
            Problem.NO_PRIMARY,
        ),
        ("cm_ctl: create ssl connection failed.\n", Problem.NO_PRIMARY),
        ("cm_ctl: flush data failed: Broken pipe\n", Problem.NO_PRIMARY),
    ],
)
def test_cm_ctl_s_errors_are_problems(text: str, problem: Problem) -> None:
    """An error on stdout is understood as what it says."""
    assert parse(text) == ClusterView(problem=problem)


def test_a_record_about_one_cm_server_is_no_problem_of_the_query() -> None:
    """``can't connect to cm_server node 2`` does not mean that there is no primary."""
    text = _logged("DEBUG1: can't connect to cm_server node 2 node_name n2") + _SUMMARY
    assert parse(text).problem is None


_LOST_CONNECTION = (
    "cm_ctl: create ssl connection failed.\ncm_ctl: socket is [5], 412 : create ssl failed: x\n"
)


def test_a_connection_that_fails_is_one_cm_server_s_trouble() -> None:
    """cm_ctl tells of it before the rows of all cm_servers, asks the others and goes on."""
    row = f"{_LOST_CONNECTION}1 n1 10.0.0.1 1 /cm Primary\n2 n2 10.0.0.2 2 /cm Down\n"
    view = parse(
        f"[  CMServer State   ]\n\nnode node_ip instance state\n{_LINE}\n{row}\n{_SUMMARY}"
    )
    assert [server.state.value for server in view.cm_servers] == ["Primary", "Down"]
    assert (view.cluster_state, view.problem) == (ClusterState.DEGRADED, None)


def test_a_connection_that_fails_last_is_the_query_s_trouble() -> None:
    """Where nothing follows the error, the primary was lost while it was answering."""
    assert parse(f"{_SUMMARY}{_LOST_CONNECTION}").problem is Problem.NO_PRIMARY


def test_details_go_on_behind_a_connection_that_fails() -> None:
    """Without -C, too, all cm_servers are asked before anything is printed."""
    view = parse(f"{_LOST_CONNECTION}cluster_state             : Normal\n")
    assert (view.cluster_state, view.problem) == (ClusterState.NORMAL, None)


def test_a_row_behind_an_unknown_node_is_read() -> None:
    """cm_ctl's error about a node that its static config lacks has no newline of its own."""
    rows = (
        "1 n1 10.0.0.1 6001 15400 /dn P Primary Normal\ncm_ctl: can't find the node(2)."
        "3 n3 10.0.0.3 6003 15400 /dn S Down    Port conflicting"
    )
    assert [(row.place.node_id, row.state.value) for row in _datanodes(rows)] == [
        ("1", "Normal"),
        ("3", "Port conflicting"),
    ]


def test_nothing_is_read_behind_the_last_words_of_a_query() -> None:
    """What a wrapper prints after cm_ctl gave up is no row."""
    servers = _servers(
        "1 n1 10.0.0.1 1 /cm Down\n\ncm_ctl: can't connect to cm_server.\n"
        "Maybe cm_server is not running, or timeout expired. Please try again.\n\n"
        "2 n2 10.0.0.2 2 /cm Down"
    )
    assert [server.instance_id for server in servers] == ["1"]


@pytest.mark.parametrize(
    "text", ["", "\n\n", "-----\n", "Killed\n", "[  Network Connect State  ]\n\n", "a : b\n"]
)
def test_nothing_recognised_is_an_error(text: str) -> None:
    """An output of which nothing was understood is never an empty cluster."""
    with pytest.raises(ParseError, match="nothing in the output"):
        parse(text)


def test_the_error_shows_the_beginning_of_what_was_not_understood() -> None:
    """The message carries enough to see what was run, and is bounded."""
    with pytest.raises(ParseError, match="cm_ctl: -v is needed") as caught:
        parse("cm_ctl: -v is needed.\n" + "x" * 10_000)
    assert len(str(caught.value)) < 300
