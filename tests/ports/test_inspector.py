"""The order in which the sources are asked, and what is remembered between two looks."""

from __future__ import annotations

from dataclasses import replace

from exporter.host.clock import Clock
from exporter.host.facts import UnitContents
from exporter.ports.facts import Attribution, Reason, TcpState
from exporter.ports.inspector import PortInspector
from tests.support.facts import CLUSTER, CM_PORT, OMM, OTHER_USER, endpoint, process, socket
from tests.support.fake_host import HERE, FakeHost

OWN = process(500)
NGINX = process(900, "/usr/sbin/nginx", OTHER_USER)


def test_a_healthy_node_never_pays_for_the_read_of_all_states() -> None:
    """With the own listener in place only the listeners are read."""
    host = FakeHost([(socket(HERE, uid=OMM), (OWN,))])
    inspector = host.inspector()
    assert all(host.look(inspector).verdicts[0].listening for _ in range(3))
    assert host.reads == 0


def test_a_missing_listener_makes_the_connections_visible() -> None:
    """A connection that took the port is found although nobody listens on it."""
    taken = socket(HERE, state=TcpState.ESTABLISHED)
    host = FakeHost([(taken, (NGINX,))])
    assert host.look(host.inspector()).verdicts[0].conflict is Reason.CONNECTION
    assert host.reads == 1


def test_a_dear_read_of_all_states_is_not_repeated_at_once() -> None:
    """It takes one fiftieth of the time at most, and waits five seconds at most."""
    host = FakeHost([(socket(HERE, state=TcpState.ESTABLISHED), (NGINX,))], cost=0.06)
    inspector = host.inspector()
    for _ in range(3):
        assert host.look(inspector).verdicts[0].conflict is Reason.CONNECTION
    assert host.reads == 1
    host.look(inspector)
    assert host.reads == 2
    host.cost = 60.0
    host.now += 5
    host.look(inspector)
    host.now += 3
    host.look(inspector)
    assert host.reads == 3
    host.now += 1
    host.look(inspector)
    assert host.reads == 4


def test_between_two_reads_a_holder_that_went_away_is_not_shown() -> None:
    """What is remembered of a read is dropped as soon as its process is gone."""
    taken = socket(HERE, state=TcpState.ESTABLISHED)
    host = FakeHost([(taken, (NGINX,))], cost=0.06)
    inspector = host.inspector()
    assert host.look(inspector).verdicts[0].conflict is Reason.CONNECTION
    host.sockets = []
    gone = host.look(inspector).verdicts[0]
    assert (gone.conflict, gone.holders, host.reads) == (None, (), 1)


def test_a_listener_that_vanishes_during_the_look_is_no_fact() -> None:
    """A server that dies between the read and the look-up of its owner leaves no verdict."""
    host = FakeHost(vanishing=[socket(HERE, uid=OMM)])
    seen = host.look(host.inspector()).verdicts[0]
    assert (seen.conflict, seen.holders) == (None, ())


def test_ownerless_sockets_count_after_two_minutes_without_a_listener() -> None:
    """The absence is counted from the last own listener that this exporter saw."""
    host = FakeHost([(socket(HERE, uid=OMM), (OWN,))], failed_bind=1.0)
    inspector = host.inspector()
    host.look(inspector)
    host.sockets = [(socket(HERE, inode=0, state=TcpState.TIME_WAIT), ())]
    host.now += 118
    assert host.look(inspector).verdicts[0].conflict is None
    assert host.look(inspector).verdicts[0].conflict is Reason.UNIDENTIFIED
    host.failed_bind = None
    assert host.look(inspector).verdicts[0].conflict is None


def test_a_failed_bind_proves_nothing_while_an_address_is_missing() -> None:
    """cm_server's record is the same when its address left the host as when its port is taken."""
    for address, reason in ((HERE, Reason.UNIDENTIFIED), ("10.77.0.99", None)):
        host = FakeHost(sockets=[(socket(address, 0, TcpState.TIME_WAIT), ())], failed_bind=1.0)
        inspector = host.inspector((endpoint("cm_server", address),))
        host.look(inspector)
        host.now += 120
        assert host.look(inspector).verdicts[0].conflict is reason


def test_names_are_asked_only_for_what_no_process_explains() -> None:
    """A socket without a visible process gets its user and unit from the socket itself."""
    stranger = socket(inode=3)._replace(cgroup_id=77)
    host = FakeHost([(stranger, ())], attribution=Attribution.UID)
    facts = host.look(host.inspector()).facts
    assert facts.users == {OTHER_USER: f"user{OTHER_USER}"}
    assert facts.cgroups == {77: ("unit77.service", "")}
    assert facts.attribution is Attribution.UID


def test_only_the_unit_of_a_foreign_holder_that_is_in_the_way_is_looked_at() -> None:
    """Neither an own process' unit nor one that blocks nothing is ever named as stoppable."""
    web, own = replace(NGINX, unit="web.service"), replace(OWN, unit="cm.service")
    units = {
        "web.service": UnitContents(frozenset((900,)), frozenset(("nginx",))),
        "cm.service": UnitContents(frozenset((500,)), frozenset(("x",))),
    }
    host = FakeHost([(socket(), (web,))], units=units)
    assert host.look(host.inspector()).stoppable == {("web.service", 900)}
    host.sockets = [(socket(HERE, uid=OMM), (own,))]
    assert host.look(host.inspector()).stoppable == frozenset()


def test_without_endpoints_nothing_is_read() -> None:
    """A node without an installation costs nothing and shows no verdict."""
    host = FakeHost([(socket(port=CM_PORT), (NGINX,))])
    inspector = PortInspector(
        endpoints=tuple,
        identity=lambda: CLUSTER,
        sources=host.sources(),
        clock=Clock(),
    )
    assert inspector.inspect().verdicts == ()


def test_a_listener_of_the_cluster_tells_where_the_ports_are_looked_at() -> None:
    """Only the cluster's own processes count for the network namespace, at every look."""
    shell = process(600, "/bin/bash")
    host = FakeHost([(socket(HERE, uid=OMM), (OWN, shell))])
    inspector = host.inspector()
    host.look(inspector)
    assert host.located == (500,)
    host.sockets = []
    host.look(inspector)
    assert host.located == ()
