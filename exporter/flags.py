"""The flags, as every Prometheus exporter has them, and how words become Options.

Flags may stand before or behind the command, as ``--flag=value`` or ``--flag value``.
"""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, NoReturn, Optional

from exporter.errors import UsageError
from exporter.options import COLLECTORS, DEFAULT_PORT, ListenAddress, Options

Values = Mapping[str, Any]
_MOST_REQUESTS = 10_000


@dataclass(frozen=True)
class Flag:
    """One flag: its name without dashes, and what it takes; a switch takes nothing.

    ``parse`` raises ValueError with what is allowed. ``default`` is as an operator would write
    it, and is parsed like any other value; empty is None.
    """

    name: str
    help: str
    metavar: str = ""
    parse: Callable[[str], Any] = str
    default: str = ""
    repeat: bool = False
    switch: bool = False
    negatable: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """All ways to write the flag."""
        negated = (f"--no-{self.name}",) if self.negatable else ()
        return (f"--{self.name}", *negated)


def listen_address(text: str) -> ListenAddress:
    """Read ``:PORT``, ``host:PORT`` or ``[::1]:PORT``; raises ValueError."""
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%\w]+)\]|([^\s:\[\]/]*)):([0-9]{1,5})", text)
    if not match or int(match.group(3)) > 65535:  # noqa: PLR2004  # the largest port
        raise ValueError(f"{text!r} is none of :PORT, HOST:PORT, [IPv6]:PORT")
    return ListenAddress(match.group(1) or match.group(2) or "", int(match.group(3)))


def telemetry_path(text: str) -> str:
    """Read the path of the metrics, which must not hide another page; raises ValueError."""
    taken = text == "/" or text.startswith("/-/") or text == "/diagnosis"
    if taken or not re.fullmatch(r"(/[A-Za-z0-9_.~-]+)+", text):
        raise ValueError(f"{text!r} is not a path such as /metrics, or the path of another page")
    return text


def absolute_path(text: str) -> Path:
    """Read an absolute path; raises ValueError."""
    if not text.startswith("/") or "\0" in text:
        raise ValueError(f"{text!r} is not an absolute path")
    return Path(text)


def request_limit(text: str) -> int:
    """Read a number of requests; raises ValueError."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > _MOST_REQUESTS:
        raise ValueError(f"{text!r} is not a whole number from 0 to {_MOST_REQUESTS}")
    return int(text)


def one_of(*words: str) -> Callable[[str], str]:
    """Make a parser of a closed set of words."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"{text!r} is none of {', '.join(words)}")
        return text

    return parse


FLAGS: tuple[Flag, ...] = (
    Flag("config.file", "The configuration; without one the defaults hold.", "FILE", Path),
    Flag("config.check", "Check the configuration, say what is wrong with it, end.", switch=True),
    Flag(
        "web.listen-address",
        "Where to answer: :PORT, HOST:PORT or [IPv6]:PORT; may be given several times.",
        "ADDRESS",
        listen_address,
        f":{DEFAULT_PORT}",
        repeat=True,
    ),
    Flag(
        "web.config.file",
        "TLS, client certificates, users and headers, as Prometheus' exporters take them.",
        "FILE",
        Path,
    ),
    Flag("web.telemetry-path", "Path of the metrics.", "PATH", telemetry_path, "/metrics"),
    Flag("web.enable-lifecycle", "Let POST /-/reload read the configuration anew.", switch=True),
    Flag(
        "web.max-requests",
        "Scrapes that are answered at the same time, others get 503; 0 is no limit.",
        "NUMBER",
        request_limit,
        "40",
    ),
    *(
        Flag(f"collector.{name}", f"The collector {name}, on by default.", negatable=True)
        for name in COLLECTORS
    ),
    Flag("path.procfs", "Where the host's /proc is seen.", "DIRECTORY", absolute_path, "/proc"),
    Flag("path.sysfs", "Where the host's /sys is seen.", "DIRECTORY", absolute_path, "/sys"),
    Flag("path.rootfs", "Where the host's / is seen.", "DIRECTORY", absolute_path, "/"),
    Flag(
        "log.level",
        "The least severe level that is logged: debug, info, warn, error.",
        "LEVEL",
        one_of("debug", "info", "warn", "error"),
        "info",
    ),
    Flag("log.format", "logfmt or json.", "FORMAT", one_of("logfmt", "json"), "logfmt"),
)
"""The flags of every command."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def split_command(
    words: Sequence[str], flags: Iterable[Flag]
) -> tuple[Optional[str], tuple[str, ...]]:
    """Take the command out of the words: the first that is neither a flag nor a flag's value."""
    taking = {name for flag in flags if not (flag.switch or flag.negatable) for name in flag.names}
    value_follows = False
    for place, word in enumerate(words):
        if value_follows or word.startswith("-"):
            value_follows = not value_follows and word in taking
        else:
            return word, (*words[:place], *words[place + 1 :])
    return None, tuple(words)


def parse(
    program: str, version: str, words: Sequence[str], flags: Sequence[Flag], epilog: str
) -> Values:
    """Read the words behind the command; raises UsageError, ends the program on --help."""
    parser = _parser(program, version, flags, epilog)
    values, unknown = parser.parse_known_args(words)
    if unknown:
        names = [name for flag in flags for name in flag.names] + ["--help", "--version"]
        raise UsageError(_unknown(unknown[0], names))
    return vars(values)


def _parser(program: str, version: str, flags: Sequence[Flag], epilog: str) -> _Parser:
    parser = _Parser(
        prog=program,
        usage=f"{program} [command] [flags]",
        epilog=epilog,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=version, help="Show the version.")
    for flag in flags:
        _add(parser, flag)
    return parser


def _add(parser: argparse.ArgumentParser, flag: Flag) -> None:
    text = flag.help.replace("%", "%%")
    if flag.switch:
        parser.add_argument(*flag.names, dest=flag.name, help=text, action="store_true")
    elif flag.negatable:
        parser.add_argument(
            f"--{flag.name}",
            dest=flag.name,
            help=text,
            action=argparse.BooleanOptionalAction,
            default=True,
        )
    else:
        _add_value(parser, flag, text)


def _add_value(parser: argparse.ArgumentParser, flag: Flag, text: str) -> None:
    parser.add_argument(
        *flag.names,
        dest=flag.name,
        help=f"{text} (default {flag.default})" if flag.default else text,
        metavar=flag.metavar,
        type=_typed(flag.parse),
        action="append" if flag.repeat else "store",
        default=flag.parse(flag.default) if flag.default and not flag.repeat else None,
    )


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
    return f"unknown flag {name!r}{nearest(name, names)}"


def nearest(word: str, known: Iterable[str]) -> str:
    """Hint at the known word that was probably meant; empty without one."""
    found = difflib.get_close_matches(word, tuple(known), n=1)
    return f"; did you mean {found[0]}?" if found else ""


def options_of(values: Values) -> Options:
    """Turn the flags of every command into Options; raises UsageError."""
    default = Options()
    addresses = tuple(values["web.listen-address"] or default.listen_addresses)
    fixed = [address for address in addresses if address.port]
    if len(set(fixed)) < len(fixed):
        raise UsageError("the same --web.listen-address is given twice")
    return Options(
        config_file=values["config.file"],
        listen_addresses=addresses,
        web_config_file=values["web.config.file"],
        telemetry_path=values["web.telemetry-path"],
        enable_lifecycle=values["web.enable-lifecycle"],
        max_requests=values["web.max-requests"],
        collectors=frozenset(name for name in COLLECTORS if values[f"collector.{name}"]),
        procfs=values["path.procfs"],
        sysfs=values["path.sysfs"],
        rootfs=values["path.rootfs"],
        log_level=values["log.level"],
        log_format=values["log.format"],
    )
