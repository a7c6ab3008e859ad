"""What must hold for any sockets, processes and endpoints at all."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from exporter.host.facts import Process
from exporter.ports.facts import (
    Endpoint,
    PortEvidence,
    PortVerdict,
    Relation,
    Socket,
    SocketFacts,
    TcpState,
)
from exporter.ports.relation import Programs
from exporter.ports.verdict import judge
from tests.support.facts import APP, CLUSTER, OMM, OTHER_USER, endpoint, process

PORTS = (15300, 15301, 15400)
ADDRESSES = ("0.0.0.0", "127.0.0.1", "10.77.0.2", "::", "::1", "fd00::2")  # noqa: S104 -- facts
EXES = (
    f"{APP}_d712af3/bin/cm_server",
    f"{APP}_d712af3/bin/cm_agent",
    f"{APP}_d712af3/bin/gaussdb (deleted)",
    "/opt/second/bin/cm_server",
    "/usr/sbin/nginx",
    "",
)

processes = st.builds(
    process,
    pid=st.integers(1, 6),
    exe=st.sampled_from(EXES),
    uid=st.sampled_from((OMM, OTHER_USER)),
    gausshome=st.sampled_from((None, APP, "/opt/second")),
    data_dir=st.sampled_from((None, "/data/dn1", "/data/dn2")),
    parent=st.integers(0, 6),
    fds_readable=st.booleans(),
)
sockets = st.builds(
    Socket,
    family=st.sampled_from((4, 6)),
    state=st.sampled_from(TcpState),
    address=st.sampled_from([ip_address(a) for a in ADDRESSES]),
    port=st.sampled_from((*PORTS, 22)),
    uid=st.sampled_from((0, OMM, OTHER_USER)),
    inode=st.integers(0, 12),
    v6only=st.sampled_from((None, False, True)),
)
endpoints = st.lists(
    st.builds(
        endpoint,
        st.sampled_from(("cm_server", "datanode", "custom")),
        st.sampled_from(ADDRESSES),
        port=st.sampled_from(PORTS),
        binds=st.booleans(),
        precheck=st.booleans(),
        process=st.sampled_from(("cm_server", "gaussdb", "/usr/sbin/nginx")),
        data_dir=st.sampled_from((None, "/data/dn1")),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda e: e.key,
)
facts_of_a_host = st.builds(
    SocketFacts,
    sockets=st.lists(sockets, max_size=8).map(tuple),
    owners=st.dictionaries(
        st.integers(1, 12),
        st.lists(processes, min_size=1, max_size=3, unique_by=lambda p: p.id).map(tuple),
    ),
)
evidences = st.builds(
    PortEvidence,
    own_listener_absent_for=st.floats(0, 300),
    bind_failure_age=st.none() | st.floats(0, 60),
)
tables = st.lists(processes, max_size=4, unique_by=lambda p: p.id).map(tuple)


def _judge(
    every: list[Endpoint],
    facts: SocketFacts,
    running: tuple[Process, ...],
    evidence: PortEvidence,
) -> tuple[PortVerdict, ...]:
    programs = Programs(running, CLUSTER.uid)
    return judge(every, facts, programs, CLUSTER, {e.key: evidence for e in every})


@given(endpoints, facts_of_a_host, tables, evidences)
def test_a_verdict_never_contradicts_itself(
    every: list[Endpoint],
    facts: SocketFacts,
    running: tuple[Process, ...],
    evidence: PortEvidence,
) -> None:
    """Listening everywhere and conflict are never both true, nor two reasons at once."""
    for verdict in _judge(every, facts, running, evidence):
        if verdict.endpoint.binds:
            assert not (verdict.listening and verdict.conflict)
        assert not (verdict.conflict and verdict.next_start_blocked)
        assert verdict.component_up or not verdict.next_start_blocked


@given(endpoints, facts_of_a_host, tables, evidences)
def test_foreign_always_has_evidence_of_another_owner(
    every: list[Endpoint],
    facts: SocketFacts,
    running: tuple[Process, ...],
    evidence: PortEvidence,
) -> None:
    """Nobody is called foreign without another uid, program or installation being seen."""
    for verdict in _judge(every, facts, running, evidence):
        foreign = [h for h in verdict.holders if h.relation is Relation.FOREIGN]
        assert verdict.foreign_owner == bool(foreign)
        for holder in foreign:
            owner = holder.process
            if owner is None:
                assert holder.socket.inode
                assert holder.socket.uid != OMM
            else:
                seen = owner.exe or owner.gausshome not in {None, APP}
                assert owner.uid != OMM or seen


@given(endpoints, facts_of_a_host, tables, evidences, sockets.map(lambda s: s._replace(port=9)))
def test_an_unrelated_socket_changes_nothing(
    every: list[Endpoint],
    facts: SocketFacts,
    running: tuple[Process, ...],
    evidence: PortEvidence,
    unrelated: Socket,
) -> None:
    """A socket on a port that is no endpoint's leaves every verdict as it was."""
    more = SocketFacts((*facts.sockets, unrelated._replace(inode=99)), facts.owners)
    assert _judge(every, more, running, evidence) == _judge(every, facts, running, evidence)


@given(endpoints, tables, evidences)
def test_an_empty_port_is_never_in_conflict(
    every: list[Endpoint], running: tuple[Process, ...], evidence: PortEvidence
) -> None:
    """Without any socket there is no reason, however often the component fails to start."""
    for verdict in _judge(every, SocketFacts(()), running, evidence):
        assert (verdict.conflict, verdict.next_start_blocked, verdict.holders) == (None, None, ())


@given(endpoints, facts_of_a_host, tables)
def test_ownerless_sockets_alone_say_nothing(
    every: list[Endpoint], facts: SocketFacts, running: tuple[Process, ...]
) -> None:
    """Without a bind that just failed, TIME_WAIT and its like change no verdict."""
    owned = tuple(s for s in facts.sockets if s.inode or s.state is TcpState.LISTEN)
    quiet = PortEvidence(own_listener_absent_for=300)
    without = _judge(every, SocketFacts(owned, facts.owners), running, quiet)
    assert _judge(every, facts, running, quiet) == without


@given(endpoints, facts_of_a_host, tables, evidences)
def test_a_conflict_needs_a_socket_that_the_component_does_not_hold(
    every: list[Endpoint],
    facts: SocketFacts,
    running: tuple[Process, ...],
    evidence: PortEvidence,
) -> None:
    """Taking every socket of the port away takes the conflict away."""
    for verdict in _judge(every, facts, running, evidence):
        if verdict.conflict is None:
            continue
        port = verdict.endpoint.port
        assert any(s.port == port for s in facts.sockets)
        others = SocketFacts(tuple(s for s in facts.sockets if s.port != port), facts.owners)
        assert _judge([verdict.endpoint], others, running, evidence)[0].conflict is None
