"""One command line of cm_ctl, and where its words go."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.standins.logfile import CmLog, stamp
from tests.lab.standins.plan import LabPlan, NodePlan

_VALUED = {"n", "D", "I", "t", "z", "l", "m"}
_QUERY = frozenset("znDRlvwCsSdiFLxprtgOu")
_START = frozenset("znDRtILm")
_WRONG_LINE = "[ERRCAUSE]:cm_ctl: The cmdline entered by the user is incorrect."


class BadUsageError(Exception):
    """The command line is refused; the text is the record, `level` its level."""

    def __init__(self, text: str, level: str = "ERROR") -> None:
        super().__init__(text)
        self.level = level


@dataclass(frozen=True)
class Command:
    """One parsed command line; options without a value have an empty one."""

    words: tuple[str, ...]
    action: str
    options: dict[str, str]

    def __str__(self) -> str:
        return " ".join(("cm_ctl", *self.words))

    def number(self, letter: str, default: int) -> int:
        """Return a numeric option."""
        return int(self.options.get(letter) or default)


class Ctl:
    """One run of cm_ctl on one node."""

    def __init__(self, plan: LabPlan, node: NodePlan, command: Command) -> None:
        self.plan = plan
        self.node = node
        self.command = command
        self.write: Callable[[str], object] = sys.stdout.write
        self._log = own_log()

    def complain_of_environment(self) -> None:
        """Tell that GAUSSLOG is not set, twice, as it is told before there is a log."""
        if "GAUSSLOG" not in os.environ:
            self.write(f"cm_ctl: {_NO_GAUSSLOG}\n{_without_log('', 'ERROR', _NO_GAUSSLOG)}")

    def record(self, level: str, text: str) -> None:
        """Write one record to the own log only."""
        if isinstance(self._log, CmLog):
            self._log.write(level, text)
            return
        self.write(_without_log(self._log, level, text))

    def tell(self, level: str, text: str) -> None:
        """Write one record to the own log and the text to stdout."""
        self.write(f"cm_ctl: {text}\n")
        sys.stdout.flush()
        self.record(level, text)

    def raw(self, text: str) -> None:
        """Append a text without a prefix to the own log."""
        if isinstance(self._log, CmLog):
            self._log.raw(text)


_NO_GAUSSLOG = (
    "cm_getenv: failed to get environment variable:GAUSSLOG. Check and make sure it is configured!"
)


def _without_log(directory: str, level: str, text: str) -> str:
    where = f"cm_ctl: opendir {directory} failed! \nwrite_log_file,log file is null now:"
    return f"{where}{stamp()} tid={threading.get_native_id()}  {level}: {text}\n\n"


def own_log() -> CmLog | str:
    """Return the log below GAUSSLOG, or the directory that could not be used.

    Without GAUSSLOG the log lies beside the programs.
    """
    base = os.environ.get("GAUSSLOG", "")
    directory = Path(base, "cm/cm_ctl") if base else Path(os.environ["GAUSSHOME"], "bin")
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        log = CmLog(directory, "cm_ctl")
        log.current()
    except OSError:
        return _first_unreachable(directory)
    return log


def _first_unreachable(directory: Path) -> str:
    """Return the first directory of a path that can be neither seen nor made."""
    way = [*reversed(directory.parents), directory]
    return next((str(path) for path in way if not os.path.exists(path)), str(directory))  # noqa: PTH110  # Path.exists raises where a directory is closed


def parse(words: Sequence[str]) -> Command:
    """Parse a command line; raise BadUsageError as the real one refuses it."""
    if not words:
        raise BadUsageError(
            "no operation specified.[ERRDETAIL]:N/A[ERRCAUSE]:The cmdline entered by the user is"
            " incorrect.[ERRACTION]:Please check the cmdline entered by the user(cm_ctl)."
        )
    options: dict[str, str] = {}
    rest = list(words[1:])
    while rest:
        word = rest.pop(0)
        for place, letter in enumerate(word.lstrip("-")):
            if letter in _VALUED:
                glued = word.lstrip("-")[place + 1 :]
                options[letter] = glued or (rest.pop(0) if rest else "")
                break
            options[letter] = ""
    command = Command(tuple(words), words[0], options)
    _check(command)
    return command


def _check(command: Command) -> None:
    allowed = _QUERY if command.action == "query" else _START
    for letter in command.options:
        if letter not in allowed:
            raise BadUsageError(_no_match(letter), "FATAL")
    if command.action == "query":
        has = command.options
        if "v" not in has and ({"C", "r"} & set(has)):
            raise BadUsageError(_needed("-v", command))
        if "C" not in has and (set("ipdwxsSF") & set(has)):
            raise BadUsageError(_needed("-C", command))


def _needed(what: str, command: Command) -> str:
    action = f"[ERRACTION]:Please check the cmdline entered by the user({command})."
    return f"{what} is needed.[ERRDETAIL]:N/A{_WRONG_LINE}{action}"


def _no_match(letter: str) -> str:
    return (
        "Commands and options do not match.\n"
        "[ERRCAUSE]:cm_ctl: The cmdline and options entered by the user is incorrect.\n"
        f'[ERRACTION]:These options "{letter}" are not incorrect or not matched with the command.'
    )
