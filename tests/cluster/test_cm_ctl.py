"""Asking CM through a fake cm_ctl that misbehaves in every way: the right outcome, in time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import psutil
import pytest

from exporter.cluster.cm_ctl import CmCtlQuery, find_program, judge, with_answer_wait
from exporter.cluster.collector import ClusterCollector
from exporter.cluster.facts import Answer, ClusterState, ClusterView, QueryOutcome
from exporter.cluster.poller import Cadence, QueryPoller
from exporter.config.schema import CmQuery
from exporter.errors import SourceError
from exporter.host.command import Account, Completed, Runner, RunOutcome
from exporter.installation.facts import Installation
from exporter.installation.static_config_parser import parse_static_config
from tests.support.directories import open_directory

SAMPLES = Path(__file__).parent.parent / "samples"
NORMAL = SAMPLES / "cm_ctl_query" / "01_1p1s_normal_Cvipd.stdout"
NOBODY = SAMPLES / "cm_ctl_query" / "09_all_cms_unreachable_Cvipd.stdout"
TIMEOUT = 0.6
OWN = Account("own", os.geteuid(), os.getegid(), (), "/")


@pytest.fixture
def home() -> Iterator[Path]:
    """A GAUSSHOME with room for a program, and a directory for private logs beside it."""
    with open_directory() as directory:
        (directory / "app" / "bin").mkdir(parents=True)
        (directory / "run").mkdir()
        yield directory / "app"


def _children() -> set[int]:
    """List the children of the test run; other tests may keep some for the whole of it."""
    return {child.pid for child in psutil.Process().children()}


@pytest.fixture(autouse=True)
def _nothing_left_behind(home: Path) -> Iterator[None]:
    """Whatever happened: no child of this test, and no private log."""
    others = _children()
    yield
    assert _children() <= others
    assert list((home.parent / "run").iterdir()) == []


def _program(home: Path, body: str, mode: int = 0o755) -> None:
    path = home / "bin" / "cm_ctl"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(mode)


def _installation(home: Path, uid: Optional[int] = None, **variables: str) -> Installation:
    return Installation(
        "own",
        os.geteuid() if uid is None else uid,
        "node1",
        {"GAUSSHOME": str(home), "GAUSSLOG": "/cluster/log", **variables},
    )


def _query(
    home: Path, installation: Optional[Installation] = None, account: Account = OWN
) -> CmCtlQuery:
    found = installation or _installation(home)
    return CmCtlQuery(
        Runner(grace_seconds=0.2),
        CmQuery(timeout=TIMEOUT),
        lambda: found,
        {"RUNTIME_DIRECTORY": str(home.parent / "run")},
        lambda _: account,
    )


def test_a_normal_answer_is_ok(home: Path) -> None:
    """The view is what was printed, and a cm_server that said its role was connected to."""
    _program(home, f"cat {NORMAL}")
    report = _query(home)()
    assert report.outcome is QueryOutcome.OK
    assert report.view is not None
    assert report.view.cluster_state is ClusterState.NORMAL
    assert dict(report.answers) == {"1": Answer.CONNECTED, "2": Answer.CONNECTED}
    assert 0 < report.duration < TIMEOUT
    assert report.message == ""


def test_the_program_gets_what_the_cluster_user_has(home: Path) -> None:
    """Its arguments with a short wait, the user's variables, and never the cluster's own log."""
    got = home.parent / "got"
    variables = '"$HOME" "$USER" "$MORE" "$PATH" "$LD_LIBRARY_PATH"'
    _program(
        home, f'printf "%s\\n" "$@" {variables} "${{GAUSSLOG%-*}}" "$PWD" > {got}; umask >> {got}'
    )
    _query(home, _installation(home, MORE="more"))()
    log = f"{home.parent}/run/opengauss-cm-query"
    assert got.read_text().splitlines() == [
        *("query", "-Cvipd", "-t", "3", "/", "own", "more"),
        *(f"{home}/bin:/usr/bin:/bin", f"{home}/lib", log, "/", "0077"),
    ]


def test_what_each_cm_server_answered_comes_from_the_private_log(home: Path) -> None:
    """The log that cm_ctl wrote into its directory of the moment tells why a server is Down."""
    record = "2026-11-22 12:14:43.0 tid=413  DEBUG1:"
    _program(
        home,
        "mkdir -p $GAUSSLOG/cm/cm_ctl; cat > $GAUSSLOG/cm/cm_ctl/cm_ctl-1-current.log <<EOF\n"
        f"{record} 461 : connect to cmserver failed: timeout expired\n.\n"
        f"{record} can't connect to cm_server node 1 node_name n1\n"
        f"{record} 461 : connect to cmserver failed: expected authentication request from server,"
        " but received H\n.\n"
        f"{record} can't connect to cm_server node 2 node_name n2\nEOF\n"
        f"cat {NOBODY}; exit 255",
    )
    report = _query(home)()
    assert report.outcome is QueryOutcome.NO_PRIMARY
    assert dict(report.answers) == {"1": Answer.TIMEOUT, "2": Answer.NOT_CM_SERVER}
    assert "can't connect to cm_server." in report.message


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("exec sleep 60", QueryOutcome.TIMEOUT),
        ("trap '' TERM; while :; do sleep 0.05; done", QueryOutcome.TIMEOUT),
        (f"cat {NORMAL}; sleep 61 & exit 0", QueryOutcome.OK),
        ("exec head -c 1G /dev/zero", QueryOutcome.NOT_UNDERSTOOD),
        ("exit 0", QueryOutcome.NOT_UNDERSTOOD),
        (f"head -c 300 {NORMAL}; exit 255", QueryOutcome.NO_PRIMARY),
        (f"cat {NORMAL}; exit 255", QueryOutcome.NO_PRIMARY),
        (f"cat {NORMAL}; exit 1", QueryOutcome.NOT_UNDERSTOOD),
        ("kill -SEGV $$", QueryOutcome.NOT_UNDERSTOOD),
        (f"cat {NOBODY}; exit 0", QueryOutcome.NO_PRIMARY),
        (
            "echo 'current user is the root user (uid = 0), exit.'; exit 1",
            QueryOutcome.REFUSED_AS_ROOT,
        ),
        ("echo 'cm_ctl: send query msg to cm_server failed.'; exit 255", QueryOutcome.TIMEOUT),
        (
            "echo 'cm_ctl: Fail to access the cluster static config file.'; exit 255",
            QueryOutcome.NO_ENVIRONMENT,
        ),
        (
            "echo 'cm_ctl: error while loading shared libraries: libdcc.so' >&2; exit 127",
            QueryOutcome.NO_ENVIRONMENT,
        ),
        ("exec /nowhere/cm_ctl", QueryOutcome.NOT_FOUND),
        ("exec /etc/passwd", QueryOutcome.PERMISSION_DENIED),
    ],
    ids=lambda value: value.value if isinstance(value, QueryOutcome) else None,
)
def test_whatever_the_program_does_has_its_outcome_in_time(
    home: Path, body: str, outcome: QueryOutcome
) -> None:
    """Within the timeout and two seconds, and without growing memory."""
    _program(home, body)
    before = psutil.Process().memory_info().rss
    start = time.monotonic()
    report = _query(home)()
    assert report.outcome is outcome
    assert time.monotonic() - start < TIMEOUT + 2
    assert psutil.Process().memory_info().rss - before < 16 << 20


@pytest.mark.parametrize(
    ("body", "finished"),
    [("exec sleep 60", False), ("exit 0", True), ("exec head -c 1G /dev/zero", False)],
)
def test_only_a_query_that_ends_by_itself_replaces_what_was_known(
    home: Path, body: str, finished: bool
) -> None:
    """A query that had to be ended has no view; one that said nothing has an empty one."""
    _program(home, body)
    assert _query(home)().view == (ClusterView() if finished else None)


def test_a_missing_program_is_not_found(home: Path) -> None:
    """Neither in $GAUSSHOME/bin nor on the user's PATH."""
    report = _query(home)()
    assert (report.outcome, report.view, report.asked) == (QueryOutcome.NOT_FOUND, None, False)
    assert "cm_ctl" in report.message


def test_a_program_that_may_not_be_executed_is_denied(home: Path) -> None:
    """A file without the x bit is there, and cannot be run."""
    _program(home, "exit 0", mode=0o644)
    assert _query(home)().outcome is QueryOutcome.PERMISSION_DENIED


def test_another_user_s_cluster_is_not_asked(home: Path) -> None:
    """As neither the cluster user nor root nothing is run: every cm_server would show Down."""
    _program(home, f"touch {home.parent}/asked")
    theirs = _installation(home, uid=4712)
    query = CmCtlQuery(Runner(), CmQuery(), lambda: theirs, {}, lambda _: OWN, own_uid=lambda: 4711)
    report = query()
    assert (report.outcome, report.view, report.asked) == (QueryOutcome.WRONG_USER, None, False)
    assert not (home.parent / "asked").exists()


def test_a_user_that_does_not_exist_is_the_wrong_one(home: Path) -> None:
    """A name that the system does not know cannot be become."""

    def unknown(name: str) -> Account:
        raise SourceError(f"there is no OS user {name!r}")

    query = CmCtlQuery(Runner(), CmQuery(), lambda: _installation(home), {}, unknown)
    assert query().outcome is QueryOutcome.WRONG_USER


def test_without_an_installation_there_is_no_environment() -> None:
    """Before GAUSSHOME is known there is nothing to run."""
    nothing = Installation("own", os.geteuid(), "n")
    query = CmCtlQuery(Runner(), CmQuery(), lambda: nothing, {}, lambda _: OWN)
    assert query().outcome is QueryOutcome.NO_ENVIRONMENT
    assert query.timeout() == 8.0


@pytest.mark.privileged
def test_as_root_it_becomes_the_cluster_user(home: Path) -> None:
    """cm_ctl runs as the cluster's user, can write its log, and has no capability."""
    _program(
        home,
        "mkdir -p $GAUSSLOG/cm && echo ok > $GAUSSLOG/cm/log || exit 9\n"
        'test "$(id -u)" = 65534 || exit 8\n'
        "grep -q 'CapPrm:.0000000000000000' /proc/self/status || exit 7\n"
        f"cat {home.parent}/answer",
    )
    (home.parent / "answer").write_text(NORMAL.read_text())
    nobody = Account("nobody", 65534, 65534, (65534,), "/")
    report = _query(home, _installation(home, uid=65534), account=nobody)()
    assert (report.outcome, report.message) == (QueryOutcome.OK, "")


def test_the_timeout_grows_with_the_cm_servers() -> None:
    """8 s and 4 s for each, 60 s at most, or what the configuration says."""
    data = (
        SAMPLES / "cluster_static_config" / "one_pri_two_sby_3node.node1.cluster_static_config"
    ).read_bytes()
    three = Installation("own", os.geteuid(), "n", static=parse_static_config(data))
    environ: dict[str, str] = {}
    assert CmCtlQuery(Runner(), CmQuery(), lambda: three, environ).timeout() == 20.0
    configured = CmQuery(timeout=33.0)
    assert CmCtlQuery(Runner(), configured, lambda: three, environ).timeout() == 33.0


def test_an_answer_counts_while_two_turns_are_missed() -> None:
    """Twice the interval and the timeout, or what the configuration says."""
    nothing = Installation("own", os.geteuid(), "n")
    assert CmCtlQuery(Runner(), CmQuery(), lambda: nothing, {}).max_age() == 46.0
    configured = CmQuery(max_age=90.0)
    assert CmCtlQuery(Runner(), configured, lambda: nothing, {}).max_age() == 90.0


@pytest.mark.parametrize(
    ("command", "added"),
    [
        (("cm_ctl", "query", "-Cvipd"), True),
        (("cm_ctl", "query", "-Cv", "-z", "ALL"), True),
        (("cm_ctl", "query", "-Cvl/tmp/out"), True),
        (("cm_ctl", "query", "--minorityAz=t"), True),
        (("cm_ctl", "query", "-Cv", "-t", "5"), False),
        (("cm_ctl", "query", "-Cvipdt", "5"), False),
        (("cm_ctl", "query", "-t5"), False),
    ],
)
def test_a_short_wait_is_asked_for_unless_one_is_given(
    command: tuple[str, ...], added: bool
) -> None:
    """cm_ctl would wait a minute for a cm_server that accepts and says nothing."""
    assert with_answer_wait(command) == ((*command, "-t", "3") if added else command)


def test_the_program_is_looked_for_in_gausshome_then_on_the_path(home: Path) -> None:
    """A name with a slash is taken as it is."""
    environment = {"GAUSSHOME": str(home), "PATH": "/usr/bin:/bin"}
    assert find_program("cat", environment) in ("/usr/bin/cat", "/bin/cat")
    assert find_program("cm_ctl", environment) is None
    assert find_program("/x/cm_ctl", environment) == "/x/cm_ctl"
    (home / "bin" / "cat").touch()
    assert find_program("cat", environment) == str(home / "bin" / "cat")


@pytest.mark.parametrize("outcome", [out for out in RunOutcome if out is not RunOutcome.EXITED])
def test_every_way_not_to_exit_has_an_outcome(outcome: RunOutcome) -> None:
    """Nothing that the runner can report is left without a word."""
    report = judge(Completed(outcome, message="why"), "")
    assert (report.view, report.message) == (None, "why")


def test_a_page_costs_nothing_while_a_query_hangs(home: Path) -> None:
    """The collector answers from the snapshot, within 50 ms, and two readers see the same."""
    _program(home, "exec sleep 60")
    runner = Runner(grace_seconds=0.2)
    query = CmCtlQuery(
        runner,
        CmQuery(timeout=30.0),
        lambda: _installation(home),
        {"RUNTIME_DIRECTORY": str(home.parent / "run")},
        lambda _: OWN,
    )
    poller = QueryPoller(query, Cadence, lambda: 60.0, cancel=runner.stop)
    collector = ClusterCollector(poller.snapshot)
    others = _children()
    poller.background.start()
    try:
        deadline = time.monotonic() + 5
        while _children() <= others and time.monotonic() < deadline:
            pass
        start = time.perf_counter()
        first = [str(family.samples) for family in collector.collect()]
        assert time.perf_counter() - start < 0.05
        assert first == [str(family.samples) for family in collector.collect()]
        assert len(_children() - others) == 1
    finally:
        poller.background.stop()
