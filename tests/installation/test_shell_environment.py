"""Environment files of every bad habit, evaluated by a real bash."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from exporter.errors import SourceError
from exporter.host.command import Account, Command, Completed, Runner, RunOutcome
from exporter.installation.environment import TIMEOUT_SECONDS, ShellEnvironment

OM = """\
export GAUSSHOME=/opt/huawei/install/app
export GAUSSLOG=/var/log/omm/omm
export LD_LIBRARY_PATH=$GAUSSHOME/lib:$LD_LIBRARY_PATH
export GS_CLUSTER_NAME='my cluster'
NOT_EXPORTED=1
umask 077
"""
FOUND = {
    "GAUSSHOME": "/opt/huawei/install/app",
    "GAUSSLOG": "/var/log/omm/omm",
    "LD_LIBRARY_PATH": "/opt/huawei/install/app/lib:",
    "GS_CLUSTER_NAME": "my cluster",
}


def _ordinary() -> Account:
    """Our own user; as root the one that owns nothing."""
    if os.getuid() == 0:
        return Account.of("nobody")
    return Account.of(pwd.getpwuid(os.getuid()).pw_name)


def _evaluate(directory: Path, text: str, seconds: float = 5.0) -> dict[str, str]:
    directory.chmod(0o755)
    file = directory / "cluster.env"
    file.write_text(text)
    file.chmod(0o644)
    shell = ShellEnvironment(Runner(grace_seconds=0.1).run, seconds)
    return dict(shell.evaluate([str(file)], _ordinary()))


@pytest.fixture
def readable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that another user may enter."""
    directory = tmp_path_factory.mktemp("env")
    for each in (directory, *list(directory.parents)[:3]):
        if each.stat().st_uid == os.getuid() and str(each) != "/tmp":  # noqa: S108 -- not ours
            each.chmod(each.stat().st_mode | 0o055)
    return directory


@pytest.mark.parametrize(
    "habit",
    [
        "",
        "echo welcome\nprintf 'GAUSSHOME=/wrong\\0'\n",
        "read -p 'Which cluster? ' cluster\n",
        "echo oops >&2; ls /none\n",
        "false\n",
        "env() { echo GAUSSHOME=/wrong; }\ncommand_not_found_handle() { :; }\n",
        "alias env='echo no'\nset -o posix\n",
        "PATH=/nowhere\n",
        "cd /\n",
        "yes | head -c 3000000\n",
        "sleep 60 &\n",
    ],
)
def test_bad_habits_do_no_harm(readable: Path, habit: str) -> None:
    """What a file prints, asks, breaks or leaves behind does not change what it sets."""
    found = _evaluate(readable, habit + OM)
    assert {name: found[name] for name in FOUND} == FOUND


def test_a_file_that_returns_early_has_set_what_stands_before(readable: Path) -> None:
    """As in many a ~/.bashrc for shells that are not interactive."""
    text = 'export TZ=UTC\n[ -z "$PS1" ] && return 3\n' + OM
    found = _evaluate(readable, text)
    assert found["TZ"] == "UTC"
    assert "GAUSSHOME" not in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (OM + "exit 7\n", "bash ended with status 7 inside it"),
        (OM + "set -e\n\nfalse_program\n", r"status 127 inside it: .*cluster.env: line 9: "),
        (OM + "if true; then\n", r"not a script .*cluster.env: line 8: syntax error"),
        ("set -u\n" + OM, r"status 127 inside it: .*line 4: LD_LIBRARY_PATH: unbound"),
        (OM + "exec /bin/true\n", "bash ended with status 0 inside it"),
        (OM + "kill -9 $$\n", "bash ended with status -9 inside it"),
        (OM + "sleep 60\n", "did not end within 0.5 s: it waits for something"),
    ],
)
def test_a_file_that_does_not_come_to_its_end_is_an_error(
    readable: Path, text: str, message: str
) -> None:
    """The message names the file, and the line that bash told."""
    with pytest.raises(SourceError, match=rf"^{readable}/cluster.env: .*{message}"):
        _evaluate(readable, text, seconds=0.5 if "sleep" in text else 5.0)


def test_nothing_is_evaluated_as_root() -> None:
    """Bash is not even asked."""
    root = Account("root", 0, 0, (0,), "/root")

    def never(command: Command) -> Completed:
        raise AssertionError(command)

    with pytest.raises(SourceError, match=r"^/x: not evaluated as root; set installation.user"):
        ShellEnvironment(never).evaluate(["/x"], root)


def test_the_file_sees_only_what_a_login_gives(readable: Path) -> None:
    """Nothing of the exporter's own environment reaches the file, and it runs as the user."""
    text = 'export GAUSSHOME="$(id -un):$HOME:${SECRET-none}:$(pwd):$BASH_ENV"\n'
    account = _ordinary()
    found = _evaluate(readable, text)
    assert found["GAUSSHOME"] == f"{account.name}:{account.home}:none:/:"


def test_a_bash_that_cannot_run_is_told() -> None:
    """A host without bash, or a user that we cannot become, is an error with the reason."""
    failed = Completed(RunOutcome.NOT_FOUND, message="[Errno 2] No such file: '/bin/bash'")
    account = Account("omm", 1000, 1000, (1000,), "/home/omm")
    with pytest.raises(SourceError, match=r"^/x: could not be evaluated \(not_found\) .*bash"):
        ShellEnvironment(lambda _: failed).evaluate(["/x"], account)


def test_the_limits_are_those_that_are_promised() -> None:
    """Five seconds and a mebibyte, given to the one who runs programs."""
    seen: list[Command] = []

    def run(command: Command) -> Completed:
        seen.append(command)
        return Completed(RunOutcome.EXITED, 0, b"GAUSSHOME=/app\0")

    account = Account("omm", 1000, 1000, (1000,), "/home/omm")
    assert ShellEnvironment(run).evaluate(["/a", "/b"], account) == {"GAUSSHOME": "/app"}
    assert (seen[0].timeout, seen[0].output_limit, seen[0].user) == (5.0, 1 << 20, account)
    assert TIMEOUT_SECONDS == 5.0
