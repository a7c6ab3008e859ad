"""The command line: words in, exit status out.

Wrong usage ends with 64, a configuration that cannot be used with 78, output that cannot be
written with 74 (sysexits.h), an interrupt with 130; what is wrong is on stderr, all of it.
"""

from __future__ import annotations

import argparse
import difflib
import os
import platform
import signal
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, NoReturn, Optional

from exporter import __version__, logsetup
from exporter.build import read_config, read_web_config
from exporter.commands import diagnose, discover, once, serve, targets
from exporter.config import Config
from exporter.errors import ConfigError, ExporterError, OutputError, UsageError
from exporter.options import FLAGS, Flag, Options, Values, options_of

PROGRAM = "opengauss-cm-exporter"
DEFAULT_COMMAND = "serve"


@dataclass(frozen=True)
class Command:
    """One thing that the program does; ``run`` gets all flags' values and gives the status."""

    name: str
    help: str
    run: Callable[[Options, Config, Values], int]
    flags: tuple[Flag, ...] = ()


COMMANDS: tuple[Command, ...] = (
    Command(
        "serve",
        "Answer scrapes until told to end; the default.",
        serve.run,
    ),
    Command(
        "once",
        "Write one page to stdout; exit status 1 when a collector failed.",
        once.run,
    ),
    Command(
        "diagnose",
        "Say which ports are in conflict, by whom, and what to do; 0 none, 1 conflict, 2 cannot"
        " tell.",
        diagnose.run,
        diagnose.FLAGS,
    ),
    Command(
        "discover",
        "Tell what was found of the installation, and from where; 1 when a fact is missing.",
        discover.run,
        discover.FLAGS,
    ),
    Command(
        "targets",
        "Write scrape targets for all nodes of the cluster, from its static config.",
        targets.run,
        targets.FLAGS,
    ),
)


def version() -> str:
    """Tell the version as Prometheus' programs do."""
    return f"{PROGRAM}, version {__version__} (python {platform.python_version()})"


def main(argv: Optional[Sequence[str]] = None, commands: Sequence[Command] = COMMANDS) -> int:
    """Run a command and return the program's exit status."""
    try:
        return _run(sys.argv[1:] if argv is None else argv, commands)
    except UsageError as error:
        sys.stderr.write(f"{PROGRAM}: {error}\nTry {PROGRAM} --help\n")
        return os.EX_USAGE
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return os.EX_CONFIG
    except ExporterError as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
        return _status(error)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except SystemExit as end:  # argparse after --help and --version
        return int(end.code or 0)


def _status(error: ExporterError) -> int:
    """Choose the exit status: what the configuration names may just not be there."""
    return os.EX_IOERR if isinstance(error, OutputError) else os.EX_CONFIG


def _run(words: Sequence[str], commands: Sequence[Command]) -> int:
    every_flag = [*FLAGS, *(flag for command in commands for flag in command.flags)]
    name, rest = split_command(words, every_flag)
    command = _command(name, commands)
    values = parse(rest, [*FLAGS, *command.flags], _epilog(commands))
    options = options_of(values)
    if options.config_check:
        return _check(options)
    config = read_config(options)
    logsetup.configure(options.log_level, options.log_format, sys.stderr)
    return command.run(options, config, values)


def _command(name: Optional[str], commands: Sequence[Command]) -> Command:
    by_name = {command.name: command for command in commands}
    if name is not None and name not in by_name:
        raise UsageError(f"unknown command {name!r}{_nearest(name, by_name)}")
    return by_name[name or DEFAULT_COMMAND]


def _check(options: Options) -> int:
    """Read every file that was given, so that one run tells what is wrong with all of them."""
    checks: list[tuple[Path, Callable[[], object]]] = []
    if options.config_file is not None:
        checks.append((options.config_file, lambda: read_config(options)))
    if (web := options.web_config_file) is not None:
        checks.append((web, lambda: read_web_config(web)))
    if not checks:
        raise UsageError("--config.check needs --config.file or --web.config.file")
    return max(_checked(path, read) for path, read in checks)


def _checked(path: Path, read: Callable[[], object]) -> int:
    try:
        read()
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return os.EX_CONFIG
    sys.stdout.write(f"{path}: ok\n")
    return os.EX_OK


def _epilog(commands: Sequence[Command]) -> str:
    width = max((len(command.name) for command in commands), default=0)
    lines = [f"  {command.name:{width}}  {command.help}" for command in commands]
    return "\n".join(["commands:", *lines])


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def split_command(
    words: Sequence[str], flags: Iterable[Flag]
) -> tuple[Optional[str], tuple[str, ...]]:
    """Take the command out of the words: the first that is neither a flag nor a flag's value."""
    taking = {f"--{flag.name}" for flag in flags if flag.metavar}
    value_follows = False
    for place, word in enumerate(words):
        if value_follows or word.startswith("-"):
            value_follows = not value_follows and word in taking
        else:
            return word, (*words[:place], *words[place + 1 :])
    return None, tuple(words)


def parse(words: Sequence[str], flags: Sequence[Flag], epilog: str = "") -> Values:
    """Read the words behind the command; raises UsageError, ends the program on --help."""
    parser = _Parser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [command] [flags]",
        epilog=epilog,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=version(), help="Show the version.")
    for flag in flags:
        _add(parser, flag)
    values, unknown = parser.parse_known_args(words)
    if unknown:
        names = [name for flag in flags for name in flag.names] + ["--help", "--version"]
        raise UsageError(_unknown(unknown[0], names))
    return vars(values)


def _add(parser: argparse.ArgumentParser, flag: Flag) -> None:
    how: dict[str, Any] = {"action": "store_true"}
    text = flag.help
    if flag.negatable:
        how = {"action": argparse.BooleanOptionalAction, "default": True}
    elif flag.metavar:
        text += f" (default {flag.default})" if flag.default else ""
        how = {
            "metavar": flag.metavar,
            "type": _typed(flag.parse),
            "action": "append" if flag.repeat else "store",
            "default": flag.parse(flag.default) if flag.default and not flag.repeat else None,
        }
    parser.add_argument(f"--{flag.name}", dest=flag.name, help=text.replace("%", "%%"), **how)


def _typed(parse_value: Callable[[str], Any]) -> Callable[[str], Any]:
    """Let a parser's own words reach the operator instead of argparse's."""

    def read(text: str) -> object:
        try:
            return parse_value(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


def _unknown(word: str, names: Sequence[str]) -> str:
    name = word.split("=", 1)[0]
    if not word.startswith("-"):
        return f"unexpected argument {word!r}"
    return f"unknown flag {name!r}{_nearest(name, names)}"


def _nearest(word: str, allowed: Iterable[str]) -> str:
    """Hint at the allowed word that was probably meant; empty without one."""
    matches = difflib.get_close_matches(word, tuple(allowed), n=1)
    return f"; did you mean {matches[0]}?" if matches else ""
