"""Where the installation's environment comes from: the first place that tells GAUSSHOME.

In order: the configured file; the cluster's own processes; MPPDB_ENV_SEPARATE_PATH, else
``~/.bashrc``; om_monitor's crontab line. bash is asked at the start, and when a file has
changed; a place that fails is a finding, and the next one is asked.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Callable, Optional, Protocol

from exporter.config.schema import InstallationHints
from exporter.errors import MissingFileError, ParseError, SourceError
from exporter.host.command import Account, Command, Completed, RunOutcome
from exporter.host.files import Fingerprint, HostFiles
from exporter.host.text import shown
from exporter.installation.cluster_processes import Found
from exporter.installation.facts import FactState, Finding
from exporter.installation.text_files import MAX_BYTES, parse_crontab, parse_environment

SEPARATE_FILE = "MPPDB_ENV_SEPARATE_PATH"
SPOOLS = ("/var/spool/cron", "/var/spool/cron/crontabs", "/var/spool/cron/tabs")
_FACT = "environment"
_MONITOR_LOGS = "/cm/om_monitor"

Variables = Mapping[str, str]


class Processes(Protocol):
    """The cluster's running processes (installation/cluster_processes)."""

    def lives(self, found: Found) -> bool:
        """Tell whether this very process still runs."""

    def find(self, uid: int, gausshome: Optional[str] = None) -> Optional[Found]:
        """Find the process whose environment counts."""


class Shell(Protocol):
    """What evaluates environment files (installation/shell_environment)."""

    def evaluate(self, files: Sequence[str], account: Account) -> Variables:
        """Return the named variables; raises SourceError."""


@dataclass(frozen=True)
class Environment:
    """The variables, where they are from, and what was looked at in vain."""

    variables: Variables
    origin: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class _Evaluated:
    """An answer of bash, and what the files looked like when it was asked."""

    looks: tuple[Optional[Fingerprint], ...]
    variables: Optional[Variables]
    problem: str = ""


class EnvironmentSearch:
    """Finds the environment of one cluster user, cheaply when nothing has changed.

    ``own`` is the exporter's own environment, of which only MPPDB_ENV_SEPARATE_PATH is read.
    ``shell`` is None where bash would not see the host's files as the host does.
    """

    def __init__(
        self,
        files: HostFiles,
        processes: Processes,
        shell: Optional[Shell],
        own: Mapping[str, str],
    ) -> None:
        self._files = files
        self._processes = processes
        self._shell = shell
        self._own = own
        self._process: Optional[Found] = None
        self._evaluated: dict[tuple[str, ...], _Evaluated] = {}

    def find(self, hints: InstallationHints, account: Account) -> Environment:
        """Return the environment; its variables are empty when no place tells GAUSSHOME."""
        findings: list[Finding] = []
        for variables, origin in self._places(hints, account, findings):
            if variables.get("GAUSSHOME"):
                return Environment(variables, origin, (*findings, Finding(_FACT, origin)))
        return Environment({}, "", tuple(findings))

    def _places(
        self, hints: InstallationHints, account: Account, findings: list[Finding]
    ) -> Iterator[tuple[Variables, str]]:
        if hints.env_file:
            yield from self._files_say((hints.env_file,), account, findings, required=True)
        yield from self._processes_say(hints, account)
        default = self._own.get(SEPARATE_FILE) or posixpath.join(account.home, ".bashrc")
        if default != hints.env_file:
            yield from self._files_say((default,), account, findings)
        yield from self._cron_says(account, findings)
        if self._process is not None:
            yield self._process.variables, f"{_named(self._process)}, which has ended"

    def _processes_say(
        self, hints: InstallationHints, account: Account
    ) -> Iterator[tuple[Variables, str]]:
        known = self._process
        if known is None or not self._processes.lives(known):
            known = self._processes.find(account.uid, hints.gausshome)
        if known is not None:
            self._process = known
            yield known.variables, _named(known)

    def _files_say(
        self,
        names: tuple[str, ...],
        account: Account,
        findings: list[Finding],
        *,
        required: bool = False,
    ) -> Iterator[tuple[Variables, str]]:
        origin = " and ".join(names)
        looks = tuple(self._files.fingerprint(name) for name in names)
        if self._shell is None or None in looks:
            why = "not evaluated below another root" if self._shell is None else "no such file"
            state = FactState.MISSING if required else FactState.ABSENT
            findings.append(Finding(_FACT, origin, state, why))
            return
        answer = self._answer(self._shell, names, account, looks)
        if answer.problem:
            findings.append(Finding(_FACT, origin, FactState.UNREADABLE, answer.problem))
        elif not (answer.variables or {}).get("GAUSSHOME"):
            state = FactState.NOT_UNDERSTOOD if required else FactState.ABSENT
            findings.append(Finding(_FACT, origin, state, "sets no GAUSSHOME"))
        if answer.variables:
            yield answer.variables, origin

    def _answer(
        self,
        shell: Shell,
        names: tuple[str, ...],
        account: Account,
        looks: tuple[Optional[Fingerprint], ...],
    ) -> _Evaluated:
        """Ask bash unless nothing has changed; a failure keeps the last good variables."""
        known = self._evaluated.get(names)
        if known is not None and known.looks == looks:
            return known
        try:
            answer = _Evaluated(looks, shell.evaluate(names, account))
        except SourceError as error:
            answer = _Evaluated(looks, known.variables if known else None, str(error))
        self._evaluated[names] = answer
        return answer

    def _cron_says(
        self, account: Account, findings: list[Finding]
    ) -> Iterator[tuple[Variables, str]]:
        for spool in SPOOLS:
            path = posixpath.join(spool, account.name)
            try:
                cron = parse_crontab(self._files.text(path, beyond_user=True), path)
            except MissingFileError:
                continue
            except (SourceError, ParseError) as error:
                findings.append(Finding(_FACT, path, FactState.ABSENT, str(error)))
                continue
            expanded = [_expanded(name, account) for name in cron.env_files]
            present = tuple(name for name in expanded if self._files.fingerprint(name))
            if present:
                yield from self._files_say(present, account, findings)
            log_dir = cron.log_dir.removesuffix(_MONITOR_LOGS)
            yield {"GAUSSHOME": cron.gausshome, "GAUSSLOG": log_dir}, path


def _expanded(name: str, account: Account) -> str:
    return account.home + name[1:] if name.startswith("~/") else name


def _named(process: Found) -> str:
    return f"process {process.pid} ({process.program})"


TIMEOUT_SECONDS = 5.0


_BASH = "/bin/bash"


_SYNTAX_ERROR = b": syntax error"


_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


# Descriptor 3 is the answer; what the files print goes nowhere. `command -p` finds env whatever
# PATH they set, and no function or alias of theirs takes its place.
_SCRIPT = 'exec 3>&1 >/dev/null; for file in "$@"; do . "$file"; done; command -p env -0 >&3'


Run = Callable[[Command], Completed]


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
