"""What the program answers on a terminal."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from exporter import __version__
from exporter.cli import COMMANDS, Command, main
from exporter.config import Config
from exporter.errors import OutputError
from exporter.options import Flag, Options, Values

Calls = list[tuple[str, Options, Config, Values]]


@pytest.fixture
def calls() -> Calls:
    """What the made commands were called with."""
    return []


def _commands(calls: Calls) -> Sequence[Command]:
    def make(name: str, status: int, *flags: Flag) -> Command:
        def run(options: Options, config: Config, values: Values) -> int:
            calls.append((name, options, config, values))
            return status

        return Command(name, f"Do {name}.", run, flags)

    return (make("serve", 0), make("once", 3, Flag("format", "How.", "FORMAT", default="text")))


def test_without_a_command_the_exporter_serves(calls: Calls) -> None:
    """No words at all mean serve, with every default."""
    assert main([], _commands(calls)) == 0
    assert [(name, options, config) for name, options, config, _ in calls] == [
        ("serve", Options(), Config())
    ]


def test_a_commands_status_is_the_programs(calls: Calls) -> None:
    """What the command returns is what the program ends with."""
    assert main(["once"], _commands(calls)) == 3


def test_a_command_may_have_flags_of_its_own(calls: Calls) -> None:
    """A command's flag reaches it from either side, and no other command takes it."""
    main(["--format", "json", "once", "--log.level=warn"], _commands(calls))
    ((name, options, _, values),) = calls
    assert (name, values["format"], options.log_level) == ("once", "json", "warn")
    assert main(["serve", "--format=json"], _commands(calls)) == 64


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["srve"], "unknown command 'srve'; did you mean serve?"),
        (["once", "more"], "unexpected argument 'more'"),
        (["--web.listen-adress=:1"], "did you mean --web.listen-address?"),
        (["--config.check"], "--config.check needs --config.file or --web.config.file"),
    ],
)
def test_wrong_usage_ends_with_64(
    words: list[str], answer: str, calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wrong words end with 64, say so on stderr only, and nothing is started."""
    assert main(words, _commands(calls)) == 64
    shown = capsys.readouterr()
    assert answer in shown.err
    assert "Try opengauss-cm-exporter --help" in shown.err
    assert (shown.out, calls) == ("", [])


@pytest.mark.parametrize("words", [[], ["--config.check"], ["once"]])
def test_a_bad_configuration_ends_with_78_and_all_problems(
    words: list[str], tmp_path: Path, calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    """All problems are on stderr, one a line, and nothing is started."""
    path = tmp_path / "bad.yml"
    path.write_text("endpoint: []\nendpoints:\n  - {endpoint: dss, instance_id: 1, port: 19836}\n")
    assert main([*words, f"--config.file={path}"], _commands(calls)) == 78
    shown = capsys.readouterr()
    first, second = shown.err.splitlines()
    assert first.startswith(f"{path}: line 1: endpoint: unknown key; did you mean endpoints?")
    assert second.startswith(f"{path}: line 3: endpoints[0].port: 19836 is the exporter's own")
    assert (shown.out, calls) == ("", [])


def test_the_check_reads_both_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One run tells what is wrong with each file that was given; one bad file is enough for 78."""
    own, web = tmp_path / "own.yml", tmp_path / "web.yml"
    own.write_text("endpoint: []\n")
    web.write_text("rate_limits: {}\n")
    words = ["--config.check", f"--config.file={own}", f"--web.config.file={web}"]
    assert main(words) == 78
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"{own}: line 1: endpoint: unknown key")
    assert second.startswith(f"{web}: line 1: rate_limits: unknown key; did you mean rate_limit?")
    own.write_text("{}\n")
    assert main(words) == 78
    web.write_text("{}\n")
    assert main(words) == 0
    assert f"{web}: ok" in capsys.readouterr().out


def test_the_own_port_is_the_one_that_is_listened_on(tmp_path: Path, calls: Calls) -> None:
    """An endpoint may have the default port once the exporter listens elsewhere."""
    path = tmp_path / "good.yml"
    path.write_text("endpoints: [{endpoint: dss, instance_id: 1, port: 19836}]\n")
    assert main([f"--config.file={path}", "--web.listen-address=:1"], _commands(calls)) == 0
    assert calls[0][2].endpoints[0].port == 19836


def test_a_good_configuration_is_said_to_be_good(
    tmp_path: Path, calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    """A check of a good file ends with 0, says so on stdout, and starts nothing."""
    path = tmp_path / "good.yml"
    path.write_text("{}\n")
    assert main(["--config.check", f"--config.file={path}"], _commands(calls)) == 0
    assert (capsys.readouterr().out, calls) == (f"{path}: ok\n", [])


def test_help_lists_commands_and_flags(calls: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    """Help ends with 0 and names every command with what it does."""
    assert main(["--help"], _commands(calls)) == 0
    shown = capsys.readouterr().out
    assert "  serve  Do serve.\n  once   Do once.\n" in shown
    assert "--no-collector.node" in shown


def test_the_program_tells_its_version() -> None:
    """As a module and as a program, the version is told on stdout as Prometheus' programs do."""
    done = subprocess.run(
        [sys.executable, "-m", "exporter", "--version"],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    name, rest = done.stdout.split(", version ")
    assert name == "opengauss-cm-exporter"
    assert rest.startswith(f"{__version__} (python 3.")


@pytest.mark.parametrize(
    ("error", "status"), [(OutputError("full"), 74), (KeyboardInterrupt(), 130)]
)
def test_a_command_that_is_cut_short_ends_without_a_traceback(
    error: BaseException, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk behind stdout and Ctrl-C have a status of their own."""

    def run(_options: Options, _config: Config, _values: Values) -> int:
        raise error

    assert main([], [Command("serve", "", run)]) == status
    assert "Traceback" not in capsys.readouterr().err


def test_the_program_starts_nothing_with_a_bad_configuration(tmp_path: Path) -> None:
    """The real program ends with 78 and the problems alone: it neither listened nor logged."""
    path = tmp_path / "bad.yml"
    path.write_bytes(b"")
    done = subprocess.run(
        [sys.executable, "-m", "exporter", f"--config.file={path}", "--web.listen-address=:0"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr == f"{path}: line 1: the file is empty; {{}} stands for all defaults\n"


def test_commands_have_names_of_their_own() -> None:
    """No two commands share a name."""
    assert len({command.name for command in COMMANDS}) == len(COMMANDS)
