"""Asking CM: runs ``cm_ctl query`` as the cluster user, and says how that ended.

cm_ctl refuses root; as any other user it shows every cm_server Down. So the exporter either is
the cluster user, or is root and becomes it, or does not ask at all.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Callable, Optional

from exporter.cluster import cm_ctl_log
from exporter.cluster import query as cm_ctl_query
from exporter.cluster.facts import ClusterView, Problem, QueryOutcome, QueryReport
from exporter.cluster.private_log import (
    private_directory,
    read_below,
    remove_left_behind,
    runtime_directory,
)
from exporter.config.schema import CmQuery
from exporter.errors import ParseError, SourceError
from exporter.host.command import Account, Command, Completed, Runner, RunOutcome
from exporter.installation.facts import Installation

_BASE_TIMEOUT = 8.0
_TIMEOUT_PER_SERVER = 4.0
_LONGEST_TIMEOUT = 60.0
_ANSWER_WAIT = ("-t", "3")
_VALUED_FLAGS = "znDlm"  # what stands behind one of these letters is its value
_OUTPUT_LIMIT = 1 << 18  # room for two thousand datanodes
_NOT_EXECUTABLE, _NO_COMMAND, _QUERY_FAILED = 126, 127, 255
_MESSAGE = 200

_BY_RUN: Mapping[RunOutcome, QueryOutcome] = {
    RunOutcome.TIMED_OUT: QueryOutcome.TIMEOUT,
    RunOutcome.BUSY: QueryOutcome.TIMEOUT,
    RunOutcome.STOPPED: QueryOutcome.TIMEOUT,
    RunOutcome.OUTPUT_LIMIT: QueryOutcome.NOT_UNDERSTOOD,
    RunOutcome.NOT_FOUND: QueryOutcome.NOT_FOUND,
    RunOutcome.PERMISSION_DENIED: QueryOutcome.PERMISSION_DENIED,
    RunOutcome.FAILED: QueryOutcome.PERMISSION_DENIED,
}
_BY_PROBLEM: Mapping[Problem, QueryOutcome] = {
    Problem.ROOT: QueryOutcome.REFUSED_AS_ROOT,
    Problem.ENVIRONMENT: QueryOutcome.NO_ENVIRONMENT,
    Problem.NO_ANSWER: QueryOutcome.TIMEOUT,
    Problem.NO_PRIMARY: QueryOutcome.NO_PRIMARY,
}
_BY_SHELL: Mapping[Optional[int], QueryOutcome] = {
    _NOT_EXECUTABLE: QueryOutcome.PERMISSION_DENIED,
    _NO_COMMAND: QueryOutcome.NOT_FOUND,
}


class CmCtlQuery:
    """One call is one query, of the installation as it is known at that moment."""

    def __init__(
        self,
        runner: Runner,
        config: CmQuery,
        installation: Callable[[], Installation],
        environ: Mapping[str, str],
        account: Callable[[str], Account] = Account.of,
        own_uid: Callable[[], int] = os.geteuid,
    ) -> None:
        self._runner = runner
        self._config = config
        self._installation = installation
        self._environ = environ
        self._account = account
        self._own_uid = own_uid
        self._swept = False

    def timeout(self) -> float:
        """Seconds after which a query is ended: 8, and 4 for each cm_server, 60 at most."""
        if self._config.timeout is not None:
            return self._config.timeout
        static = self._installation().static
        servers = sum(1 for node in static.nodes if node.cm_server) if static else 0
        return min(_LONGEST_TIMEOUT, _BASE_TIMEOUT + _TIMEOUT_PER_SERVER * servers)

    def max_age(self) -> float:
        """Seconds for which an answer counts: two turns may be missed, each as long as can be."""
        return self._config.max_age or 2 * (self._config.interval + self.timeout())

    def __call__(self) -> QueryReport:
        """Ask; raises nothing that the host or cm_ctl could cause."""
        installation = self._installation()
        if not installation.gausshome:
            return _not_asked(QueryOutcome.NO_ENVIRONMENT, "GAUSSHOME is not known")
        own = self._own_uid()
        if own not in (0, installation.uid):
            message = f"the cluster is {installation.user}'s, the exporter runs as uid {own}"
            return _not_asked(QueryOutcome.WRONG_USER, message)
        try:
            account = self._account(installation.user)
        except SourceError as error:
            return _not_asked(QueryOutcome.WRONG_USER, str(error))
        return self._ask(account, child_environment(installation.variables, account))

    def _ask(self, account: Account, environment: dict[str, str]) -> QueryReport:
        name, *arguments = with_answer_wait(self._config.command)
        program = find_program(name, environment)
        if program is None:
            message = f"{name} is neither in $GAUSSHOME/bin nor on the cluster user's PATH"
            return _not_asked(QueryOutcome.NOT_FOUND, message)
        parent = runtime_directory(self._environ, for_other_user=account.uid != self._own_uid())
        self._sweep(parent)
        with private_directory(parent, account) as directory:
            environment["GAUSSLOG"] = str(directory)
            command = Command(
                (program, *arguments),
                environment,
                account,
                timeout=self.timeout(),
                output_limit=_OUTPUT_LIMIT,
            )
            completed = self._runner.run(command)
            return judge(completed, read_below(directory))

    def _sweep(self, parent: Path) -> None:
        if not self._swept:
            remove_left_behind(parent, time.time())
            self._swept = True


def _not_asked(outcome: QueryOutcome, message: str) -> QueryReport:
    return QueryReport(outcome, message=message, asked=False)


def child_environment(variables: Mapping[str, str], account: Account) -> dict[str, str]:
    """Give cm_ctl the cluster user's variables, and what it needs where they do not say."""
    home = variables["GAUSSHOME"]
    return {
        "HOME": account.home,
        "USER": account.name,
        "LOGNAME": account.name,
        "PATH": f"{home}/bin:/usr/bin:/bin",
        "LD_LIBRARY_PATH": f"{home}/lib",
        **variables,
    }


def find_program(name: str, environment: Mapping[str, str]) -> Optional[str]:
    """Find the program in $GAUSSHOME/bin, then on PATH; a name with a ``/`` is a path."""
    if "/" in name:
        return name
    own = f"{environment['GAUSSHOME']}/bin/{name}"
    if os.path.lexists(own):
        return own
    return shutil.which(name, path=environment.get("PATH", ""))


def with_answer_wait(command: Sequence[str]) -> tuple[str, ...]:
    """Add ``-t 3``, the seconds that cm_ctl waits for an answer, unless -t is there."""
    if any(_has_wait(argument) for argument in command[1:]):
        return tuple(command)
    return (*command, *_ANSWER_WAIT)


def _has_wait(argument: str) -> bool:
    if not argument.startswith("-") or argument.startswith("--"):
        return False
    for letter in argument[1:]:
        if letter in _VALUED_FLAGS:
            return False
        if letter == "t":
            return True
    return False


def judge(completed: Completed, log: str) -> QueryReport:
    """Say how the query ended, from what cm_ctl printed, its exit status and its log."""
    if completed.outcome is not RunOutcome.EXITED:
        outcome = _BY_RUN[completed.outcome]
        message = completed.message or f"cm_ctl: {completed.outcome.value}"
        return QueryReport(outcome, duration=completed.duration, message=message)
    try:
        view = cm_ctl_query.parse(completed.text)
    except ParseError as error:
        return _not_understood(completed, str(error))
    outcome = _outcome(completed.exit_status, view.problem)
    answers = cm_ctl_log.by_node(view.cm_servers, cm_ctl_log.parse(log))
    message = "" if outcome is QueryOutcome.OK else _said(completed)
    return QueryReport(outcome, view, answers, completed.duration, message)


def _outcome(exit_status: Optional[int], problem: Optional[Problem]) -> QueryOutcome:
    """Judge an output of which something was understood.

    cm_ctl's own words come first: its exit status is 255 for all of them, and a wrapper's may be
    0. Without words 255 is a connection to the primary that broke while it was answering.
    """
    if problem is not None:
        return _BY_PROBLEM[problem]
    if exit_status == 0:
        return QueryOutcome.OK
    return QueryOutcome.NO_PRIMARY if exit_status == _QUERY_FAILED else QueryOutcome.NOT_UNDERSTOOD


def _not_understood(completed: Completed, message: str) -> QueryReport:
    """Judge an output of which nothing was understood: the errors of shells and loaders."""
    errors = completed.stderr.decode("utf-8", "replace")
    problem = cm_ctl_query.find_problem(errors)
    outcome = _BY_PROBLEM[problem] if problem else _BY_SHELL.get(completed.exit_status)
    said = " ".join(errors.split())[:_MESSAGE]
    return QueryReport(
        outcome or QueryOutcome.NOT_UNDERSTOOD,
        ClusterView(),
        duration=completed.duration,
        message=f"exit status {completed.exit_status}: {said or message}",
    )


def _said(completed: Completed) -> str:
    lines = [line for line in completed.text.split("\n") if line.startswith("cm_ctl: ")]
    said = " ".join((*lines, completed.stderr.decode("utf-8", "replace")))
    return f"exit status {completed.exit_status}: {said}"[:_MESSAGE].strip()
