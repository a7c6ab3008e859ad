"""The command line: words in, exit status out.

Wrong usage ends with 64, a configuration that cannot be used with 78, output that cannot be
written with 74 (sysexits.h), an interrupt with 130; what is wrong is on stderr, all of it.
"""

from __future__ import annotations

import os
import platform
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

from exporter import __version__, logsetup
from exporter.commands import diagnose, discover, once, serve, targets
from exporter.config import Config
from exporter.errors import ConfigError, ExporterError, OutputError, UsageError
from exporter.flags import FLAGS, Flag, Values, nearest, options_of, parse, split_command
from exporter.options import Options
from exporter.wiring.settings import read_config, read_web_config

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
        lambda options, config, _: serve.run(options, config),
    ),
    Command(
        "once",
        "Write one page to stdout; exit status 1 when a collector failed.",
        lambda options, config, _: once.run(options, config),
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
    flags = [*FLAGS, *(command.flags if command else ())]
    values = parse(PROGRAM, version(), rest, flags, _epilog(commands))
    options = options_of(values)
    if values["config.check"]:
        return _check(options)
    if command is None:
        raise UsageError(f"a command is needed: {', '.join(known.name for known in commands)}")
    config = read_config(options)
    logsetup.configure(options.log_level, options.log_format, sys.stderr)
    return command.run(options, config, values)


def _command(name: Optional[str], commands: Sequence[Command]) -> Optional[Command]:
    known = {command.name: command for command in commands}
    if name is not None and name not in known:
        raise UsageError(f"unknown command {name!r}{nearest(name, known)}")
    return known.get(name or DEFAULT_COMMAND)


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
