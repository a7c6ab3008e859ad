"""The stand-in of cm_ctl: query, start, stop, pause and resume, their words, log and exit codes.

Everything goes to stdout, errors too. It refuses root, needs GAUSSHOME, and writes its own log
below GAUSSLOG; without a usable one the records stand between the tables, as the real one's do.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.standins import ctl_query, ctl_start
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
        self._log = _own_log()

    def record(self, level: str, text: str) -> None:
        """Write one record to the own log only."""
        if isinstance(self._log, CmLog):
            self._log.write(level, text)
            return
        tid = threading.get_native_id()
        where = f"cm_ctl: opendir {self._log} failed! \nwrite_log_file,log file is null now:"
        sys.stdout.write(f"{where}{stamp()} tid={tid}  {level}: {text}\n\n")

    def tell(self, level: str, text: str) -> None:
        """Write one record to the own log and the text to stdout."""
        sys.stdout.write(f"cm_ctl: {text}\n")
        sys.stdout.flush()
        self.record(level, text)


def _own_log() -> CmLog | str:
    """Return the log below GAUSSLOG, or the directory that could not be used."""
    base = os.environ.get("GAUSSLOG", "")
    directory = Path(base) / "cm/cm_ctl"
    if not base:
        return ""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        log = CmLog(directory, "cm_ctl")
        log.current()
    except OSError:
        return base
    return log


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


def _refuse(error: BadUsageError) -> int:
    sys.stdout.write(f"cm_ctl: {error}\n")
    sys.stdout.write('cm_ctl: Try "cm_ctl --help" for more information.\n')
    log = _own_log()
    if isinstance(log, CmLog):
        log.write(error.level, str(error), thread="[CMAGENT] c3000")
        log.write("LOG", 'Try "cm_ctl --help" for more information.')
    return 1


_ACTIONS = {
    "query": ctl_query.query,
    "start": ctl_start.start,
    "stop": ctl_start.stop,
    "pause": ctl_start.pause,
    "resume": ctl_start.resume,
}


def main(plan: LabPlan, node: NodePlan, arguments: list[str]) -> int:
    """Run one command; return its exit code."""
    os.umask(0o077)
    if "LD_LIBRARY_PATH" not in os.environ:
        sys.stderr.write(f"{node.bin}/cm_ctl: {_NO_LIBRARY}\n")
        return 127
    if os.geteuid() == 0 and node.fault("cm_ctl_allows_root") is None:
        sys.stdout.write("current user is the root user (uid = 0), exit.\n")
        return 1
    if "GAUSSHOME" not in os.environ:
        sys.stdout.write(_NO_HOME)
        return 1
    if not Path(os.environ["GAUSSHOME"], "bin/cluster_static_config").exists():
        sys.stdout.write(_NO_STATIC_CONFIG)
        return 255
    try:
        command = parse(arguments)
    except BadUsageError as error:
        return _refuse(error)
    hang = node.fault("cm_ctl_hangs")
    if hang is not None:
        time.sleep(float(hang or 3600))
    ctl = Ctl(plan, node, command)
    ctl.record("DEBUG1", f'ip: "{node.address}", cmd: "{command}". ')
    return _ACTIONS[command.action](ctl)


_NO_LIBRARY = (
    "error while loading shared libraries: libdcc.so: cannot open shared object file:"
    " No such file or directory"
)
_NO_HOME = (
    "write_log_file,log file is null now: [CMAGENT] c3000 FATAL: Get GAUSSHOME failed."
    '[ERRDETAIL]:N/A[ERRCAUSE]:The environment variable("GAUSSHOME") is incorrectly configured.'
    '[ERRACTION]:Please check the environment variable("GAUSSHOME").\n\n'
)
_NO_STATIC_CONFIG = (
    "cm_ctl: Fail to access the cluster static config file.[ERRDETAIL]:The cluster static config"
    " file does not exist.[ERRCAUSE]:The cluster static config file is not generated or is"
    " manually deleted.[ERRACTION]:Please check the cluster static config file.\n"
)
