"""The stand-ins against the second set of recordings: moments of a cluster, ends of its logs.

Of a moment only the end of each log was kept, so whole runs cannot be compared. What must hold: a
query answers as it was recorded; a telling record of the node that it happened to is written by the
stand-in, too, and none of that kind that no real program wrote. How long a round takes is recorded.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from tests.lab import records
from tests.lab.cluster import Lab, await_
from tests.lab.runner import Runner
from tests.lab.scenario import Step
from tests.lab.standins import procs
from tests.lab.test_recordings import PROGRAMS, strip_ids
from tests.support.holders import TIME_WAIT_SECONDS

SAMPLES = Path(__file__).resolve().parents[1] / "samples/cm_cluster_2"
FIRST = SAMPLES.with_name("cm_cluster")
STILL_SECONDS = 10.0  # behind the end of the client; the whole minute was recorded
EVERYTHING = ("cm_agent", "cm_server", "gaussdb", "fenced")
# in the recordings' gaussdb, which is a PostgreSQL; and a resource that the lab has not
NOT_PLAYED = re.compile(r"on offline|GetAllDatabaseInfo|restarts counts")
BEFORE = re.compile(r"status is 0$|status=0$|cluster_manual_start=1")  # an earlier stop
pytestmark = [pytest.mark.privileged, pytest.mark.e2e]


@contextmanager
def cluster(nodes: int = 2) -> Iterator[Lab]:
    """Make nodes with the recorded ports and addresses, up and Normal."""
    with Lab(nodes=nodes, where="namespaces") as lab:
        lab.await_query(1, "cluster_state   : Normal")
        yield lab


def stop_node(lab: Lab, node: int) -> None:
    """End everything of a node at once, as a power cut would."""
    for program in ("om_monitor", *EVERYTHING):
        Runner(lab).do(Step("kill", {"node": node, "program": program}))


def recorded_query(moment: str) -> tuple[int, str]:
    """Return exit code and output of a recorded query."""
    text, _, code = (SAMPLES / moment / "cm_ctl_query.txt").read_text().rpartition("rc=")
    return int(code), records.normal(text)


def answer(lab: Lab, node: int, *flags: str) -> tuple[int, str]:
    """Ask a node's cm_ctl."""
    done = lab.cm_ctl(node, "query", *flags)
    return done.returncode, records.normal(done.stdout)


def recorded(moment: str, program: str) -> set[str]:
    """Return the telling records of a program at a moment."""
    found = records.shapes([SAMPLES / moment / f"{program}.log.tail"])
    telling = {shape for shape in found if records.TELLING.search(shape)}
    return {s for s in telling if not (NOT_PLAYED.search(s) or BEFORE.search(s))}


def written(lab: Lab, node: int, program: str) -> set[str]:
    """Return all records that the stand-in has written on a node."""
    return records.shapes(lab.node(node).log_dir(program).glob(f"{program}-*.log"))


def missing(lab: Lab, node: int, moment: str, program: str) -> set[str]:
    """Return the recorded telling records that the stand-in has not written."""
    wanted = recorded(moment, program)
    racy = {shape for shape in wanted if records.RACY.search(shape)}
    return wanted - racy - written(lab, node, program)


def invented(lab: Lab) -> set[str]:
    """Return what the stand-ins wrote and no real program did, in either set of recordings."""
    found = set[str]()
    for program in PROGRAMS:
        files = [*FIRST.glob(f"*/node*/log/**/{program}-*.log")]
        real = strip_ids(records.shapes([*files, *SAMPLES.rglob(f"{program}.log.tail")]))
        for node in lab.plan.nodes:
            found |= strip_ids(written(lab, node.node_id, program)) - real
    return found


def ends(text: str) -> list[float]:
    """Return when each cm_agent of an om_monitor log has ended with status 256, in seconds."""
    times = re.findall(r"(?m)^ (\S+ \S+) tid=\d+  LOG: child .* exit status is 256$", text)
    return [datetime.fromisoformat(each).timestamp() for each in times]


def rounds(times: list[float]) -> list[float]:
    """Return the seconds between them."""
    return [later - sooner for sooner, later in zip(times, times[1:])]


def test_with_c_plus_2_taken_cm_agent_lives_seven_seconds_and_starts_the_others() -> None:
    """cm_server is Standby, the datanode Down Unknown; seven seconds behind the end all is well."""
    moment = "o_agent_C2/mid/node2"
    with cluster() as lab:
        stop_node(lab, 2)
        taken = lab.occupy(2, lab.plan.heartbeat_port, "own_address")
        lab.start_node(2)
        started = lab.cm_ctl(1, "start", "-n", "2")
        await_(
            lambda: len(ends(lab.log_text(2, "om_monitor"))) >= 3,
            60,
            lambda: lab.log_text(2, "om_monitor"),
        )
        assert answer(lab, 2, "-Cvipd") == recorded_query(moment)
        assert lab.pids(2, "cm_server")
        assert lab.pids(2, "gaussdb")
        assert missing(lab, 2, moment, "cm_agent") == set()
        assert missing(lab, 2, moment, "om_monitor") == set()
        real = rounds(ends((SAMPLES / moment / "om_monitor.log.tail").read_text()))
        assert all(6.9 < seconds < 7.2 for seconds in real)
        assert invented(lab) == set()
        ours = rounds(ends(lab.log_text(2, "om_monitor")))
        assert all(6.5 < seconds < 10 for seconds in ours), ours
        lab.release(taken)
        lab.await_query(1, "cluster_state   : Normal", seconds=20)
    said = (SAMPLES / "o_agent_C2/start.txt").read_text()
    assert re.sub(r"\.+", ".", started.stdout) == re.sub(r"\.+", ".", said)


@pytest.mark.parametrize("node", [1, 2])
def test_of_two_nodes_the_loss_of_the_primary_loses_the_majority(node: int) -> None:
    """With the primary's C taken nobody leads until it is free; with the standby's it is Normal."""
    with cluster() as lab:
        assert answer(lab, 1, "-Cv") == (0, records.normal(before_primary_was_taken()))
        grab(lab, node)
        lab.await_query(1, "cm_server Down")
        time.sleep(5)  # longer than an election takes
        if node == 1:
            for asked in (1, 2):
                moment = f"o_primary_2node/mid/node{asked}"
                assert answer(lab, asked, "-Cvipd") == recorded_query(moment)
                assert missing(lab, asked, moment, "cm_agent") == set()
        else:
            assert "cluster_state   : Normal" in lab.query(1)
        assert invented(lab) == set()
        lab.release(lab.occupiers[0])
        lab.await_query(1, "cluster_state   : Normal")


def before_primary_was_taken() -> str:
    """Return the healthy answer of that cluster."""
    return (SAMPLES / "o_primary_2node/before.txt").read_text()


def grab(lab: Lab, node: int) -> None:
    """Let a listener have a node's CM port while its cm_server is away for an instant."""
    lab.fault(node, "cm_server_dies")
    procs.stop(pids := lab.pids(node, "cm_server"))
    procs.await_end(pids, 5)
    lab.occupy(node, lab.node(node).cm_port)
    lab.fault(node, "cm_server_dies", None)


def test_a_client_without_reuseaddr_keeps_cm_server_down_for_a_minute_more() -> None:
    """Its TIME_WAIT blocks the bind (kernel TCP_TIMEWAIT_LEN), which cm_server tries anew."""
    moment = "b5_client3/mid/node2"
    with cluster() as lab:
        stop_node(lab, 2)
        taken = lab.occupy(2, lab.node(2).cm_port, "client")
        lab.start_node(2)
        failed = lab.cm_ctl(1, "start", "-n", "2", "-t", "20")
        assert failed.stdout == (SAMPLES / "b5_client3/start.txt").read_text().partition("rc=")[0]
        assert answer(lab, 2, "-Cvipd") == recorded_query(moment)
        for program in ("cm_agent", "cm_server"):
            assert missing(lab, 2, moment, program) == set()
        real = records.shapes([SAMPLES / "b5_client3/cm_server_bind_failures.txt"])
        assert real <= written(lab, 2, "cm_server")
        assert invented(lab) == set()
        lab.release(taken)
        time.sleep(STILL_SECONDS)
        assert "cm_server Down" in lab.query(1)
    freed, normal = (clock("b5_client3", words) for words in ("TF fix", "cluster Normal"))
    assert STILL_SECONDS < TIME_WAIT_SECONDS < normal - freed < TIME_WAIT_SECONDS + 5


def clock(recording: str, words: str) -> float:
    """Return when a step of a recording was done, in seconds of its day."""
    steps = (SAMPLES / recording / "steps.txt").read_text()
    hours, minutes, seconds = re.findall(rf"(?m)^\[(\d+):(\d+):(\d+)\] {words}", steps)[0]
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds)


def test_a_datanode_that_runs_is_not_checked() -> None:
    """A port that was changed in postgresql.conf belongs to the next start: nobody looks at it."""
    with cluster(nodes=3) as lab:
        before = answer(lab, 3, "-Cvipd")
        lab.set_postgresql(3, "port", 15500)
        lab.occupy(3, 15500)
        time.sleep(4)
        assert answer(lab, 3, "-Cvipd") == before
        assert "already in use" not in lab.log_text(3, "cm_agent")
        assert lab.pids(3, "gaussdb")
    for moment in ("changed", "latent"):
        code, text = recorded_query(f"o_guc/{moment}/node3")
        assert states(text) == states(before[1])
        assert code == before[0]
        assert recorded(f"o_guc/{moment}/node3", "cm_agent") == set()


def states(text: str) -> list[str]:
    """Return what a query says of the datanodes and the cluster, whoever leads the cm_servers."""
    return re.findall(r"cluster_state : \w+|60\d\d .*?(?= \||$)", text, re.MULTILINE)


def test_a_query_that_hangs_prints_its_table_and_fails() -> None:
    """The table, then nothing for as long as is told, then one line and 255."""
    with cluster(nodes=1) as lab:
        lab.fault(1, "cm_ctl_send_fails", "2")
        began = time.monotonic()
        done = lab.cm_ctl(1, "query", "-Cvipd")
        assert time.monotonic() - began >= 2
        assert done.returncode == 255
    rest = (SAMPLES / "e6_net_down2/q1.2").read_text().rpartition("\n\n")[2]
    assert (
        done.stdout.rpartition("\n\n")[2] == rest == "cm_ctl: send query msg to cm_server failed.\n"
    )
    took = re.findall(r"(?m)took (\S+) rc 255$", (SAMPLES / "e6_net_down2/q1.times").read_text())
    assert [round(float(seconds), 1) for seconds in took] == [71.4]


def test_without_cm_agent_and_om_monitor_nothing_comes_back() -> None:
    """The port is free again, and cm_ctl waits in vain."""
    with cluster() as lab:
        stop_node(lab, 2)
        failed = lab.cm_ctl(1, "start", "-n", "2", "-t", "4")
        assert "cm_ctl: start node failed in (4)s!" in failed.stdout
        assert failed.returncode == 0
        assert [p for program in EVERYTHING for p in lab.pids(2, program)] == []
        lab.start_node(2)
        lab.await_query(1, "cluster_state   : Normal")
