"""An environment file evaluated by bash, as the cluster's user and never as root.

The file is a shell script: only a shell knows what it sets. It may print, prompt, sleep, return,
exit or fail, so it gets no input, its output is thrown away, and its time is bounded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Callable

from exporter.errors import ParseError, SourceError
from exporter.host.command import Account, Command, Completed, RunOutcome
from exporter.host.text import shown
from exporter.installation.environment import MAX_BYTES, parse_environment

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
