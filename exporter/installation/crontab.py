"""The crontab line by which OM keeps om_monitor running (openGauss-OM CM_OLAP.py).

``*/1 * * * * source /etc/profile;(if [ -f ~/.profile ];then source ~/.profile;fi);source
~/.bashrc;source ENVFILE;nohup GAUSSHOME/bin/om_monitor -L GAUSSLOG/cm/om_monitor >>/dev/null
2>&1 &``. Without a file of its own the environment is ``~/.bashrc``. OM puts ``#`` before the
line to stop om_monitor; what the line says stays true.
"""

from __future__ import annotations

import re

from exporter.errors import ParseError
from exporter.host.text import bounded
from exporter.installation.facts import MonitorCron

_MONITOR = re.compile(
    r"(?:^|[\s;])(?:(?P<home>/[^\s;]*)/bin/)?om_monitor\s+-L\s+(?P<log>/[^\s;>&]*)"
)
_SOURCED = re.compile(r"(?:^|[\s;])(?:source|\.)\s+([^\s;&|()<>]+)")
_SYSTEM_WIDE = frozenset({"/etc/profile", "/etc/bashrc", "/etc/bash.bashrc", "~/.profile"})


def parse_crontab(text: str, source: str = "crontab") -> MonitorCron:
    """Find om_monitor's line, the last if several; raises ParseError when there is none.

    ``env_files`` are what the line sources, in its order, the system's own files excepted.
    """
    for line in reversed(bounded(text, source).split("\n")):
        match = _MONITOR.search(line)
        if match:
            sourced = [name.strip("'\"") for name in _SOURCED.findall(line)]
            own = tuple(name for name in sourced if name not in _SYSTEM_WIDE)
            return MonitorCron(own, match["home"] or "", match["log"])
    raise ParseError(f"{source}: expected a line that starts om_monitor, found none")
