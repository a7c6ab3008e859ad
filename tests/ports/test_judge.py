"""The verdicts, case by case as the running CM showed them."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

import pytest

from exporter.host.facts import Process
from exporter.ports.facts import (
    Endpoint,
    PidFile,
    PortEvidence,
    PortVerdict,
    Reason,
    Relation,
    Socket,
    TcpState,
)
from exporter.ports.relation import Programs
from exporter.ports.verdict import judge
from tests.support.facts import (
    APP,
    CLUSTER,
    OMM,
    OTHER_USER,
    endpoint,
    facts,
    process,
    socket,
)

HERE = "10.77.0.2"
NGINX = process(900, "/usr/sbin/nginx", OTHER_USER)
CM_SERVER = process(500)
CM_AGENT = process(400, f"{APP}_d712af3/bin/cm_agent")
FAILED_BIND = PortEvidence(own_listener_absent_for=130, bind_failure_age=2)


def verdict(
    *pairs: tuple[Socket, tuple[Process, ...]],
    of: Optional[Endpoint] = None,
    running: tuple[Process, ...] = (),
    evidence: Optional[PortEvidence] = None,
) -> PortVerdict:
    """Judge one endpoint, by default a cm_server that must bind its node's address."""
    one = of or endpoint("cm_server", HERE)
    told = {one.key: evidence} if evidence else {}
    return judge([one], facts(*pairs), Programs(running, CLUSTER.uid), CLUSTER, told)[0]


@pytest.mark.parametrize(
    ("taken", "reason"),
    [
        (socket("0.0.0.0"), Reason.FOREIGN_LISTENER),  # noqa: S104 -- nothing is bound here
        (socket(HERE), Reason.FOREIGN_LISTENER),
        (socket("127.0.0.1"), Reason.OTHER_ADDRESS_LISTENER),
        (socket("::"), Reason.IPV6_LISTENER),
        (socket("::", v6only=True), None),
        (socket("::1"), None),
        (socket("::", v6only=None), Reason.UNIDENTIFIED),
        (socket(HERE, family=6), Reason.IPV6_LISTENER),
        (socket("127.0.0.1", family=6), None),
        (socket(HERE, state=TcpState.ESTABLISHED), Reason.CONNECTION),
        (socket("127.0.0.1", state=TcpState.ESTABLISHED), None),
        (socket(HERE, state=TcpState.CLOSE_WAIT), Reason.CONNECTION),
        (socket(HERE, state=TcpState.BOUND_INACTIVE), Reason.BOUND_NOT_LISTENING),
        (socket("127.0.0.1", state=TcpState.BOUND_INACTIVE), None),
        (socket("::", state=TcpState.BOUND_INACTIVE), Reason.BOUND_NOT_LISTENING),
        (socket("::", state=TcpState.BOUND_INACTIVE, v6only=None), Reason.UNIDENTIFIED),
    ],
)
def test_a_foreign_socket_stops_cm_server_as_the_running_cm_showed(
    taken: Socket, reason: Optional[Reason]
) -> None:
    """Each kind of foreign socket gives its one reason, or none where CM starts all the same."""
    seen = verdict((taken, (NGINX,)))
    assert seen.conflict is reason
    assert seen.foreign_owner
    assert not seen.listening
    assert [h.relation for h in seen.holders] == [Relation.FOREIGN]


def test_cm_server_ha_on_shared_disk_is_blocked_by_the_check_alone() -> None:
    """A port that nobody binds conflicts while its component is down, and only over IPv4."""
    ha = endpoint("cm_server_ha", HERE, binds=False)
    assert verdict((socket("127.0.0.1"), (NGINX,)), of=ha).conflict is Reason.FOREIGN_LISTENER
    assert verdict((socket("::"), (NGINX,)), of=ha).conflict is None
    up = verdict((socket("127.0.0.1"), (NGINX,)), of=ha, running=(CM_SERVER,))
    assert (up.conflict, up.next_start_blocked) == (None, Reason.FOREIGN_LISTENER)
    connected = socket(HERE, state=TcpState.ESTABLISHED)
    assert verdict((connected, (NGINX,)), of=ha).conflict is None


def test_without_a_precheck_another_address_stops_nothing() -> None:
    """Where cm_agent does not look, a listener on another address leaves the bind free."""
    unchecked = endpoint("cm_server", HERE, precheck=False)
    assert verdict((socket("127.0.0.1"), (NGINX,)), of=unchecked).conflict is None


def test_an_inherited_socket_of_a_dead_agent_is_a_siblings() -> None:
    """C+2 that stayed open in cm_server is this cluster's own: a conflict, never foreign."""
    agent = endpoint("cm_agent", HERE, process="cm_agent", precheck=False)
    seen = verdict((socket(HERE, uid=OMM), (CM_SERVER,)), of=agent)
    assert (seen.conflict, seen.foreign_owner) == (Reason.SIBLING, False)


def test_a_socket_that_the_component_holds_itself_is_never_in_its_way() -> None:
    """What cm_server inherited from a living cm_agent blocks neither this start nor the next."""
    agent = endpoint("cm_agent", HERE, process="cm_agent", precheck=False)
    seen = verdict((socket(HERE, uid=OMM), (CM_SERVER, CM_AGENT)), of=agent)
    assert (seen.listening, seen.conflict, seen.next_start_blocked) == (True, None, None)
    assert [h.relation for h in seen.holders] == [Relation.SIBLING, Relation.OWN]


def test_a_stranger_that_inherited_a_socket_of_the_cluster_is_a_sibling() -> None:
    """Any program that shares a socket with a process of the cluster got it from there."""
    lsof = process(950, "/usr/bin/lsof")
    seen = verdict((socket(HERE, uid=OMM), (CM_SERVER, lsof)))
    assert [h.relation for h in seen.holders] == [Relation.SIBLING, Relation.OWN]


def test_a_program_of_the_clusters_user_is_foreign_all_the_same() -> None:
    """GAUSSHOME in the environment of the user's shell does not make a web server ours."""
    python = process(950, "/usr/bin/python3.11", gausshome=APP)
    seen = verdict((socket(HERE, uid=OMM), (python,)))
    assert (seen.conflict, seen.foreign_owner) == (Reason.FOREIGN_LISTENER, True)


def test_the_same_program_of_another_installation_is_foreign() -> None:
    """A second cluster of the same user has the same file names, but another GAUSSHOME."""
    other = process(950, "/opt/second/app_1/bin/cm_server", gausshome="/opt/second/app")
    assert verdict((socket(HERE, uid=OMM), (other,))).conflict is Reason.FOREIGN_LISTENER


def test_gaussdb_is_told_apart_by_its_data_directory() -> None:
    """Another database instance of the same cluster is a sibling, not the own one."""
    dn = endpoint("datanode", HERE, process="gaussdb", data_dir="/data/dn1")
    gaussdb = f"{APP}_d712af3/bin/gaussdb"
    own = process(1, gaussdb, data_dir="/data/dn1")
    other = process(2, gaussdb, data_dir="/data/dn2")
    assert verdict((socket(HERE, uid=OMM), (own,)), of=dn).listening
    assert verdict((socket(HERE, uid=OMM), (other,)), of=dn).conflict is Reason.SIBLING


@pytest.mark.parametrize("name", ["mogdb", "vastbase", "panweidb", "gbase8c", "gaussdb.real"])
def test_a_server_by_another_file_name_is_own(name: str) -> None:
    """Products derived from openGauss name it otherwise; gaussdb is a link to it or absent."""
    dn = endpoint("datanode", HERE, process="gaussdb", data_dir="/data/dn1")
    server = process(7, f"{APP}_d712af3/bin/{name}", data_dir="/data/dn1")
    seen = verdict((socket(HERE, uid=OMM), (server,)), of=dn, running=(server,))
    assert (seen.listening, seen.conflict, seen.component_up) == (True, None, True)
    assert verdict(of=dn, running=(server,)).component_up
    other = replace(server, data_dir="/data/dn2")
    assert verdict((socket(HERE, uid=OMM), (other,)), of=dn).conflict is Reason.SIBLING
    elsewhere = replace(server, exe=f"/opt/second/app/bin/{name}")
    assert verdict((socket(HERE, uid=OMM), (elsewhere,)), of=dn).conflict is Reason.FOREIGN_LISTENER


@pytest.mark.parametrize(
    "name", ["gs_ctl", "vb_ctl", "vsql", "gs_guc", "gs_initdb", "pg_probackup"]
)
def test_a_tool_that_is_given_the_data_directory_is_no_server(name: str) -> None:
    """A tool beside the server that works on its directory does not make the database run."""
    dn = endpoint("datanode", HERE, process="gaussdb", data_dir="/data/dn1")
    tool = process(7, f"{APP}_d712af3/bin/{name}", data_dir="/data/dn1")
    assert not verdict(of=dn, running=(tool,)).component_up


@pytest.mark.parametrize("given", ["/data/dn1", "/data/../data/dn1/", "/opt/huawei/install/dn"])
def test_a_data_directory_is_known_by_the_name_that_cm_uses_for_it(given: str) -> None:
    """CM starts gaussdb with the directory's name in the static config, which may be a link."""
    dn = endpoint("datanode", HERE, process="gaussdb", data_dir="/data/dn1")
    dn = replace(dn, named_dir="/opt/huawei/install/dn")
    own = process(1, f"{APP}_d712af3/bin/gaussdb", data_dir=given)
    seen = verdict((socket(HERE, uid=OMM), (own,)), of=dn, running=(own,))
    assert (seen.listening, seen.conflict) == (True, None)


@pytest.mark.parametrize("data_dir", ["/data/dn1", None])
def test_gaussdb_s_helper_is_not_the_datanode(data_dir: Optional[str]) -> None:
    """The helper for fenced functions outlives the database, and may be younger than it."""
    dn = endpoint("datanode", HERE, process="gaussdb", data_dir=data_dir)
    gaussdb = f"{APP}_d712af3/bin/gaussdb"
    own, helper = process(1, gaussdb, data_dir="/data/dn1"), process(2, gaussdb, data_dir="")
    healthy = verdict((socket(HERE, uid=OMM), (own,)), of=dn, running=(own, helper))
    assert (healthy.listening, healthy.conflict) == (True, None)
    refused = verdict((socket("127.0.0.1"), (NGINX,)), of=dn, running=(helper,))
    assert (refused.component_up, refused.conflict) == (False, Reason.OTHER_ADDRESS_LISTENER)
    inherited = verdict((socket(HERE, uid=OMM), (helper,)), of=dn, running=(helper,))
    assert inherited.conflict is Reason.SIBLING


def test_a_process_that_outlived_an_upgrade_is_own_by_gausshome_or_old_directory() -> None:
    """A deleted executable and a moved `app` link do not make a server foreign."""
    deleted = process(5, f"{APP}_d712af3/bin/cm_server (deleted)")
    moved = process(5, "/opt/huawei/install/app_old/bin/cm_server", gausshome=APP)
    for server in (deleted, moved):
        assert verdict((socket(HERE, uid=OMM), (server,))).listening


def test_the_older_of_two_instances_is_a_leftover() -> None:
    """A hung process blocks the new one: a conflict with a reason of its own, not foreign."""
    old, new = process(10), process(20)
    seen = verdict((socket(HERE, uid=OMM), (old,)), running=(old, new))
    assert (seen.conflict, seen.foreign_owner) == (Reason.LEFTOVER, False)
    alone = verdict((socket(HERE, uid=OMM), (old,)), running=(old,))
    assert (alone.conflict, alone.listening) == (None, True)


def test_a_child_between_fork_and_exec_does_not_make_its_parent_a_leftover() -> None:
    """A server that starts a program is twice in the process table for a moment."""
    server, child = process(10), process(20, parent=10)
    seen = verdict((socket(HERE, uid=OMM), (server, child)), running=(server, child))
    assert (seen.listening, seen.conflict) == (True, None)


@pytest.mark.parametrize(("written_after", "listening"), [(60, False), (-60, True)])
def test_a_later_pid_file_of_another_process_makes_a_leftover(
    written_after: int, listening: bool
) -> None:
    """Only a pid file that was written after the process started speaks against it."""
    server = process(10)
    file = PidFile("cm_server", "1", 11, server.start_time + written_after)
    identity = replace(CLUSTER, pid_files=(file,))
    one = endpoint("cm_server", HERE)
    taken = (socket(HERE, uid=OMM), (server,))
    programs = Programs((server,), identity.uid)
    assert judge([one], facts(taken), programs, identity, {})[0].listening is listening


def test_a_pid_file_written_in_a_container_names_the_process_as_it_calls_itself() -> None:
    """Seen from the host the pid is another, and the process is the own one all the same."""
    server = replace(process(4711), own_pid=36)
    file = PidFile("cm_server", "1", 36, server.start_time + 60)
    identity = replace(CLUSTER, pid_files=(file,))
    taken = facts((socket(HERE, uid=OMM), (server,)))
    programs = Programs((server,), identity.uid)
    assert judge([endpoint("cm_server", HERE)], taken, programs, identity, {})[0].listening


def test_accepted_connections_under_a_living_listener_are_no_holders() -> None:
    """A server's clients do not fill the table of holders."""
    accepted = socket(HERE, inode=7, state=TcpState.ESTABLISHED, uid=OMM)
    seen = verdict((socket(HERE, uid=OMM), (CM_SERVER,)), (accepted, (CM_SERVER,)))
    assert [h.socket.inode for h in seen.holders] == [1]
    stranger = socket(HERE, inode=8, state=TcpState.ESTABLISHED)
    seen = verdict((socket(), (NGINX,)), (stranger, (NGINX,)))
    assert [h.socket.inode for h in seen.holders] == [1]


@pytest.mark.parametrize("state", [TcpState.TIME_WAIT, TcpState.FIN_WAIT2, TcpState.FIN_WAIT1])
def test_ownerless_sockets_count_only_with_a_bind_that_just_failed(state: TcpState) -> None:
    """What a stopped server leaves behind is no conflict; a client's TIME_WAIT may be one."""
    left = (socket(HERE, inode=0, state=state), ())
    assert verdict(left).conflict is None
    assert verdict(left, evidence=PortEvidence(own_listener_absent_for=9999)).conflict is None
    young = PortEvidence(own_listener_absent_for=60, bind_failure_age=1)
    assert verdict(left, evidence=young).conflict is None
    old = PortEvidence(own_listener_absent_for=999, bind_failure_age=11)
    assert verdict(left, evidence=old).conflict is None
    seen = verdict(left, evidence=FAILED_BIND)
    assert (seen.conflict, seen.foreign_owner) == (Reason.UNIDENTIFIED, False)
    assert seen.holders == ()


def test_a_connection_of_a_sibling_counts_only_with_a_bind_that_just_failed() -> None:
    """Accepted connections kept by an heir block nothing; an outgoing one does, and it shows."""
    kept = (socket(HERE, state=TcpState.ESTABLISHED, uid=OMM), (CM_AGENT,))
    assert verdict(kept).conflict is None
    assert verdict(kept, evidence=FAILED_BIND).conflict is Reason.SIBLING


def test_without_privilege_the_uid_alone_tells_foreign() -> None:
    """A socket of another uid is foreign with pid 0 and its user; one of ours is nobody's yet."""
    foreign = verdict((socket(uid=OTHER_USER), ()))
    assert (foreign.conflict, foreign.foreign_owner) == (Reason.FOREIGN_LISTENER, True)
    assert [(h.pid, h.user) for h in foreign.holders] == [(0, "web")]
    ours = verdict((socket(uid=OMM), ()))
    assert (ours.conflict, ours.foreign_owner) == (Reason.UNIDENTIFIED, False)


def test_what_is_hidden_makes_no_leftover() -> None:
    """Of two hidden servers of one user the younger may be another installation's."""
    ours, theirs = (
        replace(process(pid, "", fds_readable=False), name="cm_server") for pid in (10, 20)
    )
    beside_readable = verdict((socket(HERE, uid=OMM), (process(10),)), running=(ours, theirs))
    assert (beside_readable.listening, beside_readable.conflict) == (True, None)
    file = PidFile("cm_server", "1", ours.id.pid, ours.start_time + 60)
    identity = replace(CLUSTER, pid_files=(file,))
    taken, programs = facts((socket(HERE, uid=OMM), ())), Programs((ours, theirs), OMM)
    seen = judge([endpoint("cm_server", HERE)], taken, programs, identity, {})[0]
    assert (seen.listening, [h.pid for h in seen.holders]) == (True, [ours.id.pid])


def test_a_server_whose_files_are_hidden_is_taken_for_the_holder_of_its_port() -> None:
    """File capabilities hide a process' sockets even from its own user; its name still tells."""
    hidden = process(5, fds_readable=False)
    seen = verdict((socket(HERE, uid=OMM), ()), running=(hidden,))
    assert (seen.listening, [h.pid for h in seen.holders]) == (True, [5])
    readable = verdict((socket(HERE, uid=OMM), ()), running=(CM_SERVER,))
    assert readable.conflict is Reason.UNIDENTIFIED


def test_an_earlier_gaussdb_is_known_by_its_process_s_name() -> None:
    """Where its executable is hidden, too, all that is left is what it calls itself."""
    dn = endpoint("datanode", HERE, process="gaussdb", data_dir="/data/dn1")
    hidden = replace(process(500, "", fds_readable=False), name="GaussMaster")
    seen = verdict((socket(HERE, uid=OMM), ()), of=dn, running=(hidden,))
    assert (seen.listening, seen.conflict) == (True, None)


def test_a_component_that_is_up_shows_what_would_stop_its_next_start() -> None:
    """A listener on another address is harmless until cm_agent looks before the next start."""
    own = (socket(HERE, uid=OMM), (CM_SERVER,))
    seen = verdict(own, (socket("127.0.0.1", inode=2), (NGINX,)))
    assert (seen.conflict, seen.next_start_blocked) == (None, Reason.OTHER_ADDRESS_LISTENER)


def test_a_hold_on_one_of_two_addresses_is_a_conflict_on_the_other() -> None:
    """A database needs all of its addresses; a stranger on one of them stops it."""
    two = endpoint("datanode", "127.0.0.1", HERE, process="gaussdb")
    gaussdb = process(3, f"{APP}_d712af3/bin/gaussdb")
    own = (socket(HERE, uid=OMM), (gaussdb,))
    taken = (socket("127.0.0.1", inode=2), (NGINX,))
    assert verdict(own, taken, of=two, running=(gaussdb,)).conflict is Reason.FOREIGN_LISTENER
    assert verdict(own, of=two, running=(gaussdb,)).conflict is None


def test_a_crash_loop_for_another_reason_is_no_conflict() -> None:
    """With nobody on the port there is nothing to blame, whether the process is up or not."""
    assert verdict().conflict is None
    up = verdict(running=(CM_SERVER,))
    assert (up.conflict, up.next_start_blocked, up.component_up) == (None, None, True)


def test_the_first_reason_in_the_order_of_precedence_stands() -> None:
    """Two things in the way give one reason."""
    seen = verdict(
        (socket(HERE, state=TcpState.ESTABLISHED), (NGINX,)),
        (socket("::", inode=2), (NGINX,)),
        (socket("127.0.0.1", inode=3), (NGINX,)),
    )
    assert seen.conflict is Reason.IPV6_LISTENER


def test_while_the_clusters_user_is_unknown_nobody_is_foreign() -> None:
    """Without a user to compare with, every holder is unidentified."""
    nobody = replace(CLUSTER, uid=-1, gausshome=None, app_dirs=())
    one = endpoint("cm_server", HERE)
    for owners in ((NGINX,), ()):
        seen = judge([one], facts((socket(), owners)), Programs((), nobody.uid), nobody, {})[0]
        assert (seen.conflict, seen.foreign_owner) == (Reason.UNIDENTIFIED, False)
