"""Where the installation's environment comes from: the first place that tells GAUSSHOME.

In order: the configured file; the cluster's own processes, whose environment knows the
installation best; MPPDB_ENV_SEPARATE_PATH, else ``~/.bashrc``; om_monitor's crontab line. bash
is asked at the start, and when a file has changed. A place that fails is noted, and the next one
is asked.

An environment file is a shell script: only a shell knows what it sets. It may print, prompt,
sleep, return, exit or fail, so it gets no input, its output is thrown away, and its time is
bounded. It is evaluated as the cluster's user and never as root.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Callable, NamedTuple, Optional

from exporter.config.schema import InstallationHints
from exporter.errors import MissingFileError, ParseError, SourceError
from exporter.host.command import Account, Command, Completed, RunOutcome
from exporter.host.facts import Process
from exporter.host.files import Fingerprint, HostFiles
from exporter.host.processes import ProcessReader
from exporter.host.text import shown
from exporter.installation.facts import FactState, Lookup
from exporter.installation.text_files import (
    MAX_BYTES,
    VARIABLES,
    parse_crontab,
    parse_environment,
)

PROGRAMS = ("om_monitor", "cm_agent", "cm_server", "gaussdb", "dssserver")
"""Those that OM's environment reaches, the one that lives longest first."""

SEPARATE_FILE = "MPPDB_ENV_SEPARATE_PATH"
SPOOLS = ("/var/spool/cron", "/var/spool/cron/crontabs", "/var/spool/cron/tabs")
TIMEOUT_SECONDS = 5.0
_FACT = "environment"
_MONITOR_LOGS = "/cm/om_monitor"
_DELETED = " (deleted)"
_BASH = "/bin/bash"
_SYNTAX_ERROR = b": syntax error"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Descriptor 3 is the answer; what the files print goes nowhere. `command -p` finds env whatever
# PATH they set, and no function or alias of theirs takes its place.
_SCRIPT = 'exec 3>&1 >/dev/null; for file in "$@"; do . "$file"; done; command -p env -0 >&3'

Variables = Mapping[str, str]
Evaluate = Callable[[Sequence[str], Account], Variables]
Run = Callable[[Command], Completed]


@dataclass(frozen=True)
class Environment:
    """The variables, where they are from, and every place that was looked at for them."""

    variables: Variables
    origin: str
    lookups: tuple[Lookup, ...] = ()


class _Evaluated(NamedTuple):
    """An answer of bash, and what the files looked like when it was asked."""

    fingerprints: tuple[Optional[Fingerprint], ...]
    variables: Variables
    problem: str = ""


class _OfProcess(NamedTuple):
    """The environment of one of the cluster's processes."""

    process: Process
    variables: Variables

    @property
    def origin(self) -> str:
        return f"process {self.process.id.pid} ({_program(self.process)})"


class EnvironmentSearch:
    """Finds the environment of one cluster user, cheaply when nothing has changed; for one thread.

    ``own`` is the exporter's own environment, of which only MPPDB_ENV_SEPARATE_PATH is read.
    ``evaluate`` returns what environment files set, and raises SourceError (ShellEnvironment); it
    is None where bash would not see the host's files as the host does.
    """

    def __init__(
        self,
        files: HostFiles,
        processes: ProcessReader,
        evaluate: Optional[Evaluate],
        own: Mapping[str, str],
    ) -> None:
        self._files = files
        self._processes = processes
        self._evaluate = evaluate
        self._own = own
        self._lookups: list[Lookup] = []
        self._last_process: Optional[_OfProcess] = None
        self._evaluated: dict[tuple[str, ...], _Evaluated] = {}

    def find(self, hints: InstallationHints, account: Account) -> Environment:
        """Return the environment; its variables are empty when no place tells GAUSSHOME."""
        self._lookups = []
        for variables, origin in self._places(hints, account):
            if variables.get("GAUSSHOME"):
                self._note(origin)
                return Environment(variables, origin, tuple(self._lookups))
        return Environment({}, "", tuple(self._lookups))

    def _note(self, origin: str, state: FactState = FactState.OK, detail: str = "") -> None:
        self._lookups.append(Lookup(_FACT, origin, state, detail))

    def _places(
        self, hints: InstallationHints, account: Account
    ) -> Iterator[tuple[Variables, str]]:
        if hints.env_file:
            yield from self._from_files((hints.env_file,), account, required=True)
        yield from self._from_processes(hints.gausshome, account)
        default = self._own.get(SEPARATE_FILE) or posixpath.join(account.home, ".bashrc")
        if default != hints.env_file:
            yield from self._from_files((default,), account)
        yield from self._from_crontab(account)
        if self._last_process is not None:
            yield self._last_process.variables, f"{self._last_process.origin}, which has ended"

    def _from_processes(
        self, gausshome: Optional[str], account: Account
    ) -> Iterator[tuple[Variables, str]]:
        last = self._last_process
        if last is None or not self._processes.runs(last.process):
            last = self._find_process(account.uid, gausshome)
        if last is not None:
            self._last_process = last
            yield last.variables, last.origin

    def _find_process(self, uid: int, gausshome: Optional[str]) -> Optional[_OfProcess]:
        """Find the process whose environment counts: the first program there is, its newest.

        With ``gausshome`` only processes of that installation count.
        """
        try:
            processes = sorted(self._processes.of_user(uid, PROGRAMS), key=_rank)
        except SourceError:  # no /proc: nothing runs that could be asked
            return None
        for process in processes:
            environ = self._processes.environment(process)
            home = environ.get("GAUSSHOME", "")
            if home and (gausshome is None or _same_path(home, gausshome)):
                variables = {name: environ[name] for name in VARIABLES if environ.get(name)}
                return _OfProcess(process, variables)
        return None

    def _from_files(
        self, names: tuple[str, ...], account: Account, *, required: bool = False
    ) -> Iterator[tuple[Variables, str]]:
        origin = " and ".join(names)
        fingerprints = tuple(self._files.fingerprint(name) for name in names)
        if self._evaluate is None or None in fingerprints:
            why = "no such file" if self._evaluate else "not evaluated below another root"
            self._note(origin, FactState.MISSING if required else FactState.ABSENT, why)
            return
        answer = self._answer(self._evaluate, names, account, fingerprints)
        if answer.problem:
            self._note(origin, FactState.UNREADABLE, answer.problem)
        elif not answer.variables.get("GAUSSHOME"):
            state = FactState.NOT_UNDERSTOOD if required else FactState.ABSENT
            self._note(origin, state, "sets no GAUSSHOME")
        yield answer.variables, origin

    def _answer(
        self,
        evaluate: Evaluate,
        names: tuple[str, ...],
        account: Account,
        fingerprints: tuple[Optional[Fingerprint], ...],
    ) -> _Evaluated:
        """Ask bash unless nothing has changed; a failure keeps the last good variables."""
        last = self._evaluated.get(names)
        if last is not None and last.fingerprints == fingerprints:
            return last
        try:
            answer = _Evaluated(fingerprints, evaluate(names, account))
        except SourceError as error:
            answer = _Evaluated(fingerprints, last.variables if last else {}, str(error))
        self._evaluated[names] = answer
        return answer

    def _from_crontab(self, account: Account) -> Iterator[tuple[Variables, str]]:
        for spool in SPOOLS:
            path = posixpath.join(spool, account.name)
            try:
                cron = parse_crontab(self._files.text(path, beyond_user=True), path)
            except MissingFileError:
                continue
            except (SourceError, ParseError) as error:
                self._note(path, FactState.ABSENT, str(error))
                continue
            expanded = [_expanded(name, account) for name in cron.env_files]
            present = tuple(name for name in expanded if self._files.fingerprint(name))
            if present:
                yield from self._from_files(present, account)
            log_dir = cron.log_dir.removesuffix(_MONITOR_LOGS)
            yield {"GAUSSHOME": cron.gausshome, "GAUSSLOG": log_dir}, path


def _program(process: Process) -> str:
    """Tell the program by its executable, else by the name of the process."""
    name = posixpath.basename(process.exe.removesuffix(_DELETED))
    return name if name in PROGRAMS else process.name


def _rank(process: Process) -> tuple[int, int]:
    program = _program(process)
    place = PROGRAMS.index(program) if program in PROGRAMS else len(PROGRAMS)
    return place, -process.id.start_ticks


def _same_path(one: str, other: str) -> bool:
    return posixpath.normpath(one) == posixpath.normpath(other)


def _expanded(name: str, account: Account) -> str:
    return account.home + name[1:] if name.startswith("~/") else name


class ShellEnvironment:
    """Asks bash what environment files set; ``run`` runs a program (host/command).

    ``timeout`` is in seconds, for all files together.
    """

    def __init__(self, run: Run, timeout: float = TIMEOUT_SECONDS) -> None:
        self._run = run
        self._timeout = timeout

    def evaluate(self, files: Sequence[str], account: Account) -> Mapping[str, str]:
        """Return the named variables after the files were sourced in their order.

        Raises SourceError that names the file, and the line where bash told it, when the files
        did not come to their end.
        """
        name = " and ".join(files)
        if account.uid == 0:
            raise SourceError(f"{name}: not evaluated as root; set installation.user")
        command = Command(
            argv=(_BASH, "--noprofile", "--norc", "-c", _SCRIPT, "bash", *files),
            env=_given(account),
            user=account,
            timeout=self._timeout,
            output_limit=MAX_BYTES,
        )
        done = self._run(command)
        if done.outcome is not RunOutcome.EXITED:
            raise SourceError(f"{name}: {self._why_not(done)}{_told(done)}")
        if _SYNTAX_ERROR in done.stderr:  # bash goes on behind the file, as if all were well
            raise SourceError(f"{name}: not a script that bash understands{_told(done)}")
        try:
            return parse_environment(done.stdout, name)
        except ParseError:
            status = f"bash ended with status {done.exit_status} inside it"
            raise SourceError(f"{name}: {status}{_told(done)}") from None

    def _why_not(self, done: Completed) -> str:
        if done.outcome is RunOutcome.TIMED_OUT:
            return f"did not end within {self._timeout:g} s: it waits for something"
        return f"could not be evaluated ({done.outcome.value}) {done.message}".rstrip()


def _given(account: Account) -> dict[str, str]:
    """Give what login(1) would; nothing of the exporter's own environment."""
    return {
        "HOME": account.home,
        "USER": account.name,
        "LOGNAME": account.name,
        "SHELL": _BASH,
        "PATH": _PATH,
    }


def _told(done: Completed) -> str:
    """Return what bash said last of a line in a file; that is where it stopped."""
    lines = done.stderr.decode("utf-8", "replace").split("\n")
    told = [line for line in lines if ": line " in line] or [line for line in lines if line.strip()]
    return f": {shown(told[-1].strip(), 200)}" if told else ""
