"""The stand-in of cm_ctl: query, start, stop, pause and resume, their words, log and exit codes.

Everything goes to stdout, errors too. It refuses root, needs GAUSSHOME, and writes its own log
below GAUSSLOG; without a usable one the records stand between the tables, as the real one's do.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

from tests.lab.standins import ctl_query, ctl_start
from tests.lab.standins.ctl_base import BadUsageError, Ctl, own_log, parse
from tests.lab.standins.logfile import CmLog, stamp
from tests.lab.standins.plan import LabPlan, NodePlan


def _refuse(error: BadUsageError) -> int:
    sys.stdout.write(f"cm_ctl: {error}\n")
    sys.stdout.write('cm_ctl: Try "cm_ctl --help" for more information.\n')
    log = own_log()
    if isinstance(log, CmLog):
        log.write(error.level, str(error), thread="[CMAGENT] c3000")
        log.write("LOG", 'Try "cm_ctl --help" for more information.')
    return 1


def _homeless(text: str) -> str:
    where = "(null): opendir  failed! \nwrite_log_file,log file is null now:"
    return f"{where}{stamp()} tid={threading.get_native_id()}  {text.strip()}\n\n"


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
        sys.stdout.write("".join(_homeless(text) for text in _NO_HOME))
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
    ctl.complain_of_environment()
    ctl.record("DEBUG1", f'ip: "{node.address}", cmd: "{command}". ')
    return _ACTIONS[command.action](ctl)


_NO_LIBRARY = (
    "error while loading shared libraries: libdcc.so: cannot open shared object file:"
    " No such file or directory"
)
_NO_HOME = (
    (
        " ERROR: cm_getenv: failed to get environment variable:GAUSSHOME."
        " Check and make sure it is configured!"
    ),
    " ERROR: Line:180 Get GAUSSHOME failed, please check.",
    (
        "[CMAGENT] c3000 FATAL: Get GAUSSHOME failed."
        '[ERRDETAIL]:N/A[ERRCAUSE]:The environment variable("GAUSSHOME") is incorrectly'
        ' configured.[ERRACTION]:Please check the environment variable("GAUSSHOME").'
    ),
)
_NO_STATIC_CONFIG = (
    "cm_ctl: Fail to access the cluster static config file.[ERRDETAIL]:The cluster static config"
    " file does not exist.[ERRCAUSE]:The cluster static config file is not generated or is"
    " manually deleted.[ERRACTION]:Please check the cluster static config file.\n"
)
